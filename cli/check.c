// SPDX-License-Identifier: Apache-2.0
/* check - `headroom check HOST:PORT`: how many more connections can be opened, and what holds the rest. */
#include "check.h"
#include "check_all.h"
#include "netns.h"
#include "verbs.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
	"usage: headroom check [OPTION...] HOST:PORT...\n"
	"       headroom check [OPTION...] --all | --leaks\n"
	"\n"
	"Says how many more connections can be opened to a destination, what holds the rest,\n"
	"who does it, how long until the end, and what to do.\n"
	"\n"
	"      --all             every destination of this host, that with the least headroom first\n"
	"      --leaks           processes that do not close their connections\n"
	"      --from LIST       sources to look at: 10.0.0.5, 10.0.0.5-10.0.0.12, 10.0.1.0/28,\n"
	"                        comma-separated, or auto; default: the kernel's own choice\n"
	"      --probe           ask the kernel about ports it does not tell of: exact numbers\n"
	"      --sample SECONDS  how long to watch for the rate of use; default 1, 0 for not\n"
	"      --threshold N     per cent in use that is bad news; default 80\n"
	"      --pid PID         look into the network namespace of a process\n"
	"      --netns NAME      look into a network namespace: a name of ip-netns(8), or a path\n"
	"      --json            for programs; see headroom-check(1)\n"
	"  -h, --help            this text\n"
	"\n"
	"Exit status: 0 fine; 1 exhausted, past the knee, or past the threshold; 2 usage or\n"
	"environment error.\n";

struct options {
	struct check *check;
	const char *space_option, *space; /* --pid or --netns */
	bool all, leaks;
};

static int take_number(const char *option, const char *text, double most, double *out)
{
	char *end;
	*out = strtod(text, &end);
	if (end == text || *end || !(*out >= 0 && *out <= most))
		return complain(option, "`%s` is not a number from 0 to %.0f", text, most);
	return STATUS_FINE;
}

static int take_option(struct options *options, int option, char **argv)
{
	struct check *check = options->check;
	char reason[REASON_MAX];
	double number;
	int status;

	switch (option) {
	case 'h':
		fputs(usage, stdout);
		exit(STATUS_FINE);
	case 'f':
		if (!source_list_extend(&check->arena, &check->from, optarg, reason))
			return complain("--from", "%s", reason);
		return STATUS_FINE;
	case 'p':
		check->probe = true;
		return STATUS_FINE;
	case 'a':
		options->all = true;
		return STATUS_FINE;
	case 'l':
		options->leaks = true;
		return STATUS_FINE;
	case 'j':
		check->json = true;
		return STATUS_FINE;
	case 's':
		return take_number("--sample", optarg, 3600, &check->sample_s);
	case 't':
		status = take_number("--threshold", optarg, 100, &number);
		check->threshold = (unsigned)number;
		return status;
	case 'P':
	case 'N':
		options->space_option = option == 'P' ? "--pid" : "--netns";
		options->space = optarg;
		return STATUS_FINE;
	case ':':
		return complain("check", "`%s` needs a value; `headroom check --help` has the details",
				argv[optind - 1]);
	default:
		return complain("check", "`%s` is not an option; `headroom check --help` lists them",
				argv[optind - 1]);
	}
}

static int take_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = { { "all", no_argument, NULL, 'a' },
					       { "leaks", no_argument, NULL, 'l' },
					       { "from", required_argument, NULL, 'f' },
					       { "probe", no_argument, NULL, 'p' },
					       { "sample", required_argument, NULL, 's' },
					       { "threshold", required_argument, NULL, 't' },
					       { "pid", required_argument, NULL, 'P' },
					       { "netns", required_argument, NULL, 'N' },
					       { "json", no_argument, NULL, 'j' },
					       { "help", no_argument, NULL, 'h' },
					       { NULL, 0, NULL, 0 } };
	int option, status;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", known, NULL)) != -1)
		if ((status = take_option(options, option, argv)))
			return status;
	return STATUS_FINE;
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

void view_complain(const struct kernel_view *view)
{
	if (view->way == VIEW_PROC)
		complain(NULL, "sock_diag is refused (%s): bound-only sockets and interfaces are not seen",
			 strerror(-view->refused));
	else if (view->no_bound_only)
		complain(NULL,
			 "this kernel, before 6.8, does not list sockets that are bound and not connected");
	if (view->interrupted)
		complain(NULL, "the kernel's list changed while it was read: counts may be off by a few");
}

void probe_complain(int error)
{
	complain("--probe", "the kernel cannot be asked about single ports (%s)%s", strerror(-error),
		 error == -ENOPROTOOPT ? ": Linux 6.3 can" : "");
}

void sleep_s(double seconds)
{
	struct timespec left = { .tv_sec = (time_t)seconds,
				 .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9) };
	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

static void complain_of_view(const struct check *check)
{
	view_complain(&check->view);
	if (check->probe_error)
		probe_complain(check->probe_error);
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
	(check->json ? check_json : check_report)(check, stdout);
	for (unsigned i = 0; i < check->space_count; i++)
		if (check->spaces[i].asked_for && check_is_bad_news(check, &check->spaces[i]))
			status = STATUS_BAD_NEWS;
	return status;
}

/* What the options say does not go together. */
static int disagreement(const struct options *options, bool destinations)
{
	if (options->all && options->leaks)
		return complain("check", "--all and --leaks are two questions: ask one at a time");
	const char *question = options->all ? "--all" : options->leaks ? "--leaks" : NULL;
	if (question && destinations)
		return complain(question, "takes no destination");
	if (question &&
	    (options->check->probe || options->check->from.count || options->check->from.automatic))
		return complain(question, "--probe and --from are for a single destination");
	if (!question && !destinations)
		return complain("check", "no destination given; `headroom check --help` has the usage");
	return STATUS_FINE;
}

static int ask(struct options *options, char **destinations)
{
	struct check *check = options->check;
	const struct check_all all = { .json = check->json,
				       .threshold = check->threshold,
				       .sample_s = check->sample_s };
	int status;

	if ((status = disagreement(options, *destinations)) ||
	    (status = take_targets(check, destinations, false)))
		return status;
	if (options->space && (status = netns_enter(options->space_option, options->space)))
		return status;
	if (options->all)
		return check_all(&all);
	if (options->leaks)
		return check_leaks(&all);
	status = take_targets(check, destinations, true);
	return status ? status : answer(check);
}

int verb_check(int argc, char **argv)
{
	struct options options = { .check = calloc(1, sizeof(struct check)) };

	if (!options.check)
		return complain(NULL, "no memory");
	options.check->sample_s = 1;
	options.check->threshold = 80;
	int status = take_options(&options, argc, argv);
	if (!status)
		status = ask(&options, argv + optind);
	check_end(options.check);
	free(options.check);
	return status;
}
