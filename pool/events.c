// SPDX-License-Identifier: Apache-2.0
/* events - what is worth a log line: noticed under the shim's lock, written after it was let go. */
#include "events.h"
#include "clock.h"
#include "hot.h"

#include <stdio.h>
#include <string.h>

/* The same kind of event for the same destination gets one line in this time; the rest are counted. */
enum { FAILOVER_EVERY_S = 1, EXHAUSTED_EVERY_S = 5, RECOVERED_BELOW_PERCENT = 10 };
#define SECOND_NS 1000000000ull

static enum log_level level_of(enum event_kind kind)
{
	switch (kind) {
	case EVENT_EXHAUSTED:
		return LOG_LEVEL_ERROR;
	case EVENT_NO_SOURCE:
		return LOG_LEVEL_INFO;
	default:
		return LOG_LEVEL_WARN;
	}
}

COLD static struct event *hold(struct shim *shim, struct events *events, enum event_kind kind,
			       uint64_t now_ns)
{
	uint64_t suppressed = 0;

	if (shim->settings.log_to == LOG_TO_NOTHING || level_of(kind) > shim->settings.log_level ||
	    events->count == EVENTS_HELD || !log_allow(&shim->log, now_ns, &suppressed))
		return NULL;
	struct event *event = &events->held[events->count++];
	*event = (struct event){ .kind = kind, .suppressed = suppressed };
	return event;
}

static void describe(struct shim *shim, struct event *event, struct tuple_space *space, uint64_t now_ns)
{
	event->to = space->destination->to;
	event->source = space->source;
	event->in_use += space_in_use(space, &shim->range, now_ns);
	event->capacity += port_range_capacity(&shim->range);
	event->open += space->open;
	event->time_wait += space_time_wait(space, now_ns);
}

/* Percent well below the first step, so that use about a step does not give line after line. */
static unsigned recovered_below(unsigned first_step)
{
	return first_step > 2 * RECOVERED_BELOW_PERCENT ? first_step - RECOVERED_BELOW_PERCENT
							: (first_step + 1) / 2;
}

COLD void events_look_closer(struct shim *shim, struct events *events, struct tuple_space *space,
			     uint32_t in_use_now, uint64_t now_ns)
{
	const struct settings *settings = &shim->settings;
	uint64_t capacity = port_range_capacity(&shim->range), in_use = in_use_now;
	unsigned steps = 0;

	space->quiet_below = LEDGER_BUSY_FROM;
	if (!settings->warn_steps || settings->log_to == LOG_TO_NOTHING)
		space->quiet_below = UINT32_MAX;
	if (!capacity || space->quiet_below == UINT32_MAX)
		return;
	while (steps < settings->warn_steps && in_use * 100 >= settings->warn_percent[steps] * capacity)
		steps++;
	space->quiet_below = 0;
	if (!steps && !space->warned_steps)
		space->quiet_below = (uint32_t)((settings->warn_percent[0] * capacity + 99) / 100);
	if (steps > space->warned_steps) {
		space->warned_steps = (uint8_t)steps;
		struct event *event = hold(shim, events, EVENT_THRESHOLD, now_ns);
		if (!event)
			return;
		describe(shim, event, space, now_ns);
		event->percent = settings->warn_percent[steps - 1];
	} else if (space->warned_steps &&
		   in_use * 100 < recovered_below(settings->warn_percent[0]) * capacity) {
		space->warned_steps = 0;
		struct event *event = hold(shim, events, EVENT_RECOVERED, now_ns);
		if (event)
			describe(shim, event, space, now_ns);
	}
}

COLD void events_failover(struct shim *shim, struct events *events, struct tuple_space *space,
			  uint64_t now_ns)
{
	struct destination *destination = space->destination;

	if (destination->failover_logged_ns &&
	    clock_since(destination->failover_logged_ns, now_ns) < FAILOVER_EVERY_S * SECOND_NS) {
		destination->failovers_unlogged++;
		return;
	}
	struct event *event = hold(shim, events, EVENT_FAILOVER, now_ns);
	if (!event)
		return;
	describe(shim, event, space, now_ns);
	event->repeats = destination->failovers_unlogged;
	destination->failovers_unlogged = 0;
	destination->failover_logged_ns = now_ns;
}

