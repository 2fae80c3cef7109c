// SPDX-License-Identifier: Apache-2.0
/* fuzz_guard - bytes told to a guard in two ways, and what must hold for both */
#ifndef HEADROOM_TESTS_FUZZ_GUARD_H
#define HEADROOM_TESTS_FUZZ_GUARD_H

#include "fuzz.h"
#include "pool/guard/guard.h"

#include <stdbool.h>

/* The input is a conversation: `>` at the begin of a record turns to what the program sends, `<` to what it
 * receives, `!` uses the connection again; records end at a byte 0xff. The first byte decides how the second
 * telling is cut. */
enum { RECORD_END = 0xff };

/* What went either way since the connection was handed out. */
struct stream {
	uint8_t bytes[8192];
	size_t size;
};

/* A second opinion, from all the bytes at once: is the exchange complete? */
typedef bool second_opinion(const struct stream *sent, const struct stream *received);

struct telling {
	struct guard guard;
	bool refused;
	enum guard_reason reason;
};

static void tell(struct telling *telling, char direction, const uint8_t *bytes, size_t size)
{
	struct guard *guard = &telling->guard;
	/* In a block of its own size, so that AddressSanitizer sees reads past the end. */
	uint8_t *exact = malloc(size ? size : 1);

	fuzz_must(exact);
	if (size)
		memcpy(exact, bytes, size);
	if (direction == '>')
		guard_sent(guard, exact, size);
	else
		guard_received(guard, exact, size);
	free(exact);

	enum guard_verdict verdict = guard_verdict(guard);
	fuzz_must((verdict == GUARD_REFUSED) == (guard_refusal(guard) != GUARD_REASON_NONE));
	fuzz_must(*guard_reason_name(guard_refusal(guard)));
	fuzz_must(!telling->refused || guard_refusal(guard) == telling->reason);
	/* Clean means that the server spoke last, in every protocol. */
	fuzz_must(verdict != GUARD_CLEAN || !guard->asked || guard->last_received);
	telling->refused = verdict == GUARD_REFUSED;
	telling->reason = guard_refusal(guard);
}

/* Pieces of sizes that a small generator gives; 0: whole. */
static void tell_cut(struct telling *telling, char direction, const uint8_t *bytes, size_t size,
		     uint32_t *seed)
{
	while (size) {
		size_t piece = size;
		if (*seed) {
			*seed = *seed * 1664525 + 1013904223;
			piece = 1 + (*seed >> 24) % 7;
			if (*seed >> 16 & 32)
				piece = 1;
			*seed |= 1;
		}
		if (piece > size)
			piece = size;
		tell(telling, direction, bytes, piece);
		bytes += piece;
		size -= piece;
	}
}

static void keep(struct stream *stream, const uint8_t *bytes, size_t size)
{
	fuzz_must(size <= sizeof(stream->bytes) - stream->size);
	memcpy(stream->bytes + stream->size, bytes, size);
	stream->size += size;
}

static void guard_conversation(enum guard_kind kind, const uint8_t *data, size_t size,
			       second_opinion *complete)
{
	static struct stream sent, received;
	struct telling whole = { 0 }, cut = { 0 };
	uint32_t seed = 1;
	char direction = '>';

	memset(&cut.guard, 0xa5, sizeof(cut.guard)); /* the start leaves nothing to chance */
	sent.size = received.size = 0;
	if (size > sizeof(sent.bytes))
		return;
	guard_start(&whole.guard, kind);
	guard_start(&cut.guard, kind);
	if (size)
		seed = *data++ * 2654435761u | 1, size--;
	while (size) {
		const uint8_t *end = memchr(data, RECORD_END, size);
		size_t record = end ? (size_t)(end - data) : size;
		if (record && *data == '!') {
			guard_reset(&whole.guard);
			guard_reset(&cut.guard);
			sent.size = received.size = 0;
		} else if (record && (*data == '>' || *data == '<')) {
			direction = (char)*data;
			keep(direction == '>' ? &sent : &received, data + 1, record - 1);
			tell(&whole, direction, data + 1, record - 1);
			tell_cut(&cut, direction, data + 1, record - 1, &seed);
		}
		fuzz_must(guard_verdict(&whole.guard) == guard_verdict(&cut.guard));
		fuzz_must(guard_refusal(&whole.guard) == guard_refusal(&cut.guard));
		fuzz_must(whole.guard.sent == cut.guard.sent && whole.guard.received == cut.guard.received);
		if (complete && sent.size && guard_verdict(&whole.guard) == GUARD_CLEAN)
			fuzz_must(complete(&sent, &received));
		data += record + (end != NULL);
		size -= record + (end != NULL);
	}
}

#endif
