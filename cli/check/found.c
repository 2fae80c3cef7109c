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
	udp_view_end(&check->udp);
	arena_release(&check->arena);
}

struct room check_room(const struct checked *space)
{
	const struct tuple_count *count = &space->count;

	return (struct room){ .range = count->range,
			      .reserved = count->reserved,
			      .blocked = count->blocked_all,
			      .in_use = count->in_use - count->reusable,
			      .left = count->headroom + count->reusable,
			      .doubtful = count->doubtful,
			      .unanswered = count->unanswered,
			      .past_knee = count->past_knee };
}

enum verdict check_verdict(const struct check *check, const struct checked *space)
{
	struct room room = check_room(space);
	return room_verdict(&room, check->options.threshold);
}

enum verdict check_worst(const struct check *check)
{
	enum verdict worst = VERDICT_FINE;

	for (unsigned i = 0; i < check->space_count; i++) {
		enum verdict verdict = check_verdict(check, &check->spaces[i]);
		if (check->spaces[i].asked_for && verdict > worst)
			worst = verdict;
	}
	return worst;
}

uint32_t check_doubt(const struct check *check)
{
	uint32_t most = 0;

	for (unsigned i = 0; i < check->space_count; i++)
		if (check->spaces[i].asked_for && check->spaces[i].count.doubtful > most)
			most = check->spaces[i].count.doubtful;
	return most;
}
