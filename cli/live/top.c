// SPDX-License-Identifier: Apache-2.0
/* top - `headroom top`: the ports in use, live; or once, as text. */
#include "cli/live/top.h"

#include "cli/history/moment.h"
#include "cli/live/top_past.h"
#include "cli/shared/nearest_word.h"
#include "cli/shared/option_number.h"
#include "cli/shared/sleep.h"
#include "cli/shared/verb_options.h"
#include "cli/shared/verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: headroom top [OPTION...]\n"
	"\n"
	"Shows the ports that programs under the shim have in use, live: a row for each\n"
	"process, destination and source. Without a terminal, or with --once, it is\n"
	"printed once.\n"
	"\n"
	"      --once           print once and end\n"
	"      --delay SECONDS  between two looks; default 1\n"
	"      --sort KEY       headroom (default: the least first), rate or failures\n"
	"      --by WHAT        a row for each process, unit, container, user or source;\n"
	"                       default: one for more than three workers of a unit,\n"
	"                       else container, else program\n"
	"      --filter TEXT    rows with this text in process, destination or source\n"
	"      --host           ask the kernel too: programs without the shim, exact\n"
	"                       capacity\n"
	"      --pid PID        look into the network namespace of a process\n"
	"      --container C    the same of a container: ID, name or hostname\n"
	"      --netns NAME     look into a network namespace: a name of ip-netns(8), or\n"
	"                       a path\n"
	"      --all-netns      look into each network namespace of this host\n"
	"      --at TIME        how it was then, by what `headroom record` kept: 2h\n"
	"                       (ago), 14:05 or 2026-11-27T14:05Z\n"
	"      --history FILE   where it was kept; default as of headroom record\n"
	"      --state-dir DIR  where the usage segments are; default HEADROOM_STATE_DIR,\n"
	"                       else where the shim puts them; as root those of all users\n"
	"  -h, --help           this text\n"
	"\n"
	"Keys: h r f sort by headroom, rate, failures; arrows select; Enter opens a\n"
	"group, then one process, Esc all; g groups by what; / filter; space pause;\n"
	"? help; q quit.\n"
	"\n"
	"Exit status: 0 fine; 2 usage or environment error.\n";

static int take_sort(struct top *top, const char *value)
{
	for (top->sort = 0; top->sort < TOP_SORTS; top->sort++)
		if (!strcmp(top_sort_name(top->sort), value))
			return STATUS_FINE;
	static const char *const words[] = { "headroom", "rate", "failures", NULL };
	const char *meant = nearest_word(value, words);
	if (meant)
		return complain("--sort", "`%s` is unknown; did you mean `%s`?", value, meant);
	return complain("--sort", "`%s` is none of headroom, rate, failures", value);
}

static int take_option(void *context, int option)
{
	struct top *top = context;
	switch (option) {
	case 'o':
		top->once = true;
		return STATUS_FINE;
	case 'd':
		return option_number("--delay", optarg, 0.1, 3600, &top->delay_s);
	case 's':
		return take_sort(top, optarg);
	case 'b':
		return group_by_parse(optarg, &top->by);
	case 'f':
		if (strlen(optarg) >= sizeof(top->filter))
			return complain("--filter", "is longer than %d characters", TOP_FILTER_MAX - 1);
		strcpy(top->filter, optarg);
		return STATUS_FINE;
	case 'H':
		top->look_for.host = true;
		return STATUS_FINE;
	case 'a':
		top->look_for.host = top->look_for.all_netns = true;
		return STATUS_FINE;
	case 'A':
		return moment_parse("--at", optarg, moment_now(), &top->at_ns);
	case 'F':
		top->history = optarg;
		return *optarg ? STATUS_FINE : complain("--history", "is empty");
	case 'D':
		top->look_for.state_dir = optarg;
		return STATUS_FINE;
	default:
		return netns_take(&top->netns, option, optarg);
	}
}

