// SPDX-License-Identifier: Apache-2.0
/* main - the headroom command: find the verb. */
#include "cli/shared/verbs.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *line;
} verbs[] = {
	{ "run", verb_run, "run a program under the shim, so that it does not run out of ports" },
	{ "check", verb_check, "how many more connections can be opened, and what holds the rest" },
	{ "ports", verb_ports, "the port space of this host: range, reserved, blocked and by whom" },
	{ "report", verb_report, "the ports that processes under the shim use, per destination and source" },
	{ "top", verb_top, "the same, live" },
	{ "export", verb_export, "metrics for Prometheus" },
	{ "explain", verb_explain, "what a word in their output means" },
	{ "config", verb_config, "check a rule file, and say how it is understood" },
};
enum { VERBS = sizeof(verbs) / sizeof(verbs[0]) };

static int help(FILE *out)
{
	fprintf(out, "usage: headroom VERB [ARGUMENT...]\n\n");
	for (int i = 0; i < VERBS; i++)
		fprintf(out, "  %-8s %s\n", verbs[i].name, verbs[i].line);
	fprintf(out, "\n`headroom VERB --help` has the details; so has headroom(1).\n");
	return out == stdout ? STATUS_FINE : STATUS_USAGE;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return help(stderr);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help(stdout);
	if (!strcmp(argv[1], "--version")) {
		puts("headroom " HEADROOM_VERSION);
		return STATUS_FINE;
	}
	for (int i = 0; i < VERBS; i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argc - 1, argv + 1);
	return complain(NULL, "`%s` is not a verb; `headroom --help` lists them", argv[1]);
}
