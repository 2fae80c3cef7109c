// SPDX-License-Identifier: Apache-2.0
/* fuzz_environment - the variables the shim reads; each line of the input is the value of one, in order */
#include "fuzz.h"
#include "pool/rules/settings.h"

static const char *const names[] = { "HEADROOM_SOURCES",   "HEADROOM_SPREAD",     "HEADROOM_LOG",
				     "HEADROOM_LOG_LEVEL", "HEADROOM_LOG_FORMAT", "HEADROOM_SUMMARY" };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct settings settings;
	struct complaint complaint = { 0 };
	struct arena arena = { 0 };
	char *text = fuzz_text(data, size), *at = text;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *value = at ? strsep(&at, "\n") : NULL;
		if (value && *value)
			setenv(names[i], value, 1);
		else
			unsetenv(names[i]);
	}
	settings_default(&settings);
	if (!settings_read_environment(&arena, &settings, &complaint))
		fuzz_must(!strncmp(complaint.place, "HEADROOM_", 9) && *complaint.reason);
	settings_finish(&settings);
	fuzz_must(memchr(settings.log_path, '\0', sizeof(settings.log_path)));
	fuzz_must(settings.otherwise.sources.count <= SOURCE_LIST_MAX);
	arena_release(&arena);
	free(text);
	return 0;
}