COLD void events_exhausted(struct shim *shim, struct events *events, struct destination *destination,
			   unsigned sources, uint64_t now_ns)
{
	if (destination->exhausted_logged_ns &&
	    clock_since(destination->exhausted_logged_ns, now_ns) < EXHAUSTED_EVERY_S * SECOND_NS)
		return;
	struct event *event = hold(shim, events, EVENT_EXHAUSTED, now_ns);
	if (!event)
		return;
	for (struct tuple_space *space = destination->spaces; space; space = space->next)
		if (space->full_at_ns)
			describe(shim, event, space, now_ns);
	event->to = destination->to;
	if (sources > 1)
		event->source = (struct address){ 0 };
	event->sources = sources;
	event->repeats = destination->exhausted - destination->exhausted_logged - 1;
	destination->exhausted_logged = destination->exhausted;
	destination->exhausted_logged_ns = now_ns;
}

COLD void events_aside(struct shim *shim, struct events *events, const struct address *source,
		       const struct endpoint *to, int error, uint64_t now_ns)
{
	struct event *event = hold(shim, events, EVENT_ASIDE, now_ns);
	if (!event)
		return;
	event->source = *source;
	if (to)
		event->to = *to;
	event->error = error;
}

COLD void events_auto_failed(struct shim *shim, struct events *events, const struct endpoint *to, int error,
			     uint64_t now_ns)
{
	struct event *event = hold(shim, events, EVENT_AUTO, now_ns);
	if (!event)
		return;
	event->to = *to;
	event->error = error;
}

COLD void events_no_source(struct shim *shim, struct events *events, const struct endpoint *to,
			   uint64_t now_ns)
{
	/* Common enough, such as IPv6 destinations and a list of IPv4 sources: an information, no warning. */
	struct event *event = hold(shim, events, EVENT_NO_SOURCE, now_ns);
	if (event)
		event->to = *to;
}

static void add_use(struct log_line *line, const struct event *event)
{
	log_number(line, "in_use", event->in_use);
	if (event->capacity)
		log_number(line, "capacity", event->capacity);
	log_number(line, "open", event->open);
	log_number(line, "time_wait", event->time_wait);
}

static void add_place(struct log_line *line, const struct event *event)
{
	char text[ENDPOINT_TEXT_MAX];

	if (event->to.port)
		log_text(line, "destination", endpoint_format(&event->to, text));
	if (!address_is_unset(&event->source))
		log_text(line, "source", address_format(&event->source, text));
}

static void message_of(const struct event *event, char *out, size_t size)
{
	switch (event->kind) {
	case EVENT_THRESHOLD:
		snprintf(out, size, "%u%% of the ports from this source to this destination are in use",
			 event->percent);
		break;
	case EVENT_RECOVERED:
		snprintf(out, size,
			 "use of the ports from this source to this destination is well below the first "
			 "warning step again");
		break;
	case EVENT_FAILOVER:
		snprintf(out, size, "no port left from this source; the next source is tried");
		break;
	case EVENT_EXHAUSTED:
		snprintf(out, size, "no port left: connect() fails with EADDRNOTAVAIL%s",
			 event->in_use < event->capacity ? "; other programs hold or block the rest" : "");
		break;
	case EVENT_ASIDE:
		snprintf(out, size, "source cannot be used (%s); set aside for 30 s",
			 strerrordesc_np(event->error));
		break;
	case EVENT_NO_SOURCE:
		snprintf(out, size, "none of the sources fits this destination; the kernel chooses one");
		break;
	case EVENT_AUTO:
		snprintf(out, size, "auto: the local addresses could not be listed (%s)",
			 strerrordesc_np(event->error));
		break;
	}
}

COLD static void write_event(struct shim *shim, const struct event *event)
{
	static const char *const names[] = { "threshold",    "recovered",   "failover", "exhausted",
					     "source_aside", "auto_failed", "no_source" };
	struct log_line line;
	char message[120];

	log_begin(&shim->log, &line, level_of(event->kind), names[event->kind]);
	add_place(&line, event);
	if (event->kind == EVENT_THRESHOLD)
		log_number(&line, "percent", event->percent);
	if (event->kind == EVENT_EXHAUSTED)
		log_number(&line, "sources", event->sources);
	if (event->kind < EVENT_ASIDE)
		add_use(&line, event);
	if (event->repeats)
		log_number(&line, "repeats", event->repeats);
	if (event->suppressed)
		log_number(&line, "suppressed", event->suppressed);
	message_of(event, message, sizeof(message));
	log_text(&line, "msg", message);
	log_end(&shim->log, &line);
}

HOT void events_write(struct shim *shim, struct events *events)
{
	for (unsigned i = 0; i < events->count; i++)
		write_event(shim, &events->held[i]);
	events->count = 0;
}
