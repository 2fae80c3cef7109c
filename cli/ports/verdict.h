// SPDX-License-Identifier: Apache-2.0
/* verdict - is there room in a tuple space, and is that sure?
 *
 * A port that some other connection holds may be blocked, for all the kernel's list tells (port_space.h). So
 * there are two numbers for what is left, and the verdict is that of both: where they disagree it is
 * VERDICT_UNKNOWN, and never VERDICT_FINE. */
#ifndef HEADROOM_CLI_PORTS_VERDICT_H
#define HEADROOM_CLI_PORTS_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

/* Unasked, the kernel is asked about single ports for this long: 150,000 of them. */
#define VERDICT_ASK_NS UINT64_C(3000000000)

/* From good to bad; what is not known is between. */
enum verdict {
	VERDICT_FINE,
	VERDICT_UNKNOWN,
	VERDICT_LEAKING, /* there are ports, but some program does not close its connections */
	VERDICT_HANGING, /* there are ports, but attempts get no answer */
	VERDICT_TIGHT,
	VERDICT_SLOW,
	VERDICT_EXHAUSTED,
};

enum { UNANSWERED_MANY = 3 }; /* attempts without an answer that are no accident */

/* How the ports of a range are taken up, towards one destination from one source. */
struct room {
	uint32_t range, reserved, blocked;
	uint32_t in_use;     /* without those that connect() may take over */
	uint32_t left;       /* at most, with those */
	uint32_t doubtful;   /* of those left: perhaps blocked */
	uint32_t unanswered; /* of those in use: attempts whose SYN was sent again */
	bool past_knee;
};

/**
 * room_percent() - in use or lost to blockers, in per cent of the ports that are not reserved
 */
unsigned room_percent(const struct room *room);

/**
 * room_lost_percent() - the share of that which is lost to blockers alone
 */
unsigned room_lost_percent(const struct room *room);

/**
 * room_at_least() - ports that are left for sure
 */
static inline uint32_t room_at_least(const struct room *room)
{
	return room->doubtful < room->left ? room->left - room->doubtful : 0;
}

/**
 * room_verdict() - of one tuple space
 * @threshold:	per cent, from where it is tight
 */
enum verdict room_verdict(const struct room *room, unsigned threshold);

/**
 * verdict_is_bad() - leaking, hanging, tight, slow or exhausted
 */
static inline bool verdict_is_bad(enum verdict verdict)
{
	return verdict >= VERDICT_LEAKING;
}

static inline enum verdict verdict_worse(enum verdict a, enum verdict b)
{
	return a > b ? a : b;
}

/**
 * verdict_name() - "fine", "leaking", "hanging", "tight", "slow", "exhausted", "unknown"
 */
const char *verdict_name(enum verdict verdict);

/**
 * verdict_nagios() - 0 OK, 1 WARNING, 2 CRITICAL (exhausted), 3 UNKNOWN
 */
int verdict_nagios(enum verdict verdict);

/**
 * verdict_status() - the exit status that stands for it
 */
int verdict_status(enum verdict verdict);

#endif
