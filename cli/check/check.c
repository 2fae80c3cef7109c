// SPDX-License-Identifier: Apache-2.0
/* check - `headroom check HOST:PORT`: how many more connections can be opened, and what holds the rest. */
#include "cli/check/all.h"
#include "cli/check/json.h"
#include "cli/check/leaks.h"
#include "cli/check/look.h"
#include "cli/check/report.h"
#include "cli/check/target.h"
#include "cli/ports/each_netns.h"
#include "cli/shared/netns.h"
#include "cli/shared/option_number.h"
#include "cli/shared/verb_options.h"
#include "cli/shared/verbs.h"
#include "cli/shared/view_complaints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: headroom check [OPTION...] HOST:PORT...\n"
	"       headroom check [OPTION...] --all | --leaks\n"
	"\n"
	"Says how many more connections can be opened to a destination, what holds the\n"
	"rest, who does it, how long until the end, and what to do.\n"
	"\n"
	"      --all             every destination of this host, that with the least\n"
	"                        headroom first\n"
	"      --leaks           processes that do not close their connections\n"
	"      --from LIST       sources to look at: 10.0.0.5, 10.0.0.5-10.0.0.12,\n"
	"                        10.0.1.0/28, comma-separated, or auto; default: the\n"
	"                        kernel's own choice\n"
	"      --probe           ask the kernel about ports it does not tell of: exact\n"
	"                        numbers\n"
	"      --sample SECONDS  how long to watch for the rate of use; default 1, 0 for\n"
	"                        not at all\n"
	"      --threshold N     per cent in use or lost to blockers that is bad news;\n"
	"                        default 80\n"
	"      --by WHAT         who holds ports: by process, unit, container or user;\n"
	"                        default: more than three of a kind are one\n"
	"      --pid PID         look into the network namespace of a process\n"
	"      --container C     the same of a container: ID, name or hostname\n"
	"      --netns NAME      look into a network namespace: a name of ip-netns(8), or\n"
	"                        a path\n"
	"      --all-netns       with --all: one network namespace of this host after the\n"
	"                        other\n"
	"      --json            for programs; see headroom-check(1)\n"
	"  -h, --help            this text\n"
	"\n"
	"Exit status: 0 fine; 1 exhausted, past the knee, or past the threshold; 2 usage\n"
	"or environment error; 3 the kernel does not tell.\n";

struct asked {
	struct check *check;
	struct netns_asked netns;
	bool all, leaks, all_netns;
};

static int take_option(void *context, int option)
{
	struct asked *asked = context;
	struct check *check = asked->check;
	char reason[REASON_MAX];
	double number = 0;
	int status;

	switch (option) {
	case 'f':
		if (!source_list_extend(&check->arena, &check->from, optarg, reason))
			return complain("--from", "%s", reason);
		return STATUS_FINE;
	case 'p':
		check->options.probe = true;
		return STATUS_FINE;
	case 'a':
		asked->all = true;
		return STATUS_FINE;
	case 'A':
		asked->all_netns = true;
		return STATUS_FINE;
	case 'l':
		asked->leaks = true;
		return STATUS_FINE;
	case 'j':
		check->options.json = true;
		return STATUS_FINE;
	case 's':
		return option_number("--sample", optarg, 0, 3600, &check->options.sample_s);
	case 'b':
		status = group_by_parse(optarg, &check->options.by);
		return status || check->options.by != GROUP_BY_SOURCE
			       ? status
			       : complain("--by", "each source is shown for itself in any case");
	case 't':
		status = option_number("--threshold", optarg, 0, 100, &number);
		check->options.threshold = (unsigned)number;
		return status;
	default:
		return netns_take(&asked->netns, option, optarg);
	}
}

