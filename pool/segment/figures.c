// SPDX-License-Identifier: Apache-2.0
/* figures - what follows from an entry's numbers: in use, headroom, how long it lasts. */
#include "pool/segment/read.h"

#include "pool/ports/range.h"

#include <math.h>

/* A tick in seconds: 2^32 ns. */
#define TICK_S 4.294967296

static struct port_range range_of(const struct usage_header *header)
{
	struct port_range range = { .low = (uint16_t)header->range_low,
				    .high = (uint16_t)header->range_high,
				    .reserved = header->range_reserved,
				    .time_wait_reuse = (uint8_t)header->time_wait_reuse,
				    .reuse_delay_ms = header->reuse_delay_ms,
				    .waits_bound = header->waits_bound };
	return range;
}

static uint32_t bucket(const struct usage_entry *entry, uint32_t tick)
{
	return entry->time_wait[tick % USAGE_TIME_WAIT_BUCKETS];
}

/* What happened from the start of an earlier tick until now. */
struct window {
	double seconds;
	double open_growth;  /* a second */
	double closed_by_us; /* a second */
};

/* Return: false if too little time is seen, or nothing happened lately. */
static bool look_back(const struct usage_entry *entry, uint64_t now_ns, struct window *out)
{
	uint32_t now = (uint32_t)(now_ns >> 32), tick = entry->tick;
	uint32_t first = (uint32_t)(entry->first_ns >> 32);
	uint32_t from = now > USAGE_HISTORY - 1 ? now - (USAGE_HISTORY - 1) : 0;
	uint64_t from_ns = (uint64_t)from << 32;
	double closed = 0;

	if ((int32_t)(tick - from) < 0 || tick > now || !entry->first_ns || entry->first_ns > now_ns)
		return false;
	if (from <= first) {
		from = first;
		from_ns = entry->first_ns;
	}
	double open_then = entry->history[from % USAGE_HISTORY];
	out->seconds = (double)(now_ns - from_ns) / 1e9;
	if (out->seconds < 1)
		return false;
	for (uint32_t t = from; t <= tick && t - from < USAGE_HISTORY; t++)
		closed += bucket(entry, t);
	out->open_growth = ((double)entry->open - open_then) / out->seconds;
	out->closed_by_us = closed / out->seconds;
	return true;
}

/* Goes on as in the window: what was closed by us then leaves after 60 s, as what was closed before it does.
 */
static double time_to_exhaustion(const struct usage_entry *entry, uint64_t now_ns, const struct window *w,
				 double in_use, double capacity)
{
	uint32_t now = (uint32_t)(now_ns >> 32), behind = now - entry->tick;
	double inflow = (w->open_growth + w->closed_by_us) * TICK_S;

	for (uint32_t k = 0; k <= USAGE_TICKS_KEPT; k++) {
		if (inflow > 0 && in_use + inflow >= capacity)
			return ((double)k + (capacity - in_use) / inflow) * TICK_S;
		/* The bucket that is USAGE_TICKS_KEPT old in tick now + k leaves at its end. */
		uint32_t age = USAGE_TICKS_KEPT - k;
		in_use += inflow;
		if (age >= behind)
			in_use -= bucket(entry, entry->tick + USAGE_TIME_WAIT_BUCKETS - (age - behind));
	}
	double left = capacity - in_use;
	if (left <= 0)
		return (USAGE_TICKS_KEPT + 1) * TICK_S;
	return w->open_growth > 0 ? (USAGE_TICKS_KEPT + 1) * TICK_S + left / w->open_growth : INFINITY;
}

/* As space_in_use() has it. */
static bool waits_are_reused(const struct usage *usage, const struct usage_entry *entry)
{
	uint32_t reuse = usage->header.time_wait_reuse;
	return reuse == 1 || (reuse == 2 && address_is_loopback(&entry->to.ip));
}

uint32_t usage_in_use(const struct usage *usage, const struct usage_entry *entry, uint64_t now_ns)
{
	struct port_range range = range_of(&usage->header);
	uint32_t ticks = waits_are_reused(usage, entry) ? usage_reuse_ticks(port_range_reuse_ms(&range))
							: USAGE_TICKS_KEPT;
	uint32_t waits = usage_waits_since(entry, now_ns, ticks);

	return port_range_waits(&range, waits) + (usage->running ? entry->open : 0);
}

void usage_figures(const struct usage *usage, const struct usage_entry *entry, uint64_t now_ns,
		   struct usage_figures *out)
{
	struct port_range range = range_of(&usage->header);
	struct window w;

	*out = (struct usage_figures){ .time_wait = port_range_waits(&range, usage_time_wait(entry, now_ns)),
				       .exhausted_in_s = INFINITY };
	out->in_use = usage_in_use(usage, entry, now_ns);
	if (!entry->to.port)
		return;
	out->capacity = port_range_capacity(&range);
	out->capacity_known = out->capacity;
	if (out->capacity && out->in_use > out->capacity)
		out->in_use = out->capacity;
	out->headroom = out->capacity ? out->capacity - out->in_use : 0;
	if (!usage->running || !look_back(entry, now_ns, &w))
		return;
	out->growth = w.open_growth + w.closed_by_us;
	if (!out->capacity)
		return;
	if (waits_are_reused(usage, entry)) {
		/* TIME_WAITs are handed out again: only what stays open uses ports up. */
		if (w.open_growth > 0)
			out->exhausted_in_s = out->headroom / w.open_growth;
		return;
	}
	out->exhausted_in_s =
		out->headroom ? time_to_exhaustion(entry, now_ns, &w, out->in_use, out->capacity) : 0;
}
