// SPDX-License-Identifier: Apache-2.0
/* service - `headroom service`: the shim for services of systemd. */
#include "cli/service/verbs.h"
#include "cli/shared/complain.h"
#include "cli/shared/option_number.h"
#include "cli/shared/verb_options.h"
#include "cli/shared/verbs.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
	"usage: headroom service enable UNIT [OPTION...]\n"
	"       headroom service disable UNIT|--all [--no-restart]\n"
	"       headroom service list [--json]\n"
	"\n"
	"Puts the shim in front of a service of systemd, by a drop-in file. Before that it looks\n"
	"at the unit and tries the shim in the unit's sandbox. A service that runs is restarted;\n"
	"if it fails then, the drop-in is taken back and it is started as it was.\n"
	"\n"
	"      --sources LIST      as for `headroom run`\n"
	"      --spread even|spill|sticky|off\n"
	"      --reuse GUARD\n"
	"      --strict\n"
	"  -c, --rule FILE         rules per destination; see headroom(1)\n"
	"      --runtime           until the next boot only\n"
	"      --no-restart        leave a service that runs as it is; the shim is there from\n"
	"                          its next start on\n"
	"      --watch SECONDS     how long a service that was restarted must not fail;\n"
	"                          default 5\n"
	"      --force             whatever stands in the way\n"
	"      --dry-run           print the drop-in, and do nothing\n"
	"      --all               with disable: all services\n"
	"      --json              with list: as JSON\n"
	"  -h, --help              this text\n"
	"\n"
	"Exit status: 0 done; 1 the service failed, and all is as before; 2 a mistake, or\n"
	"something stands in the way: nothing was changed.\n";

enum { WATCH_MAX_S = 600 };

static int take_option(void *context, int option)
{
	struct service_options *options = context;

	switch (option) {
	case 'c':
		options->value[VALUE_RULE] = optarg;
		return STATUS_FINE;
	case 't':
		options->value[VALUE_STRICT] = "yes";
		return STATUS_FINE;
	case 'w':
		return option_number("--watch", optarg, 0, WATCH_MAX_S, &options->watch_s);
	case 'r':
		options->runtime = true;
		return STATUS_FINE;
	case 'n':
		options->no_restart = true;
		return STATUS_FINE;
	case 'f':
		options->force = true;
		return STATUS_FINE;
	case 'd':
		options->dry_run = true;
		return STATUS_FINE;
	case 'a':
		options->all = true;
		return STATUS_FINE;
	case 'j':
		options->json = true;
		return STATUS_FINE;
	default:
		options->value[option] = optarg;
		return STATUS_FINE;
	}
}

static int take_options(struct service_options *options, int argc, char **argv)
{
	static const struct option known[] = { { "sources", required_argument, NULL, VALUE_SOURCES },
					       { "spread", required_argument, NULL, VALUE_SPREAD },
					       { "reuse", required_argument, NULL, VALUE_REUSE },
					       { "strict", no_argument, NULL, 't' },
					       { "rule", required_argument, NULL, 'c' },
					       { "runtime", no_argument, NULL, 'r' },
					       { "no-restart", no_argument, NULL, 'n' },
					       { "watch", required_argument, NULL, 'w' },
					       { "force", no_argument, NULL, 'f' },
					       { "dry-run", no_argument, NULL, 'd' },
					       { "all", no_argument, NULL, 'a' },
					       { "json", no_argument, NULL, 'j' },
					       { "help", no_argument, NULL, 'h' },
					       { NULL, 0, NULL, 0 } };
	static const struct verb_options all = {
		.verb = "service", .usage = usage, .letters = ":c:h", .known = known, .take = take_option
	};

	return verb_options_take(&all, argc, argv, options);
}

int verb_service(int argc, char **argv)
{
	struct service_options options = { .watch_s = 5 };
	int status = take_options(&options, argc, argv);

	if (status)
		return status;
	const char *what = optind < argc ? argv[optind++] : "";
	int words = argc - optind;
	if (!strcmp(what, "enable"))
		return words == 1 ? service_enable(argv[optind], &options)
				  : complain("service enable", "expected one UNIT");
	if (!strcmp(what, "disable")) {
		if (words != !options.all)
			return complain("service disable", "expected one UNIT, or --all");
		return service_disable(options.all ? NULL : argv[optind], &options);
	}
	if (!strcmp(what, "list"))
		return words ? complain("service list", "`%s` is one word too many", argv[optind])
			     : service_list(&options);
	return complain("service",
			"expected enable, disable or list; `headroom service --help` has the details");
}
