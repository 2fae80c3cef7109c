// SPDX-License-Identifier: Apache-2.0
/* fuzz - what the fuzzers share */
#ifndef HEADROOM_TESTS_FUZZ_H
#define HEADROOM_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** fuzz_must() - what has to hold for every input; stops the fuzzer, which then keeps the input */
#define fuzz_must(condition)                                                                    \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                \
		}                                                                               \
	} while (0)

/** fuzz_text() - the input as a string of its own size, so that reading past its end is noticed */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	fuzz_must(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