static int take_options(struct top *top, int argc, char **argv)
{
	static const struct option known[] = { { "once", no_argument, NULL, 'o' },
					       { "delay", required_argument, NULL, 'd' },
					       { "sort", required_argument, NULL, 's' },
					       { "by", required_argument, NULL, 'b' },
					       { "filter", required_argument, NULL, 'f' },
					       { "host", no_argument, NULL, 'H' },
					       { "at", required_argument, NULL, 'A' },
					       { "history", required_argument, NULL, 'F' },
					       NETNS_OPTIONS,
					       { "all-netns", no_argument, NULL, 'a' },
					       { "state-dir", required_argument, NULL, 'D' },
					       { "help", no_argument, NULL, 'h' },
					       { NULL, 0, NULL, 0 } };
	static const struct verb_options all = { .verb = "top",
						 .usage = usage,
						 .letters = ":h",
						 .known = known,
						 .take = take_option,
						 .no_words = true };

	int status = verb_options_take(&all, argc, argv, top);
	if (status)
		return status;
	if (top->history && !top->at_ns)
		return complain("--history", "is read with --at only");
	if (top->look_for.all_netns && top->netns.what)
		return complain("--all-netns", "is for all namespaces: not with %s", top->netns.option);
	if (top->at_ns && (top->sort != TOP_BY_HEADROOM || top->look_for.host || top->netns.what))
		return complain("--at", "shows what was kept, by headroom: not with --sort, --host, --pid, "
					"--container, --netns, --all-netns");
	if (top->at_ns)
		return STATUS_FINE;
	/* Rows are of that namespace then, by the kernel's list. */
	top->look_for.host |= top->netns.what != NULL;
	status = spaces_state_dir(&top->look_for.state_dir);
	return status ? status : netns_enter(&top->netns);
}

struct widths {
	int netns, process, to, source;
};

static void widen(int *width, const char *text)
{
	int length = (int)strlen(text);
	*width = length > *width ? length : *width;
}

static void print_rows(const struct top *top)
{
	struct widths w = { .netns = 9, .process = 7, .to = 11, .source = 6 };
	struct top_numbers numbers;
	unsigned shown = 0;

	for (unsigned i = 0; i < top->row_count; i++) {
		const struct top_row *row = &top->rows[i];
		if (!top_matches(top, row))
			continue;
		widen(&w.netns, row->netns);
		widen(&w.process, row->process);
		widen(&w.to, row->to);
		widen(&w.source, row->source);
		shown++;
	}
	if (!shown) {
		puts(top_nothing(top));
		return;
	}
	if (top->look_for.all_netns)
		printf("%-*s  ", w.netns, "namespace");
	printf("%-*s  %-*s  %-*s %8s %8s %7s %9s %7s %7s %7s %7s\n", w.process, "process", w.to,
	       "destination", w.source, "source", "headroom", "capacity", "open", "time-wait", "others",
	       "rate", "failed", "lasts");
	for (unsigned i = 0; i < top->row_count; i++) {
		const struct top_row *row = &top->rows[i];
		if (!top_matches(top, row))
			continue;
		top_numbers(row, &numbers);
		if (top->look_for.all_netns)
			printf("%-*s  ", w.netns, row->netns);
		printf("%-*s  %-*s  %-*s %8s %8s %7u %9u %7u %7s %7s %7s\n", w.process, row->process, w.to,
		       row->to, w.source, row->source, numbers.headroom, numbers.capacity, row->open,
		       row->time_wait, row->others, numbers.rate, numbers.failed, numbers.lasts);
	}
}

/* Two looks: a rate needs them. */
static int print_once(struct top *top)
{
	int status;

	top->look_for.say_skipped = true;
	if ((status = top_look(top)))
		return status;
	top->look_for.say_skipped = false;
	sleep_s(top->delay_s);
	if ((status = top_look(top)))
		return status;
	print_rows(top);
	for (unsigned i = 0; i < top->host_count; i++) {
		char text[TOP_HOST_MAX];
		puts(top_host(top, &top->hosts[i], text, sizeof(text)));
	}
	if (fflush(stdout) || ferror(stdout))
		return complain("standard output", "%s", strerror(errno));
	return STATUS_FINE;
}

int verb_top(int argc, char **argv)
{
	struct top top = { .delay_s = 1, .by = GROUP_BY_WORKERS };
	int status = take_options(&top, argc, argv);

	if (!status && top.at_ns) {
		/* Times are shown without parts of a second: one of those is the whole of it. */
		status = top_past(top.history, top.at_ns + 999999999u, top.filter);
	} else if (!status) {
		const char *kind = getenv("TERM");
		bool dumb = !kind || !*kind || !strcmp(kind, "dumb");
		bool live = !top.once && !dumb && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO);
		status = live ? top_screen(&top) : print_once(&top);
	}
	top_end(&top);
	return status;
}
