// SPDX-License-Identifier: Apache-2.0
/* exchange - what went both ways on a connection, and what a guard must say of it. */
#include "tests/unit/exchange.h"

#include "tests/unit/check.h"

/* The bytes in a block of their own size, so that AddressSanitizer sees reads past the end. */
static void tell(struct guard *guard, char direction, const char *bytes, size_t size)
{
	char *copy = malloc(size ? size : 1);

	memcpy(copy, bytes, size);
	if (direction == '>')
		guard_sent(guard, copy, size);
	else
		guard_received(guard, copy, size);
	free(copy);
}

void exchange_run(struct guard *guard, const struct exchange *exchange, size_t piece)
{
	for (const struct exchange_step *step = exchange->steps; step->direction; step++) {
		size_t each = piece ? piece : step->size;
		for (size_t at = 0; at < step->size; at += each)
			tell(guard, step->direction, step->bytes + at,
			     each < step->size - at ? each : step->size - at);
	}
}

/* With one cut after the first @cut bytes of all. */
static void run_cut(struct guard *guard, const struct exchange *exchange, size_t cut)
{
	size_t total = 0;

	for (const struct exchange_step *step = exchange->steps; step->direction; step++) {
		size_t head = cut > total && cut < total + step->size ? cut - total : 0;
		if (head)
			tell(guard, step->direction, step->bytes, head);
		tell(guard, step->direction, step->bytes + head, step->size - head);
		total += step->size;
	}
}

static void check_verdict(const struct guard *guard, const struct exchange *exchange, const char *how,
			  size_t where)
{
	cr_assert(guard_verdict(guard) == exchange->verdict && guard_refusal(guard) == exchange->reason,
		  "%s, %s %zu: verdict %d (%s), not %d (%s)", exchange->name, how, where,
		  guard_verdict(guard), guard_reason_name(guard_refusal(guard)), exchange->verdict,
		  guard_reason_name(exchange->reason));
}

static void check_lasts(struct guard *guard, const struct exchange *exchange, const struct exchange *before)
{
	if (exchange->verdict == GUARD_REFUSED) {
		exchange_run(guard, before, 0);
		check_verdict(guard, exchange, "after more", 0);
	}
	guard_reset(guard);
	check_number(guard_verdict(guard), exchange->verdict == GUARD_CLEAN ? GUARD_CLEAN : GUARD_REFUSED);
	if (exchange->verdict == GUARD_CLEAN) {
		exchange_run(guard, before, 0);
		check_verdict(guard, before, "used again", 0);
	}
}

static void check_exchange(enum guard_kind kind, const struct exchange *exchange,
			   const struct exchange *before)
{
	struct guard guard;
	size_t sent = 0, received = 0;

	for (const struct exchange_step *step = exchange->steps; step->direction; step++)
		*(step->direction == '>' ? &sent : &received) += step->size;
	for (size_t piece = 0; piece < 4; piece++) {
		memset(&guard, 0xa5, sizeof(guard));
		guard_start(&guard, kind);
		exchange_run(&guard, exchange, piece);
		check_verdict(&guard, exchange, "in pieces of", piece);
		check_number(guard.sent, sent);
		check_number(guard.received, received);
	}
	for (size_t cut = 1; cut < sent + received; cut++) {
		guard_start(&guard, kind);
		run_cut(&guard, exchange, cut);
		check_verdict(&guard, exchange, "cut at", cut);
	}
	check_lasts(&guard, exchange, before);
	guard_start(&guard, kind);
	exchange_run(&guard, before, 0);
	guard_reset(&guard);
	exchange_run(&guard, exchange, 0);
	check_verdict(&guard, exchange, "after a clean exchange", 0);
}

void check_exchanges(enum guard_kind kind, const struct exchange *exchanges, size_t count,
		     const struct exchange *before)
{
	for (size_t i = 0; i < count; i++)
		check_exchange(kind, &exchanges[i], before);
}
