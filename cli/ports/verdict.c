// SPDX-License-Identifier: Apache-2.0
/* verdict - is there room in a tuple space, and is that sure? */
#include "cli/ports/verdict.h"

#include "cli/shared/complain.h"

static unsigned share(uint32_t part, const struct room *room)
{
	uint32_t whole = room->range - room->reserved;

	return whole ? (unsigned)(part * UINT64_C(100) / whole) : 100;
}

unsigned room_percent(const struct room *room)
{
	return share(room->in_use + room->blocked, room);
}

unsigned room_lost_percent(const struct room *room)
{
	return share(room->blocked, room);
}

static enum verdict verdict_if(const struct room *room, uint32_t left, uint32_t blocked, unsigned threshold)
{
	if (!left)
		return VERDICT_EXHAUSTED;
	if (room->past_knee)
		return VERDICT_SLOW;
	if (share(room->in_use + blocked, room) >= threshold)
		return VERDICT_TIGHT;
	return room->unanswered >= UNANSWERED_MANY ? VERDICT_HANGING : VERDICT_FINE;
}

enum verdict room_verdict(const struct room *room, unsigned threshold)
{
	uint32_t doubtful = room->doubtful < room->left ? room->doubtful : room->left;
	enum verdict best = verdict_if(room, room->left, room->blocked, threshold);
	enum verdict worst = verdict_if(room, room->left - doubtful, room->blocked + doubtful, threshold);

	return best == VERDICT_FINE && worst != best ? VERDICT_UNKNOWN : best;
}

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[] = {
		[VERDICT_LEAKING] = "leaking",    [VERDICT_FINE] = "fine",   [VERDICT_UNKNOWN] = "unknown",
		[VERDICT_HANGING] = "hanging",    [VERDICT_TIGHT] = "tight", [VERDICT_SLOW] = "slow",
		[VERDICT_EXHAUSTED] = "exhausted"
	};
	return names[verdict];
}

int verdict_status(enum verdict verdict)
{
	return verdict_is_bad(verdict)      ? STATUS_BAD_NEWS
	       : verdict == VERDICT_UNKNOWN ? STATUS_UNKNOWN
					    : STATUS_FINE;
}

int verdict_nagios(enum verdict verdict)
{
	return verdict == VERDICT_EXHAUSTED ? 2
	       : verdict_is_bad(verdict)    ? 1
	       : verdict == VERDICT_UNKNOWN ? 3
					    : 0;
}
