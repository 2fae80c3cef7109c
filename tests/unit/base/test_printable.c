// SPDX-License-Identifier: Apache-2.0
/* test_printable - text from outside, made fit to be shown. */
#include "pool/base/printable.h"
#include "tests/unit/check.h"

struct shown_case {
	char text[40], shown[80];
};

ParameterizedTestParameters(printable, what_would_be_obeyed_is_escaped)
{
	static struct shown_case cases[] = {
		{ "", "" },
		{ "plain \"text\" \\", "plain \"text\" \\" },
		{ "a\nb\r\tc", "a\\u000ab\\u000d\\u0009c" },
		{ "\033]0;x\007", "\\u001b]0;x\\u0007" },
		{ "\177", "\\u007f" },
		/* C1 controls: as two bytes of UTF-8, and as the one byte they are in Latin-1. */
		{ "\302\233[2J", "\\u009b[2J" },
		{ "\233[2J", "\\ufffd[2J" },
		{ "\302\240\303\251\342\202\254\360\237\230\200",
		  "\302\240\303\251\342\202\254\360\237\230\200" },
		{ "\342\200\250\342\200\251", "\\u2028\\u2029" },
		{ "\342\200\256\342\201\246\330\234", "\\u202e\\u2066\\u061c" },
		{ "\357\273\277x", "\\ufeffx" },
		/* Not UTF-8: cut off, overlong, a surrogate, too high, no start. */
		{ "a\303", "a\\ufffd" },
		{ "\342\202x", "\\ufffd\\ufffdx" },
		{ "\300\212", "\\ufffd\\ufffd" },
		{ "\340\200\212", "\\ufffd\\ufffd\\ufffd" },
		{ "\355\240\200", "\\ufffd\\ufffd\\ufffd" },
		{ "\364\220\200\200", "\\ufffd\\ufffd\\ufffd\\ufffd" },
		{ "\370\210\200", "\\ufffd\\ufffd\\ufffd" },
		{ "\377\376", "\\ufffd\\ufffd" },
	};
	return cr_make_param_array(struct shown_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct shown_case *c, printable, what_would_be_obeyed_is_escaped)
{
	char out[200];
	check_text(printable_text(c->text, out, sizeof(out)), c->shown);
}

Test(printable, what_does_not_fit_is_cut_between_characters)
{
	char out[10];
	check_text(printable_text("123456789", out, sizeof(out)), "123456789");
	check_text(printable_text("1234567890", out, sizeof(out)), "123456789");
	check_text(printable_text("12345678\303\251", out, sizeof(out)), "12345678");
	check_text(printable_text("1234\n", out, sizeof(out)), "1234");
}

Test(printable, every_byte_is_taken_and_none_behind_the_end)
{
	for (unsigned first = 1; first < 256; first++)
		for (unsigned second = 0; second < 256; second++) {
			char text[4] = { (char)first, (char)second, '\0', 'X' }, one[PRINTABLE_MAX];
			const char *at = text;
			while (*at)
				printable_next(&at, one);
			check(at == text + strlen(text));
		}
}
