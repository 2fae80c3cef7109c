// SPDX-License-Identifier: Apache-2.0
/* fuzz_guard_memcached - any bytes either way on a connection whose guard is memcached */
#include "fuzz_guard.h"

static bool ends_a_line(const struct stream *stream)
{
	return stream->size >= 2 && !memcmp(stream->bytes + stream->size - 2, "\r\n", 2);
}

static bool complete(const struct stream *sent, const struct stream *received)
{
	return ends_a_line(sent) && ends_a_line(received);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	guard_conversation(GUARD_MEMCACHED, data, size, complete);
	return 0;
}
