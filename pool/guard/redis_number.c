// SPDX-License-Identifier: Apache-2.0
/* redis_number - the counts and sizes in Redis' framing. */
#include "pool/guard/redis_number.h"

static enum redis_number_state add_digit(struct redis_number *number, unsigned digit)
{
	if (number->digits && !number->value)
		return NUMBER_BAD;
	if (number->value > ((uint64_t)INT64_MAX - digit) / 10)
		return NUMBER_BAD;
	number->value = number->value * 10 + digit;
	number->digits++;
	return NUMBER_MORE;
}

enum redis_number_state redis_number_follow(struct redis_number *number, char c)
{
	if (number->after_cr)
		return c == '\n' ? NUMBER_DONE : NUMBER_BAD;
	if (c >= '0' && c <= '9')
		return add_digit(number, (unsigned)(c - '0'));
	if (c == '-' && !number->negative && !number->digits) {
		number->negative = true;
		return NUMBER_MORE;
	}
	if (c != '\r' || !number->digits || (number->negative && number->value != 1))
		return NUMBER_BAD;
	number->after_cr = true;
	return NUMBER_MORE;
}
