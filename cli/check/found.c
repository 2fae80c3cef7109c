// SPDX-License-Identifier: Apache-2.0
/* found - what `headroom check HOST:PORT` found out, and whether that is bad news. */
#include "cli/check/found.h"

void check_end(struct check *check)
{
	for (unsigned i = 0; i < check->space_count; i++) {
		tuple_space_end(&check->spaces[i].before);
		tuple_space_end(&check->spaces[i].now);
		holders_end(&check->spaces[i].holders);
	}
	holders_end(&check->blockers);
	arena_release(&check->arena);
}

unsigned check_percent(const struct tuple_count *count)
{
	return count->capacity ? (count->in_use - count->reusable) * 100u / count->capacity : 100;
}

bool check_is_bad_news(const struct check *check, const struct checked *space)
{
	const struct tuple_count *count = &space->count;
	return !(count->headroom + count->reusable) || count->past_knee ||
	       check_percent(count) >= check->options.threshold;
}
