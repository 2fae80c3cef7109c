// SPDX-License-Identifier: Apache-2.0
/* fuzz_rule_file - a rule file of any content is read, or refused in one line that names the place */
#include "fuzz.h"
#include "pool/rules/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct settings settings;
	struct complaint complaint = { 0 };
	struct arena arena = { 0 };
	struct endpoint to = { .port = 443 };
	char *text = fuzz_text(data, size);

	address_parse("10.20.0.1", 9, &to.ip);
	settings_default(&settings);
	if (rule_file_parse(&arena, &settings, text, size, "rules", &complaint)) {
		settings_finish(&settings);
		const struct rule *rule = settings_rule_for(&settings, &to, "program");
		fuzz_must(rule && rule->spread <= SPREAD_SPILL && settings.warn_steps <= WARN_STEPS_MAX);
		fuzz_must(rule->sources.count <= SOURCE_LIST_MAX);
	} else {
		fuzz_must(!strncmp(complaint.place, "rules", 5) && *complaint.reason);
		fuzz_must(!strchr(complaint.reason, '\n'));
	}
	arena_release(&arena);
	free(text);
	return 0;
}
