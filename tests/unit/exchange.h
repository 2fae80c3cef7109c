// SPDX-License-Identifier: Apache-2.0
/* exchange - what went both ways on a connection, and what a guard must say of it. */
#ifndef HEADROOM_TESTS_UNIT_EXCHANGE_H
#define HEADROOM_TESTS_UNIT_EXCHANGE_H

#include "pool/guard/guard.h"

enum { EXCHANGE_STEPS_MAX = 14 };

struct exchange_step {
	char direction; /* '>': the program sent, '<': it received */
	const char *bytes;
	size_t size;
};

#define SENT(text)                            \
	{                                     \
		'>', (text), sizeof(text) - 1 \
	}
#define RECEIVED(text)                        \
	{                                     \
		'<', (text), sizeof(text) - 1 \
	}

struct exchange {
	const char *name;
	enum guard_verdict verdict;
	enum guard_reason reason;
	struct exchange_step steps[EXCHANGE_STEPS_MAX];
};

/* Shorthands for the tables. */
#define CLEAN(name, ...)                              \
	{                                             \
		name, GUARD_CLEAN, GUARD_REASON_NONE, \
		{                                     \
			__VA_ARGS__                   \
		}                                     \
	}
#define OPEN(name, ...)                              \
	{                                            \
		name, GUARD_OPEN, GUARD_REASON_NONE, \
		{                                    \
			__VA_ARGS__                  \
		}                                    \
	}
#define REFUSED(name, reason, ...)                          \
	{                                                   \
		name, GUARD_REFUSED, GUARD_REASON_##reason, \
		{                                           \
			__VA_ARGS__                         \
		}                                           \
	}

/* Each exchange whole, byte by byte, and with one cut at every place; after a clean exchange of the same
 * guard; and then the verdict must last as it should.
 * @before: a clean exchange of this kind */
void check_exchanges(enum guard_kind kind, const struct exchange *exchanges, size_t count,
		     const struct exchange *before);

/* One exchange, where the bytes are told in pieces of @piece bytes; 0: as the steps are. */
void exchange_run(struct guard *guard, const struct exchange *exchange, size_t piece);

#endif
