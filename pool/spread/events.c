// SPDX-License-Identifier: Apache-2.0
/* events - what is worth a log line: noticed under the shim's lock, written after it was let go. */
#include "pool/spread/events.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/own_stack.h"
#include "pool/log/event_text.h"

#include <string.h>

/* The same kind of event for the same destination gets one line in this time; the rest are counted. */
enum { FAILOVER_EVERY_S = 1, EXHAUSTED_EVERY_S = 5, RECOVERED_BELOW_PERCENT = 10 };
#define SECOND_NS 1000000000ull

static enum log_level level_of(uint32_t kind)
{
	switch (kind) {
	case USAGE_EXHAUSTED:
		return LOG_LEVEL_ERROR;
	case USAGE_NO_SOURCE:
		return LOG_LEVEL_INFO;
	default:
		return LOG_LEVEL_WARN;
	}
}

/* A place for an event; note() follows when it is filled in. */
COLD static struct event *hold(struct journal *journal, struct events *events, uint32_t kind, uint64_t now_ns)
{
	bool room = events->count < EVENTS_HELD && journal->count < EVENTS_WAITING;
	struct event *event = room ? &journal->waiting[(journal->first + journal->count) % EVENTS_WAITING]
				   : &journal->waiting[EVENTS_WAITING];
	uint64_t suppressed = 0;

	*event = (struct event){ .what.kind = kind };
	event->to_log = journal->settings->log_to != LOG_TO_NOTHING &&
			level_of(kind) <= journal->settings->log_level && room &&
			log_allow(journal->log, now_ns, &suppressed);
	event->suppressed = suppressed;
	return event;
}

COLD static void note(struct journal *journal, struct events *events, const struct event *event,
		      uint64_t now_ns)
{
	usage_note(journal->ledger->writer, &event->what, now_ns);
	if (!event->to_log)
		return;
	journal->count++;
	events->count++;
}

static void describe(struct journal *journal, struct usage_event *event, struct tuple_space *space,
		     uint64_t now_ns)
{
	event->to = space->destination->to;
	event->source = space->source;
	event->in_use += space_in_use(space, &journal->ledger->range, now_ns);
	event->capacity += port_range_capacity(&journal->ledger->range);
	event->open += space->open;
	event->time_wait += space_time_wait(space, now_ns);
}

/* Percent well below the first step, so that use about a step does not give line after line. */
static unsigned recovered_below(unsigned first_step)
{
	return first_step > 2 * RECOVERED_BELOW_PERCENT ? first_step - RECOVERED_BELOW_PERCENT
							: (first_step + 1) / 2;
}

/* Ports of our own from where the sum with those of siblings is so many. */
static uint32_t least_for(uint64_t sum, const struct tuple_space *space)
{
	return sum > space->others ? (uint32_t)(sum - space->others) : 0;
}

ONCE void events_look_closer(struct journal *journal, struct events *events, struct tuple_space *space,
			     uint32_t in_use_now, uint64_t now_ns)
{
	const struct settings *settings = journal->settings;
	/* Four workers with a quarter each have used it up, though none of them is past any step. */
	uint64_t capacity = port_range_capacity(&journal->ledger->range), in_use = in_use_now + space->others;
	unsigned steps = 0;

	space->quiet_below = LEDGER_BUSY_FROM;
	if (!settings->warn_steps ||
	    (settings->log_to == LOG_TO_NOTHING && !journal->ledger->writer->segment))
		space->quiet_below = UINT32_MAX;
	if (!capacity || space->quiet_below == UINT32_MAX)
		return;
	while (steps < settings->warn_steps && in_use * 100 >= settings->warn_percent[steps] * capacity)
		steps++;
	space->quiet_below = 0;
	if (!steps && !space->warned_steps)
		space->quiet_below = least_for((settings->warn_percent[0] * capacity + 99) / 100, space);
	if (steps > space->warned_steps) {
		space->warned_steps = (uint8_t)steps;
		struct event *event = hold(journal, events, USAGE_THRESHOLD, now_ns);
		describe(journal, &event->what, space, now_ns);
		event->what.in_use += space->others;
		event->what.percent = settings->warn_percent[steps - 1];
		note(journal, events, event, now_ns);
	} else if (space->warned_steps &&
		   in_use * 100 < recovered_below(settings->warn_percent[0]) * capacity) {
		space->warned_steps = 0;
		struct event *event = hold(journal, events, USAGE_RECOVERED, now_ns);
		describe(journal, &event->what, space, now_ns);
		event->what.in_use += space->others;
		note(journal, events, event, now_ns);
	}
}

COLD void events_failover(struct journal *journal, struct events *events, struct tuple_space *space,
			  uint64_t now_ns)
{
	struct destination *destination = space->destination;

	if (destination->failover_logged_ns &&
	    clock_since(destination->failover_logged_ns, now_ns) < FAILOVER_EVERY_S * SECOND_NS) {
		destination->failovers_unlogged++;
		return;
	}
	struct event *event = hold(journal, events, USAGE_FAILOVER, now_ns);
	describe(journal, &event->what, space, now_ns);
	event->what.repeats = destination->failovers_unlogged;
	note(journal, events, event, now_ns);
	destination->failovers_unlogged = 0;
	destination->failover_logged_ns = now_ns;
}