static int take_options(struct asked *asked, int argc, char **argv)
{
	static const struct option known[] = { { "all", no_argument, NULL, 'a' },
					       { "leaks", no_argument, NULL, 'l' },
					       { "from", required_argument, NULL, 'f' },
					       { "probe", no_argument, NULL, 'p' },
					       { "sample", required_argument, NULL, 's' },
					       { "threshold", required_argument, NULL, 't' },
					       { "by", required_argument, NULL, 'b' },
					       { "all-netns", no_argument, NULL, 'A' },
					       NETNS_OPTIONS,
					       { "json", no_argument, NULL, 'j' },
					       { "help", no_argument, NULL, 'h' },
					       { NULL, 0, NULL, 0 } };
	static const struct verb_options all = {
		.verb = "check", .usage = usage, .letters = ":h", .known = known, .take = take_option
	};

	return verb_options_take(&all, argc, argv, asked);
}

/* Names are looked up here, where the resolver's servers are; the names of interfaces are those over there.
 */
static int take_targets(struct check *check, char **names, bool over_there)
{
	int status = STATUS_FINE;

	for (; *names && !status; names++)
		if (!strchr(*names, '%') == !over_there)
			status = check_target_add(check, *names);
	return status;
}

static void complain_of_view(const struct check *check)
{
	view_complain(&check->view);
	asked_complain(check->asked, check_doubt(check), check->options.probe);
	if (check->more_sources)
		complain(NULL, "other programs use more than %d sources: not all are shown",
			 CHECKED_UNASKED_MAX);
	holders_complain(&check->search);
}

static int answer(struct check *check)
{
	int status = check_look(check);

	if (status)
		return status;
	complain_of_view(check);
	(check->options.json ? check_json : check_report)(check, stdout);
	return verdict_status(check_worst(check));
}

/* What the options say does not go together. */
static int disagreement(const struct asked *asked, bool destinations)
{
	if (asked->all && asked->leaks)
		return complain("check", "--all and --leaks are two questions: ask one at a time");
	const char *question = asked->all ? "--all" : asked->leaks ? "--leaks" : NULL;
	if (question && destinations)
		return complain(question, "takes no destination");
	if (question && (asked->check->from.count || asked->check->from.automatic))
		return complain(question, "--from is for single destinations");
	if (question && asked->check->options.by != GROUP_BY_WORKERS)
		return complain(question, "--by is for single destinations");
	if (asked->all_netns && (!asked->all || asked->netns.what || asked->check->options.json))
		return complain("--all-netns", "is for people, with --all, and for all namespaces");
	if (asked->leaks && asked->check->options.probe)
		return complain("--leaks", "--probe is for destinations and for --all");
	if (!question && !destinations)
		return complain("check", "no destination given; `headroom check --help` has the usage");
	return STATUS_FINE;
}

static int all_of_one(const char *name, void *context)
{
	printf("network namespace: %s\n", name);
	int status = check_all(context);
	putchar('\n');
	return status;
}

static int ask(struct asked *asked, char **destinations)
{
	struct check *check = asked->check;
	int status;

	if ((status = disagreement(asked, *destinations)) ||
	    (status = take_targets(check, destinations, false)))
		return status;
	if ((status = netns_enter(&asked->netns)))
		return status;
	if (asked->all)
		return asked->all_netns ? each_netns(all_of_one, &check->options, true)
					: check_all(&check->options);
	if (asked->leaks)
		return check_leaks(&check->options);
	status = take_targets(check, destinations, true);
	return status ? status : answer(check);
}

int verb_check(int argc, char **argv)
{
	struct asked asked = { .check = calloc(1, sizeof(struct check)) };

	if (!asked.check)
		return complain(NULL, "no memory");
	asked.check->options.netns = &asked.netns;
	asked.check->options.sample_s = 1;
	asked.check->options.threshold = 80;
	asked.check->options.by = GROUP_BY_WORKERS;
	int status = take_options(&asked, argc, argv);
	if (!status)
		status = ask(&asked, argv + optind);
	check_end(asked.check);
	free(asked.check);
	return status;
}
