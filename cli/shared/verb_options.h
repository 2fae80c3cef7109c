// SPDX-License-Identifier: Apache-2.0
/* verb_options - the options of a verb, one after the other. */
#ifndef HEADROOM_CLI_SHARED_VERB_OPTIONS_H
#define HEADROOM_CLI_SHARED_VERB_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>

struct verb_options {
	const char *verb;
	const char *usage;          /* what --help prints */
	const char *letters;        /* as getopt_long(3) has them, from ':' or "+:" on */
	const struct option *known; /* with --help, of which nobody else hears */
	bool no_words;              /* nothing may follow them */
	/* Takes one; its value is in optarg. Return: STATUS_FINE to go on. */
	int (*take)(void *context, int option);
};

/**
 * verb_options_take() - give each option to take(); --help is printed, and ends the command
 * Return: STATUS_FINE with optind at the first word that is none; else what take() said, or STATUS_USAGE
 * after a line on an option that is not known, lacks its value or has one it does not take, or on a word too
 * many
 */
int verb_options_take(const struct verb_options *options, int argc, char **argv, void *context);

#endif