COLD void events_exhausted(struct journal *journal, struct events *events, struct destination *destination,
			   unsigned sources, uint64_t now_ns)
{
	if (destination->exhausted_logged_ns &&
	    clock_since(destination->exhausted_logged_ns, now_ns) < EXHAUSTED_EVERY_S * SECOND_NS)
		return;
	struct event *event = hold(journal, events, USAGE_EXHAUSTED, now_ns);
	bool any_full = false;
	for (struct tuple_space *space = destination->spaces; space; space = space->next) {
		if (space->full_at_ns)
			describe(journal, &event->what, space, now_ns);
		any_full |= space->full_at_ns != 0;
	}
	event->what.to = destination->to;
	if (sources > 1)
		event->what.source = (struct address){ 0 };
	/* Where the rule is `strict` all may be set aside. */
	event->what.sources = any_full ? sources : 0;
	event->what.repeats = (uint32_t)destination->exhausted - destination->exhausted_logged - 1;
	note(journal, events, event, now_ns);
	destination->exhausted_logged = (uint32_t)destination->exhausted;
	destination->exhausted_logged_ns = now_ns;
}

COLD void events_aside(struct journal *journal, struct events *events, const struct address *source,
		       const struct endpoint *to, int error, uint64_t now_ns)
{
	struct event *event = hold(journal, events, USAGE_ASIDE, now_ns);
	event->what.source = *source;
	if (to)
		event->what.to = *to;
	event->what.error = error;
	note(journal, events, event, now_ns);
}

COLD static void note_failing(struct journal *journal, struct events *events, enum usage_event_kind kind,
			      const struct tuple_space *space, int error, uint64_t now_ns)
{
	struct event *event = hold(journal, events, kind, now_ns);
	event->what.source = space->source;
	event->what.to = space->destination->to;
	event->what.error = error;
	note(journal, events, event, now_ns);
}

COLD void events_failing(struct journal *journal, struct events *events, struct tuple_space *space, int error,
			 uint64_t now_ns)
{
	note_failing(journal, events, USAGE_FAILING, space, error, now_ns);
}

COLD void events_left(struct journal *journal, struct events *events, const struct tuple_space *natural,
		      int error, uint64_t now_ns)
{
	note_failing(journal, events, USAGE_LEFT, natural, error, now_ns);
}

COLD void events_auto_failed(struct journal *journal, struct events *events, const struct endpoint *to,
			     int error, uint64_t now_ns)
{
	struct event *event = hold(journal, events, USAGE_AUTO_FAILED, now_ns);
	event->what.to = *to;
	event->what.error = error;
	note(journal, events, event, now_ns);
}

COLD void events_no_source(struct journal *journal, struct events *events, const struct endpoint *to,
			   uint64_t now_ns)
{
	/* Common enough, such as IPv6 destinations and a list of IPv4 sources: an information, no warning. */
	struct event *event = hold(journal, events, USAGE_NO_SOURCE, now_ns);
	event->what.to = *to;
	note(journal, events, event, now_ns);
}

static void add_use(struct log_line *line, const struct usage_event *event)
{
	log_number(line, "in_use", event->in_use);
	if (event->capacity)
		log_number(line, "capacity", event->capacity);
	log_number(line, "open", event->open);
	log_number(line, "time_wait", event->time_wait);
}

static void add_place(struct log_line *line, const struct usage_event *event)
{
	char text[ENDPOINT_TEXT_MAX];

	if (event->to.port)
		log_text(line, "destination", endpoint_format(&event->to, text));
	if (!address_is_unset(&event->source))
		log_text(line, "source", address_format(&event->source, text));
}

COLD static void write_event(struct journal *journal, const struct event *held)
{
	const struct usage_event *event = &held->what;
	struct log_line line;
	char message[EVENT_TEXT_MAX];

	log_begin(journal->log, &line, level_of(event->kind), event_name(event->kind));
	add_place(&line, event);
	if (event->kind == USAGE_THRESHOLD)
		log_number(&line, "percent", event->percent);
	if (event->kind == USAGE_EXHAUSTED)
		log_number(&line, "sources", event->sources);
	if (event->kind < USAGE_ASIDE)
		add_use(&line, event);
	if (event->repeats)
		log_number(&line, "repeats", event->repeats);
	if (held->suppressed)
		log_number(&line, "suppressed", held->suppressed);
	log_text(&line, "msg", event_text(event, message));
	log_end(journal->log, &line);
}

static bool take_first(struct journal *journal, struct event *out)
{

	if (!lock_enter(journal->lock))
		return false;
	bool any = journal->count;
	if (any) {
		*out = journal->waiting[journal->first];
		journal->first = (journal->first + 1) % EVENTS_WAITING;
		journal->count--;
	}
	lock_leave(journal->lock);
	return any;
}

static void write_waiting(void *argument)
{
	struct journal *journal = argument;
	struct event event;

	while (take_first(journal, &event))
		write_event(journal, &event);
}

COLD void events_write_now(struct journal *journal)
{
	own_stack_run(write_waiting, journal);
}
