// SPDX-License-Identifier: Apache-2.0
/* attach - `headroom attach`: spread the connections of what runs in a cgroup, without a restart. */
#include "attach/loader.h"
#include "attach/needs.h"
#include "attach/pins.h"
#include "attach/plan.h"
#include "attach/target.h"
#include "cli/attach/list.h"
#include "cli/attach/refresh.h"
#include "cli/attach/surroundings.h"
#include "cli/shared/verb_options.h"
#include "cli/shared/verbs.h"
#include "pool/base/clock.h"
#include "pool/rules/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
	"usage: headroom attach TARGET --sources LIST [OPTION...]\n"
	"       headroom attach TARGET -c FILE\n"
	"       headroom attach --refresh [TARGET]\n"
	"       headroom attach --list [--json]\n"
	"\n"
	"Spreads the connections of what runs in a cgroup, and will, over several sources:\n"
	"also of programs that run already, of static, Go and musl programs. Nothing stays\n"
	"running for it; it ends with `headroom detach`, with the cgroup or with a reboot.\n"
	"\n"
	"  TARGET                  a folder of cgroup v2; a unit of systemd\n"
	"                          (redis-proxy.service); pid:N, for the cgroup of a\n"
	"                          process; container:ID\n"
	"      --sources LIST      local addresses to spread over, as for `headroom run`,\n"
	"                          but not auto\n"
	"      --spread even|spill|sticky\n"
	"                          as for `headroom run`; default even\n"
	"      --strict            never the kernel's own source when all of these are full\n"
	"  -c, --config FILE       the rule file of the shim: destinations, sources, spread,\n"
	"                          strict and off are taken from it\n"
	"      --own-ports LO-HI   take ports of this range first, outside the ephemeral one:\n"
	"                          so many more for each source, and no search in connect()\n"
	"      --force             also a range that overlaps the ephemeral one\n"
	"      --refresh           look again at which links there are, which of the sources serve\n"
	"                          on each, and at the port range: of one cgroup or of all that\n"
	"                          are attached\n"
	"      --list              what is attached, what it counted, and which programs of\n"
	"                          others are at the same cgroup\n"
	"      --json              with --list: as JSON\n"
	"  -h, --help              this text\n"
	"\n"
	"Exit status: 0 done; 2 a mistake in the options, or something is missing.\n";

struct attach {
	const char *sources, *spread, *config, *own_ports;
	bool strict, list, json, force, refresh;
	struct arena arena;
	struct settings settings;
};

static int take_option(void *context, int option)
{
	struct attach *attach = context;

	switch (option) {
	case 'c':
		attach->config = optarg;
		break;
	case 's':
		attach->sources = optarg;
		break;
	case 'p':
		attach->spread = optarg;
		break;
	case 't':
		attach->strict = true;
		break;
	case 'o':
		attach->own_ports = optarg;
		break;
	case 'f':
		attach->force = true;
		break;
	case 'r':
		attach->refresh = true;
		break;
	case 'l':
		attach->list = true;
		break;
	case 'j':
		attach->json = true;
		break;
	}
	return STATUS_FINE;
}

static int take_options(struct attach *attach, int argc, char **argv)
{
	static const struct option known[] = { { "config", required_argument, NULL, 'c' },
					       { "sources", required_argument, NULL, 's' },
					       { "spread", required_argument, NULL, 'p' },
					       { "strict", no_argument, NULL, 't' },
					       { "own-ports", required_argument, NULL, 'o' },
					       { "force", no_argument, NULL, 'f' },
					       { "refresh", no_argument, NULL, 'r' },
					       { "list", no_argument, NULL, 'l' },
					       { "json", no_argument, NULL, 'j' },
					       { "help", no_argument, NULL, 'h' },
					       { NULL, 0, NULL, 0 } };
	static const struct verb_options all = {
		.verb = "attach", .usage = usage, .letters = ":c:h", .known = known, .take = take_option
	};

	return verb_options_take(&all, argc, argv, attach);
}

