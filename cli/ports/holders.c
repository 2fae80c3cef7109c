// SPDX-License-Identifier: Apache-2.0
/* holders - how many sockets each process holds. */
#include "cli/ports/holders.h"

#include "cli/shared/complain.h"
#include "cli/shared/identity.h"

#include <stdlib.h>

enum { IDENTIFIED_MAX = 50 }; /* each takes three files of /proc */

/* Sockets of one process come one after the other (process_table_find()): the last entry is the likely one.
 */
static struct holder *of(struct holders *holders, const struct process *process)
{
	for (unsigned i = holders->count; i-- > 0;)
		if (holders->items[i].process.pid == process->pid)
			return &holders->items[i];
	if (holders->count == holders->room) {
		unsigned room = holders->room ? holders->room * 2 : 16;
		struct holder *items = realloc(holders->items, room * sizeof(*items));
		if (!items)
			return NULL;
		holders->items = items;
		holders->room = room;
	}
	holders->items[holders->count] = (struct holder){ .process = *process };
	return &holders->items[holders->count++];
}

void holders_add(struct holders *holders, const struct process *process, unsigned way)
{
	struct holder *holder = of(holders, process);

	if (!holder) {
		holders->incomplete = true;
		return;
	}
	holder->sockets++;
	holder->by_way[way]++;
}

static int most_first(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;
	if (x->sockets != y->sockets)
		return x->sockets < y->sockets ? 1 : -1;
	return (x->process.pid > y->process.pid) - (x->process.pid < y->process.pid);
}

void holders_sort(struct holders *holders)
{
	if (holders->count)
		qsort(holders->items, holders->count, sizeof(*holders->items), most_first);
}

void holders_end(struct holders *holders)
{
	free(holders->items);
	*holders = (struct holders){ 0 };
}

void holders_complain(const struct process_search *search)
{
	if (search->missing && search->refused)
		complain(NULL,
			 "the processes of %zu sockets are not shown: run as root to see the processes of "
			 "other users",
			 search->missing);
}

static void put_identity(struct json *json, int pid)
{
	struct identity identity;

	identity_of(pid, &identity);
	json_text(json, "command", identity.command);
	json_text(json, "unit", identity.unit);
	json_text(json, "container", identity.container);
	json_number(json, "pid_there", (uint64_t)(identity.inner_pid ? identity.inner_pid : pid));
}

void holders_json(struct json *json, const char *name, const struct holders *holders)
{
	json_open(json, name, '[');
	for (unsigned i = 0; i < holders->count; i++) {
		const struct holder *holder = &holders->items[i];
		json_open(json, NULL, '{');
		json_number(json, "pid", (uint64_t)holder->process.pid);
		json_text(json, "name", holder->process.name);
		json_number(json, "sockets", holder->sockets);
		if (i < IDENTIFIED_MAX)
			put_identity(json, holder->process.pid);
		json_close(json, '}');
	}
	json_close(json, ']');
}

void holders_put(const struct holders *holders, unsigned most, uint32_t without, FILE *out)
{
	char mark[IDENTITY_MARK_MAX];
	uint32_t rest = 0;

	for (unsigned i = 0; i < holders->count; i++) {
		const struct holder *h = &holders->items[i];
		if (i < most)
			fprintf(out, "%s%s[%d] %u%s", i ? ", " : "", h->process.name, h->process.pid,
				h->sockets, identity_mark(h->process.pid, mark));
		else
			rest += h->sockets;
	}
	if (rest)
		fprintf(out, ", %u more processes %u", holders->count - most, rest);
	if (without)
		fprintf(out, "%sno visible process %u", holders->count ? ", " : "", without);
}
