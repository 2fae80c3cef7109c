// SPDX-License-Identifier: Apache-2.0
/* fuzz_usage - a usage segment of any content is refused with a reason, or gives numbers that make sense */
#include "fuzz.h"
#include "pool/log/event_text.h"
#include "pool/segment/read.h"

#include <math.h>

static void check_text(const char *text, size_t size)
{
	fuzz_must(!text[size - 1]);
	for (size_t i = 0; i < size; i++)
		fuzz_must(!text[i] || (text[i] >= ' ' && text[i] <= '~'));
}

static void check(const struct usage *usage)
{
	static const uint64_t times[] = { 1, 1ull << 40, UINT64_MAX };
	char text[EVENT_TEXT_MAX];

	check_text(usage->header.name, sizeof(usage->header.name));
	check_text(usage->header.command, sizeof(usage->header.command));
	fuzz_must(usage->entry_count <= USAGE_ENTRIES && usage->event_count <= USAGE_EVENTS);
	for (unsigned i = 0; i < usage->event_count; i++) {
		fuzz_must(*event_name(usage->events[i].kind));
		fuzz_must(*event_text(&usage->events[i], text));
	}
	for (unsigned i = 0; i < usage->entry_count; i++)
		for (size_t t = 0; t < sizeof(times) / sizeof(times[0]); t++) {
			struct usage_figures f;
			usage_figures(usage, &usage->entries[i], times[t], &f);
			fuzz_must(!f.capacity || f.in_use + f.headroom == f.capacity);
			fuzz_must(f.exhausted_in_s >= 0 && !isnan(f.exhausted_in_s) && !isnan(f.growth));
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char reason[REASON_MAX] = "";
	struct arena arena = { 0 };
	struct usage usage;

	if (usage_read_buffer(&arena, data, size, &usage, reason)) {
		usage.running = size & 1;
		check(&usage);
		usage_free(&arena, &usage);
	} else {
		fuzz_must(*reason && memchr(reason, '\0', sizeof(reason)));
	}
	arena_release(&arena);
	return 0;
}
