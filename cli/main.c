// SPDX-License-Identifier: Apache-2.0
/* main - the headroom command: find the verb.
 *
 * A verb (check/check.c) is on top and calls its parts (look.c, report.c), and these stand on what they
 * share (found.h). No part calls its verb back. What several verbs need is in shared/: complain.c for
 * every line on standard error, view_complaints.c for what the kernel did not tell, json.c, terminal.c,
 * verb_options.c, option_number.c. */
#include "cli/shared/nearest_word.h"
#include "cli/shared/verbs.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *line;
} verbs[] = {
	{ "status", verb_status, "is all well here? The same without a verb" },
	{ "run", verb_run, "run a program under the shim, so that it does not run out of ports" },
	{ "service", verb_service, "the same for a service of systemd" },
	{ "host", verb_host, "the same for every program of a list" },
	{ "check", verb_check, "how many more connections can be opened, and what holds the rest" },
	{ "ports", verb_ports, "the port space of this host: range, reserved, blocked and by whom" },
	{ "doctor", verb_doctor, "what reaches a program, and what stands in the way" },
	{ "report", verb_report, "the ports that processes under the shim use, per destination and source" },
	{ "top", verb_top, "the same, live" },
	{ "record", verb_record, "keep a history, to see later when it began and who grew" },
	{ "export", verb_export, "metrics for Prometheus" },
	{ "explain", verb_explain, "what a word in their output means" },
	{ "attach", verb_attach, "spread what runs in a cgroup already, Go and static programs too" },
	{ "detach", verb_detach, "end that" },
	{ "disable", verb_disable, "leave every program alone, now and until `enable`" },
	{ "enable", verb_enable, "end that" },
	{ "config", verb_config, "check a rule file, and say how it is understood" },
};
enum { VERBS = sizeof(verbs) / sizeof(verbs[0]) };

static int help(FILE *out)
{
	fprintf(out, "usage: headroom VERB [ARGUMENT...]\n\n");
	for (int i = 0; i < VERBS; i++)
		fprintf(out, "  %-8s %s\n", verbs[i].name, verbs[i].line);
	fprintf(out, "\n`headroom help VERB` has the details; so has headroom(1). -V prints the version.\n");
	return out == stdout ? STATUS_FINE : STATUS_USAGE;
}

static int find_verb(const char *name)
{
	for (int i = 0; i < VERBS; i++)
		if (!strcmp(name, verbs[i].name))
			return i;
	return -1;
}

static int complain_unknown(const char *name)
{
	const char *names[VERBS + 2];

	for (int i = 0; i < VERBS; i++)
		names[i] = verbs[i].name;
	names[VERBS] = "help";
	names[VERBS + 1] = NULL;
	const char *meant = nearest_word(name, names);
	if (meant)
		return complain(NULL, "`%s` is not a verb; did you mean `%s`?", name, meant);
	return complain(NULL, "`%s` is not a verb; `headroom --help` lists them", name);
}

/* `headroom help VERB` is `headroom VERB --help`. */
static int help_on(char **argv)
{
	char option[] = "--help", *words[] = { argv[0], option, NULL };
	int verb = find_verb(argv[0]);

	return verb < 0 ? complain_unknown(argv[0]) : verbs[verb].run(2, words);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return verb_status(argc, argv);
	if (!strcmp(argv[1], "help") && argc > 2)
		return help_on(argv + 2);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help(stdout);
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return verb_version(argc, argv);
	int verb = find_verb(argv[1]);
	return verb < 0 ? complain_unknown(argv[1]) : verbs[verb].run(argc - 1, argv + 1);
}
