// SPDX-License-Identifier: Apache-2.0
/* fuzz_guard_redis - any bytes either way on a connection whose guard is redis */
#include "fuzz_guard.h"

/* A reader of whole streams, by recursion. Each function returns what follows, or NULL. */
static const uint8_t *line(const uint8_t *at, const uint8_t *end)
{
	for (; end - at >= 2; at++) {
		if (at[0] == '\r' && at[1] == '\n')
			return at + 2;
	}
	return NULL;
}

static const uint8_t *value(const uint8_t *at, const uint8_t *end)
{
	const uint8_t *next = line(at, end);
	long long count;

	if (!next || !strchr("$!=*~%|", *at))
		return next;
	count = strtoll((const char *)at + 1, NULL, 10);
	if (count < 0)
		return next;
	if (strchr("$!=", *at))
		return end - next >= count + 2 ? next + count + 2 : NULL;
	/* A value follows its attributes. */
	count = *at == '%' ? 2 * count : *at == '|' ? 2 * count + 1 : count;
	for (at = next; at && count > 0; count--)
		at = value(at, end);
	return at;
}

static bool complete(const struct stream *sent, const struct stream *received)
{
	unsigned commands = 0, replies = 0;
	const uint8_t *at = sent->bytes, *end = at + sent->size;

	for (; at && at < end; commands++)
		at = *at == '*' ? value(at, end) : line(at, end);
	if (!at)
		return false;
	at = received->bytes;
	end = at + received->size;
	for (; at && at < end; replies++)
		at = value(at, end);
	return at && commands == replies;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	guard_conversation(GUARD_REDIS, data, size, complete);
	return 0;
}
