// SPDX-License-Identifier: Apache-2.0
/* heritage - what a process that forks again and again finds out once for all its children. */
#include "pool/ledger/heritage.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/own_stack.h"
#include "pool/ledger/board.h"
#include "pool/ledger/kind.h"
#include "pool/routes/network.h"

#include <string.h>
#include <sys/syscall.h>

/* Other threads may fork meanwhile: their children get nothing. The lock is held. Return: what was mapped for
 * children before */
static struct recent *enter(struct ledger *ledger, const struct recent_kind *kind, bool many, bool board,
			    struct recent *recent, uint64_t now_ns)
{
	struct heritage *heritage = ledger->heritage;
	struct recent *before = heritage->recent;
	size_t length = strlen(kind->place);

	atomic_store(&heritage->whole, false);
	heritage->recent = recent;
	heritage->until_ns = many && length < HERITAGE_PATH_MAX ? now_ns + HERITAGE_LIFE_MS * 1000000ull : 0;
	if (heritage->until_ns) {
		heritage->uid = kind->uid;
		heritage->network_namespace = kind->own.network_namespace;
		heritage->network_cookie = kind->own.network_cookie;
		heritage->range = ledger->range;
		heritage->range_until_ns = ledger->range_until_ns;
		heritage->board = board;
		memcpy(heritage->place, kind->place, length + 1);
	}
	atomic_store(&heritage->whole, true);
	return before;
}

static void look(void *argument)
{
	struct ledger *ledger = argument;
	struct recent_kind kind;
	uint64_t now_ns = clock_ns();

	bool many = usage_many_end_soon(ledger, -1, &kind),
	     board = many && board_has_rows(kind.place, kind.own.network_cookie, now_ns);
	if (many && ledger->range_until_ns <= now_ns)
		ledger_refresh_range(ledger, now_ns);
	struct recent *recent = many ? recent_map_for_children(kind.place, kind.uid) : NULL, *over = recent;
	if (lock_enter(ledger->lock)) {
		over = enter(ledger, &kind, many, board, recent, now_ns);
		lock_leave(ledger->lock);
	}
	if (over)
		recent_unmap(over);
}

ONCE unsigned heritage_count_fork(struct ledger *ledger)
{
	return atomic_fetch_add(ledger->heritage->forks, 1) + 1;
}

ONCE void heritage_before_fork(struct ledger *ledger, unsigned forks)
{
	struct heritage *heritage = ledger->heritage;
	bool known = heritage->until_ns, again = known || !(forks & (forks - 1));

	if (forks < HERITAGE_FORKS || !again || (known && heritage->until_ns > clock_ns()))
		return;
	if (ledger->writer->state != USAGE_WITHOUT && !ledger->writer->frozen && !network_left())
		own_stack_run_seldom(look, ledger);
}

ONCE void heritage_take(struct ledger *ledger)
{
	struct heritage *heritage = ledger->heritage;
	struct usage_writer *writer = ledger->writer;

	atomic_store(heritage->forks, 0);
	if (!atomic_load(&heritage->whole) || heritage->until_ns <= ledger->started_ns ||
	    writer->state != USAGE_NOT_TRIED || network_left()) {
		heritage_let_go(heritage);
		return;
	}
	writer->state = USAGE_WAITING;
	writer->inherited = true;
	writer->place = heritage->place;
	writer->network_namespace = heritage->network_namespace;
	writer->network_cookie = heritage->network_cookie;
	ledger->range = heritage->range;
	ledger->range_until_ns = heritage->range_until_ns;
	if (!heritage->board)
		ledger->board->until_ns = heritage->until_ns;
}

COLD void heritage_let_go(struct heritage *heritage)
{
	struct recent *recent = heritage->recent;

	heritage->recent = NULL;
	if (recent)
		recent_unmap(recent);
}

COLD void heritage_drop(struct ledger *ledger)
{
	struct usage_writer *writer = ledger->writer;

	if (!writer->inherited)
		return;
	writer->state = USAGE_NOT_TRIED;
	writer->place = NULL;
	writer->inherited = false;
	heritage_let_go(ledger->heritage);
	ledger->range = (struct port_range){ 0 };
	ledger->range_until_ns = ledger->board->until_ns = 0;
}

ONCE bool heritage_is_ours(const struct ledger *ledger)
{
	return (unsigned)kernel_syscall(SYS_geteuid, 0, 0, 0, 0, 0, 0) == ledger->heritage->uid;
}
