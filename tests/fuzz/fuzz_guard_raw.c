// SPDX-License-Identifier: Apache-2.0
/* fuzz_guard_raw - any bytes either way on a connection whose guard is raw */
#include "fuzz_guard.h"

static bool complete(const struct stream *sent, const struct stream *received)
{
	return sent->bytes[0] != 0x05 && received->size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	guard_conversation(GUARD_RAW, data, size, complete);
	return 0;
}
