// SPDX-License-Identifier: Apache-2.0
/* verb_options - the options of a verb, one after the other. */
#include "cli/shared/verb_options.h"

#include "cli/shared/complain.h"
#include "cli/shared/nearest_word.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *nearest_option(const struct option *known, const char *word)
{
	enum { OPTIONS_MAX = 32 };
	const char *names[OPTIONS_MAX + 1];
	int count = 0;

	for (; known->name && count < OPTIONS_MAX; known++)
		names[count++] = known->name;
	names[count] = NULL;
	return strncmp(word, "--", 2) ? NULL : nearest_word(word + 2, names);
}

/* What getopt_long() did not take, and why not. It tells of a short option by optopt only: several of them
 * can be in one word. */
static int complain_option(const char *verb, const struct option *known, int option, const char *word)
{
	char letter[] = { '-', (char)optopt, '\0' };
	const char *why = "is not an option";

	if (option == ':')
		why = "needs a value";
	else if (!strncmp(word, "--", 2) && strchr(word, '=') && optopt)
		why = "takes no value";
	else if (optopt)
		word = letter;
	const char *meant = option == '?' && !optopt ? nearest_option(known, word) : NULL;
	if (meant)
		return complain(verb, "`%s` %s; did you mean `--%s`?", word, why, meant);
	return complain(verb, "`%s` %s; `headroom %s --help` has the details", word, why, verb);
}

int verb_options_take(const struct verb_options *options, int argc, char **argv, void *context)
{
	int option, status;

	opterr = 0;
	while ((option = getopt_long(argc, argv, options->letters, options->known, NULL)) != -1) {
		if (option == 'h') {
			fputs(options->usage, stdout);
			exit(STATUS_FINE);
		}
		if (option == '?' || option == ':')
			return complain_option(options->verb, options->known, option, argv[optind - 1]);
		status = options->take(context, option);
		if (status)
			return status;
	}
	if (options->no_words && optind < argc)
		return complain(options->verb, "`%s` is one word too many", argv[optind]);
	return STATUS_FINE;
}