static int apply_settings(struct attach *attach)
{
	struct complaint complaint;
	char reason[REASON_MAX];

	settings_default(&attach->settings);
	if (attach->config && !rule_file_read(&attach->arena, &attach->settings, attach->config, &complaint))
		return complain(complaint.place, "%s", complaint.reason);
	if (attach->sources) {
		attach->settings.otherwise.sources = (struct source_list){ 0 };
		if (!settings_set(&attach->arena, &attach->settings, "sources", attach->sources, reason) ||
		    !source_list_complete(&attach->settings.otherwise.sources, reason))
			return complain("--sources", "%s", reason);
	}
	if (attach->spread &&
	    !settings_set(&attach->arena, &attach->settings, "spread", attach->spread, reason))
		return complain("--spread", "%s", reason);
	if (attach->strict && !settings_set(&attach->arena, &attach->settings, "strict", "yes", reason))
		return complain("--strict", "%s", reason);
	settings_finish(&attach->settings);
	return STATUS_FINE;
}

static int attach_to(const struct attach_plan *plan, const struct attach_target *target)
{
	char reason[ATTACH_REASON_MAX];
	int pins = attach_pins_open(true, reason);

	if (pins < 0)
		return complain(target->path, "%s", reason);
	int rc = attach_load(plan, target, pins, reason);
	attach_pins_close(pins);
	if (rc)
		return complain(target->path, "%s", reason);
	printf("attached: %s\n", target->path);
	return STATUS_FINE;
}

static int plan_and_attach(struct attach *attach, const char *word)
{
	struct attach_plan *plan = calloc(1, sizeof(*plan));
	struct attach_target target;
	struct complaint complaint;
	char reason[ATTACH_REASON_MAX];
	int status = STATUS_FINE;

	if (!plan)
		return complain("attach", "%s", strerror(ENOMEM));
	if (!attach_plan_make(&attach->settings, plan, &complaint))
		status = complain(*complaint.place ? complaint.place : "attach", "%s", complaint.reason);
	else if (attach_lacks(attach->own_ports, reason))
		status = complain("attach", "%s", reason);
	else if (!attach_target_find(word, &target, reason))
		status = complain(word, "%s", reason);
	if (!status && strlen(target.path) >= sizeof(plan->config.target))
		status = complain(word, "too long a path");
	if (!status) {
		strcpy(plan->config.target, target.path);
		plan->config.made_s = (__u64)time(NULL);
		plan->config.made_ns = clock_ns();
		plan->config.cgroup_id = target.id;
		status = surroundings_take(plan, &target, attach->own_ports, attach->force);
	}
	if (!status)
		status = attach_to(plan, &target);
	attach_plan_free(plan);
	free(plan);
	return status;
}

int verb_attach(int argc, char **argv)
{
	struct attach attach = { 0 };
	int status = take_options(&attach, argc, argv);

	if (status)
		return status;
	bool plans = attach.sources || attach.spread || attach.config || attach.strict || attach.own_ports ||
		     attach.force;
	if (attach.list) {
		if (optind < argc || plans || attach.refresh)
			return complain("--list", "goes with --json only");
		return list_attached(attach.json);
	}
	if (attach.json)
		return complain("--json", "goes with --list");
	if (attach.refresh && plans)
		return complain("--refresh",
				"what is attached keeps its options: `headroom detach` it for others");
	if (attach.force && !attach.own_ports)
		return complain("--force", "goes with --own-ports");
	if (optind + 1 < argc)
		return complain("attach", "`%s`: one TARGET at a time", argv[optind + 1]);
	if (attach.refresh)
		return refresh_attached(argv[optind]);
	if (optind == argc)
		return complain("attach",
				"expected a TARGET: a cgroup folder, a unit, pid:N or container:ID");
	status = apply_settings(&attach);
	if (!status)
		status = plan_and_attach(&attach, argv[optind]);
	arena_release(&attach.arena);
	return status;
}
