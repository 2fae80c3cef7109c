// SPDX-License-Identifier: Apache-2.0
/* options - what `headroom service enable` is told of the shim, and the variables that say so to it. */
#include "cli/service/options.h"

#include "cli/shared/complain.h"
#include "pool/rules/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *option, *setting, *variable;
} values[SERVICE_VALUES] = {
	[VALUE_SOURCES] = { "--sources", "sources", "HEADROOM_SOURCES" },
	[VALUE_SPREAD] = { "--spread", "spread", "HEADROOM_SPREAD" },
	[VALUE_REUSE] = { "--reuse", "reuse", "HEADROOM_REUSE" },
	[VALUE_STRICT] = { "--strict", "strict", "HEADROOM_STRICT" },
	[VALUE_RULE] = { "--rule", NULL, "HEADROOM_CONFIG" },
};

static int apply_rules(struct arena *arena, struct settings *settings, const char *path, const char **whole)
{
	struct complaint complaint;

	if (!rule_file_read(arena, settings, path, &complaint))
		return complain(complaint.place, "%s", complaint.reason);
	*whole = realpath(path, NULL);
	return *whole ? STATUS_FINE : complain(path, "%s", strerror(errno));
}

static int apply_value(struct arena *arena, struct settings *settings, int index, const char *value)
{
	char reason[REASON_MAX];

	if (index == VALUE_SOURCES)
		settings->otherwise.sources = (struct source_list){ 0 };
	if (!settings_set(arena, settings, values[index].setting, value, reason) ||
	    !source_list_complete(&settings->otherwise.sources, reason))
		return complain(values[index].option, "%s", reason);
	return STATUS_FINE;
}

static void what_is_wanted(const struct settings *settings, struct wanted *wanted)
{
	const struct rule *rule = &settings->otherwise;

	for (unsigned i = 0;; rule = &settings->rules[i++]) {
		wanted->automatic = wanted->automatic || rule->sources.automatic;
		wanted->sources = wanted->sources || rule->sources.automatic || rule->sources.count;
		if (i == settings->rule_count)
			return;
	}
}

int service_options_apply(const struct service_options *options, struct drop_in *drop_in,
			  struct wanted *wanted)
{
	static struct arena arena;
	static struct settings settings;
	int status, count = 0;

	settings_default(&settings);
	for (int i = SERVICE_VALUES - 1; i >= 0; i--) {
		const char *value = options->value[i];
		if (!value)
			continue;
		status = i == VALUE_RULE ? apply_rules(&arena, &settings, value, &value)
					 : apply_value(&arena, &settings, i, value);
		if (status)
			return status;
		drop_in->variables[count].name = values[i].variable;
		drop_in->variables[count++].value = value;
	}
	settings_finish(&settings);
	what_is_wanted(&settings, wanted);
	if (options->value[VALUE_SPREAD] && strcmp(options->value[VALUE_SPREAD], "off") && !wanted->sources)
		return complain("--spread",
				"there is nothing to spread over: name --sources, or rules with --rule");
	return STATUS_FINE;
}
