// SPDX-License-Identifier: Apache-2.0
/* verb - `headroom status`, and `headroom` alone: is all well on this host? On one page. */
#include "cli/live/spaces.h"
#include "cli/shared/option_number.h"
#include "cli/shared/sleep.h"
#include "cli/shared/verb_options.h"
#include "cli/shared/verbs.h"
#include "cli/shared/view_complaints.h"
#include "cli/status/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: headroom status [OPTION...]\n"
	"       headroom\n"
	"\n"
	"Is all well in this network namespace? On one page, in under a second: the\n"
	"verdict, blocked ports and by whom, the destinations with the least headroom,\n"
	"leaks, states, UDP, connection tracking, how much runs under the shim, and what\n"
	"to type next.\n"
	"\n"
	"      --threshold N      per cent in use or lost to blockers that is bad news;\n"
	"                         default 80\n"
	"      --watch[=SECONDS]  again and again; default every 2 s\n"
	"      --nagios           one line and an exit status for Nagios and its kin\n"
	"      --json             for programs; see headroom-status(1)\n"
	"      --all-netns        a line for each network namespace of this host\n"
	"      --pid PID          look into the network namespace of a process\n"
	"      --container C      the same of a container: ID, name or hostname\n"
	"      --netns NAME       look into a network namespace: a name of ip-netns(8),\n"
	"                         or a path\n"
	"      --state-dir DIR    where the usage segments are\n"
	"  -h, --help             this text\n"
	"\n"
	"Exit status: 0 fine; 1 bad news; 2 usage or environment error; 3 the kernel does\n"
	"not tell. With --nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.\n";

static int take_option(void *context, int option)
{
	struct status_options *options = context;
	double number = 0;
	int status;

	switch (option) {
	case 't':
		status = option_number("--threshold", optarg, 0, 100, &number);
		options->threshold = (unsigned)number;
		return status;
	case 'w':
		options->watch_s = 2;
		return optarg ? option_number("--watch", optarg, 0.1, 86400, &options->watch_s) : STATUS_FINE;
	case 'n':
		options->nagios = true;
		return STATUS_FINE;
	case 'j':
		options->json = true;
		return STATUS_FINE;
	case 'a':
		options->all_netns = true;
		return STATUS_FINE;
	case 'd':
		options->state_dir = optarg;
		return STATUS_FINE;
	default:
		return netns_take(&options->netns, option, optarg);
	}
}

static int take_options(struct status_options *options, int argc, char **argv)
{
	static const struct option known[] = { { "threshold", required_argument, NULL, 't' },
					       { "watch", optional_argument, NULL, 'w' },
					       { "nagios", no_argument, NULL, 'n' },
					       { "json", no_argument, NULL, 'j' },
					       { "all-netns", no_argument, NULL, 'a' },
					       NETNS_OPTIONS,
					       { "state-dir", required_argument, NULL, 'd' },
					       { "help", no_argument, NULL, 'h' },
					       { NULL, 0, NULL, 0 } };
	static const struct verb_options all = { .verb = "status",
						 .usage = usage,
						 .letters = ":h",
						 .known = known,
						 .take = take_option,
						 .no_words = true };

	int status = verb_options_take(&all, argc, argv, options);
	if (status)
		return status;
	if (options->all_netns && (options->json || options->nagios || options->netns.what))
		return complain("--all-netns", "is for people, and for all namespaces");
	if (options->json && options->nagios)
		return complain("--json", "cannot be together with --nagios");
	return STATUS_FINE;
}

static void complain_of_view(const struct status *status)
{
	view_complain(&status->view.view);
	asked_complain(status->view.asked, status->view.doubtful, false);
	holders_complain(&status->search);
}

static int show(const struct status_options *options)
{
	struct status *status = calloc(1, sizeof(*status));

	if (!status)
		return complain(NULL, "no memory");
	int rc = status_look(status, options);
	if (!rc && options->nagios) {
		status_nagios(status, options, stdout);
		rc = verdict_nagios(status->verdict);
	} else if (!rc) {
		complain_of_view(status);
		(options->json ? status_json : status_page)(status, options, stdout);
		rc = verdict_status(status->verdict);
	} else if (options->nagios) {
		puts("HEADROOM UNKNOWN - the kernel's sockets cannot be read");
		rc = verdict_nagios(VERDICT_UNKNOWN);
	}
	status_end(status);
	free(status);
	if (fflush(stdout) || ferror(stdout))
		return complain("standard output", "%s", strerror(errno));
	return rc;
}

/* On a terminal the page stays where it is. */
static int show_again(const struct status_options *options)
{
	const char *kind = getenv("TERM");
	bool screen = isatty(STDOUT_FILENO) && kind && strcmp(kind, "dumb") != 0 && !options->json;

	for (;;) {
		if (screen)
			fputs("\033[H\033[2J", stdout);
		int status = options->all_netns ? status_all_netns(options) : show(options);
		if (status == STATUS_USAGE && !options->nagios)
			return status;
		fflush(stdout);
		sleep_s(options->watch_s);
	}
}

int verb_status(int argc, char **argv)
{
	struct status_options options = { .threshold = 80 };
	int status = take_options(&options, argc, argv);

	/* Without segments there is still all the rest. */
	if (!status && !options.state_dir) {
		const char *from = getenv("HEADROOM_STATE_DIR");
		options.state_dir = from && strcmp(from, "off") ? from : NULL;
	}
	if (!status)
		status = netns_enter(&options.netns);
	if (status)
		return status;
	if (options.watch_s > 0)
		return show_again(&options);
	return options.all_netns ? status_all_netns(&options) : show(&options);
}
