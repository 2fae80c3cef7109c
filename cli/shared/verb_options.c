// SPDX-License-Identifier: Apache-2.0
/* verb_options - the options of a verb, one after the other. */
#include "cli/shared/verb_options.h"

#include "cli/shared/complain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What getopt_long() did not take, and why not. It tells of a short option by optopt only: several of them
 * can be in one word. */
static int complain_option(const char *verb, int option, const char *word)
{
	char letter[] = { '-', (char)optopt, '\0' };
	const char *why = "is not an option";

	if (option == ':')
		why = "needs a value";
	else if (!strncmp(word, "--", 2) && strchr(word, '=') && optopt)
		why = "takes no value";
	else if (optopt)
		word = letter;
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
			return complain_option(options->verb, option, argv[optind - 1]);
		status = options->take(context, option);
		if (status)
			return status;
	}
	return STATUS_FINE;
}
