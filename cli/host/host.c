// SPDX-License-Identifier: Apache-2.0
/* host - `headroom host`: the shim in every program of the host, at work in those of a list. */
#include "cli/host/enable.h"
#include "cli/host/watch.h"
#include "cli/shared/complain.h"
#include "cli/shared/verb_options.h"
#include "cli/shared/verbs.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
	"usage: headroom host enable --include NAME[,NAME...] [OPTION...]\n"
	"       headroom host disable\n"
	"       headroom host status\n"
	"\n"
	"Puts the shim into every program that starts, by /etc/ld.so.preload, and lets it work in\n"
	"those that are named; in all others it does nothing. `headroom service` and `headroom run`\n"
	"are better where they can be used. It ends with a reboot, and by itself when ten programs\n"
	"in a row die by a signal, as of a crash.\n"
	"\n"
	"      --include NAMES     names of programs, without folders, as they are called\n"
	"      --sources LIST      as for `headroom run`\n"
	"      --spread even|spill|sticky|off\n"
	"  -c, --rule FILE         rules per destination, instead; see headroom(1)\n"
	"  -h, --help              this text\n"
	"\n"
	"Exit status: 0 done, or all is well; 1 it was taken back, or nobody watches; 2 a mistake,\n"
	"or it cannot be done here: nothing was changed.\n";

static int take_option(void *context, int option)
{
	struct host_options *options = context;

	switch (option) {
	case 'i':
		options->include = optarg;
		break;
	case 's':
		options->sources = optarg;
		break;
	case 'p':
		options->spread = optarg;
		break;
	case 'c':
		options->rule = optarg;
		break;
	}
	return STATUS_FINE;
}

/* What `enable` leaves running. */
static int watch(void)
{
	char reason[256];

	return watch_run(reason, sizeof(reason)) ? STATUS_FINE : complain("host watch", "%s", reason);
}

int verb_host(int argc, char **argv)
{
	static const struct option known[] = {
		{ "include", required_argument, NULL, 'i' }, { "sources", required_argument, NULL, 's' },
		{ "spread", required_argument, NULL, 'p' },  { "rule", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },          { NULL, 0, NULL, 0 }
	};
	static const struct verb_options all = {
		.verb = "host", .usage = usage, .letters = ":c:h", .known = known, .take = take_option
	};
	struct host_options options = { 0 };
	int status = verb_options_take(&all, argc, argv, &options);

	if (status)
		return status;
	const char *what = optind < argc ? argv[optind] : "";
	if (optind + 1 < argc)
		return complain("host", "`%s` is one word too many", argv[optind + 1]);
	if (!strcmp(what, "enable"))
		return host_enable(&options);
	if (!strcmp(what, "disable"))
		return host_disable();
	if (!strcmp(what, "status"))
		return host_status();
	if (!strcmp(what, "watch"))
		return watch();
	return complain("host", "expected enable, disable or status; `headroom host --help` has the details");
}
