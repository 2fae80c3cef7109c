// SPDX-License-Identifier: Apache-2.0
/* check - assertions that say both values, and addresses written as text. */
#ifndef HEADROOM_TESTS_UNIT_CHECK_H
#define HEADROOM_TESTS_UNIT_CHECK_H

#include "pool/base/address.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Not Criterion's new/assert.h: its macros do not pass -Wconversion. */
#define check(condition) cr_assert(condition, "%s", #condition)

#define check_number(got, want)                                                      \
	do {                                                                         \
		long long got_ = (long long)(got), want_ = (long long)(want);        \
		cr_assert(got_ == want_, "%s is %lld, not %lld", #got, got_, want_); \
	} while (0)

#define check_text(got, want)                                                               \
	do {                                                                                \
		const char *got_ = (got), *want_ = (want);                                  \
		cr_assert(!strcmp(got_, want_), "%s is `%s`, not `%s`", #got, got_, want_); \
	} while (0)

#define check_contains(text, part)                                                                \
	do {                                                                                      \
		const char *text_ = (text), *part_ = (part);                                      \
		cr_assert(strstr(text_, part_), "%s is `%s`, without `%s`", #text, text_, part_); \
	} while (0)

#define check_address(got, want)                                  \
	do {                                                      \
		char text_[ADDRESS_TEXT_MAX];                     \
		check_text(address_format((got), text_), (want)); \
	} while (0)

/* A test that blocks or loops crashes by SIGALRM: Criterion's --timeout does not end it. */
static inline void limit_time(void)
{
	enum { LIMIT_S = 120 };
	alarm(LIMIT_S);
}

/* An address such as 10.0.0.1 or fd00::1. */
static inline struct address ip(const char *text)
{
	struct address address = { 0 };
	cr_assert(address_parse(text, strlen(text), &address), "%s is no address", text);
	return address;
}

/* An endpoint such as 10.0.0.1:80 or [fd00::1]:80. */
static inline struct endpoint at(const char *text)
{
	struct endpoint endpoint = { 0 };
	const char *colon = strrchr(text, ':');
	size_t length = (size_t)(colon - text), bracket = *text == '[';
	cr_assert(address_parse(text + bracket, length - 2 * bracket, &endpoint.ip), "%s", text);
	endpoint.port = (uint16_t)atoi(colon + 1);
	return endpoint;
}

#endif
