// SPDX-License-Identifier: Apache-2.0
/* list - `headroom service list`: the services that have the shim, and whether they run with it. */
#include "cli/service/drop_in.h"
#include "cli/service/environment.h"
#include "cli/service/start.h"
#include "cli/service/systemctl.h"
#include "cli/service/verbs.h"
#include "cli/shared/complain.h"
#include "cli/shared/json.h"

#include <stdio.h>
#include <string.h>

enum { REASON_SIZE = 512 };

struct listing {
	struct json *json; /* NULL: as lines */
	int count;
};

static const char *state_of(const char *unit, int *pid)
{
	if (!start_is_up(unit))
		return "not running";
	return start_under_shim(unit, pid) ? "under the shim" : "without the shim: restart it";
}

static void show(const char *unit, bool runtime, const char *text, void *context)
{
	struct listing *listing = context;
	char sources[ENVIRONMENT_VALUE_MAX], rule[ENVIRONMENT_VALUE_MAX];
	int pid = 0;
	const char *state = state_of(unit, &pid);

	drop_in_variable(text, "HEADROOM_SOURCES", sources, sizeof(sources));
	drop_in_variable(text, "HEADROOM_CONFIG", rule, sizeof(rule));
	listing->count++;
	if (listing->json) {
		json_open(listing->json, NULL, '{');
		json_text(listing->json, "unit", unit);
		json_bool(listing->json, "until_reboot", runtime);
		*sources ? json_text(listing->json, "sources", sources) : json_null(listing->json, "sources");
		*rule ? json_text(listing->json, "rule", rule) : json_null(listing->json, "rule");
		json_text(listing->json, "state", state);
		pid ? json_number(listing->json, "pid", (uint64_t)pid) : json_null(listing->json, "pid");
		json_close(listing->json, '}');
		return;
	}
	printf("%s%s%s%s%s%s: %s", unit, *sources ? ", sources " : "", sources, *rule ? ", rules " : "", rule,
	       runtime ? ", until the next boot" : "", state);
	printf(pid ? ", process %d\n" : "\n", pid);
}

int service_list(const struct service_options *options)
{
	char reason[REASON_SIZE];
	struct json json = { .out = stdout };
	struct listing listing = { .json = options->json ? &json : NULL };

	if (options->json) {
		json_open(&json, NULL, '{');
		json_number(&json, "schema", 1);
		json_open(&json, "services", '[');
	}
	drop_in_each(show, &listing);
	if (options->json) {
		json_close(&json, ']');
		json_close(&json, '}');
		putchar('\n');
	} else if (!listing.count) {
		printf("no service has the shim; %s\n",
		       systemd_runs(reason, sizeof(reason)) ? "`headroom service enable UNIT` gives it one"
							    : reason);
	}
	return STATUS_FINE;
}
