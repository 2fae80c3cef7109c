// SPDX-License-Identifier: Apache-2.0
/* events - what is worth a log line: noticed under the shim's lock, where it goes to the usage segment too,
 * written after it was let go. */
#ifndef HEADROOM_POOL_SPREAD_EVENTS_H
#define HEADROOM_POOL_SPREAD_EVENTS_H

#include "pool/base/lock.h"
#include "pool/ledger/ledger.h"
#include "pool/log/log.h"

/* Of one hook. */
enum { EVENTS_HELD = 6 };

enum { EVENTS_WAITING = 16, EVENTS_PLACES };

/* One that is worth a line. */
struct event {
	struct usage_event what;
	bool to_log;
	uint64_t suppressed; /* lines of any kind left out by the rate limit before this one */
};

/* Those that wait to be written, the first that was noted first. The lock guards it. */
struct journal {
	struct lock *lock;
	struct ledger *ledger;
	const struct settings *settings;
	struct log *log;
	unsigned first, count;
	struct event *waiting; /* EVENTS_PLACES; the last is a place for one that is not logged */
};

/* How many of those that wait in the journal are this hook's to write. They are kept there, and not on its
 * stack, as many kilobytes of text come after them. */
struct events {
	unsigned count;
};

/**
 * events_look_closer() - the steps of warn_at, when events_use_changed() cannot tell that none is concerned
 */
void events_look_closer(struct journal *journal, struct events *events, struct tuple_space *space,
			uint32_t in_use_now, uint64_t now_ns);

/**
 * events_use_changed() - a port was taken or freed: has a step of warn_at been passed, or left behind?
 */
static inline void events_use_changed(struct journal *journal, struct events *events,
				      struct tuple_space *space, uint64_t now_ns)
{
	uint32_t in_use = space_in_use(space, &journal->ledger->range, now_ns);

	if (unlikely(in_use >= space->quiet_below))
		events_look_closer(journal, events, space, in_use, now_ns);
}

/**
 * events_failover() - a source was found full and another is tried
 */
void events_failover(struct journal *journal, struct events *events, struct tuple_space *space,
		     uint64_t now_ns);

/**
 * events_exhausted() - no source has a port left for a destination
 * @sources:	how many there are
 */
void events_exhausted(struct journal *journal, struct events *events, struct destination *destination,
		      unsigned sources, uint64_t now_ns);

/**
 * events_aside() - a source cannot be used
 * @to:		unset when no destination can be reached from it
 * @error:	errno that says why
 */
void events_aside(struct journal *journal, struct events *events, const struct address *source,
		  const struct endpoint *to, int error, uint64_t now_ns);

/**
 * events_failing() - a source is set aside for a destination, as it fails where others do not
 * @error:	errno, or 0 for connections that the program gave up
 */
void events_failing(struct journal *journal, struct events *events, struct tuple_space *space, int error,
		    uint64_t now_ns);

/**
 * events_left() - a destination is left to the kernel's own choice, as none of its sources is answered there
 * @error:	as above
 */
void events_left(struct journal *journal, struct events *events, const struct tuple_space *natural, int error,
		 uint64_t now_ns);

/**
 * events_auto_failed() - the addresses that `auto` stands for could not be looked up
 * @error:	errno that says why
 */
void events_auto_failed(struct journal *journal, struct events *events, const struct endpoint *to, int error,
			uint64_t now_ns);

/**
 * events_no_source() - none of a destination's sources is of its family, or can reach it
 */
void events_no_source(struct journal *journal, struct events *events, const struct endpoint *to,
		      uint64_t now_ns);

/**
 * events_write_now() - the rest of events_write()
 */
void events_write_now(struct journal *journal);

/**
 * events_write() - write what waits, if the hook has noted any; call without the lock
 */
static inline void events_write(struct journal *journal, struct events *events)
{
	if (likely(!events->count))
		return;
	events->count = 0;
	events_write_now(journal);
}

#endif
