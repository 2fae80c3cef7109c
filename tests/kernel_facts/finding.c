// SPDX-License-Identifier: Apache-2.0
/* finding.c - the one line a platform program prints, and its exit status: 0 holds, 1 does not, 77 skipped */
#include "probe.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool started, failed;

static const char *error_name(int error)
{
	return error ? strerrorname_np(error) : "success";
}

static void begin_item(void)
{
	if (started)
		fputs("; ", stdout);
	else
		printf("%s: ", program_invocation_short_name);
	started = true;
}

/** expect() - a statement that must hold */
void expect(const char *what, bool holds)
{
	begin_item();
	printf("%s%s", what, holds ? "" : " [NO]");
	failed |= !holds;
}

/** expect_count() - a number that must be exactly this */
void expect_count(const char *what, unsigned found, unsigned expected)
{
	begin_item();
	printf("%s %u", what, found);
	if (found != expected) {
		printf(" [EXPECTED %u]", expected);
		failed = true;
	}
}

/**
 * expect_error() - a call must end this way
 * @found: errno, negative or positive; 0 for success
 * @expected: errno, 0 for success
 */
void expect_error(const char *what, int found, int expected)
{
	found = abs(found);
	begin_item();
	printf("%s %s", what, error_name(found));
	if (found != expected) {
		printf(" [EXPECTED %s]", error_name(expected));
		failed = true;
	}
}

/** expect_filled() - fill() must make exactly this many connections, then fail in connect(), EADDRNOTAVAIL */
void expect_filled(const char *what, struct filled found, unsigned expected)
{
	expect_count(what, found.count, expected);
	if (found.error != EADDRNOTAVAIL || strcmp(found.call, "connect") != 0) {
		printf(" [THEN %s %s]", found.call, error_name(found.error));
		failed = true;
	}
}

/** note() - something worth showing that nothing relies on */
void note(const char *format, ...)
{
	va_list arguments;

	begin_item();
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
}

/** verdict() - end the line; Return: the exit status */
int verdict(void)
{
	puts(failed ? " - DOES NOT HOLD" : "");
	return failed;
}

/* For tests/run, which judges what was left out. */
static void note_skip(const char *why)
{
	const char *path = getenv("HEADROOM_SKIPS");
	FILE *notes = path ? fopen(path, "a") : NULL;

	if (!notes)
		return;
	fprintf(notes, "kernel_facts/%s: %s\n", program_invocation_short_name, why);
	fclose(notes);
}

/** skip() - this machine cannot show it */
noreturn void skip(const char *format, ...)
{
	char why[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	begin_item();
	printf("skipped: %s\n", why);
	note_skip(why);
	exit(failed ? EXIT_FAILURE : 77);
}

/** give_up() - a call that cannot fail has failed; errno says why */
noreturn void give_up(const char *what)
{
	begin_item();
	printf("%s: %s - GAVE UP\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}
