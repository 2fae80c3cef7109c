// SPDX-License-Identifier: Apache-2.0
/* trust_record - what is known of a source towards a destination, and of a destination's sources together.
 * The lock guards it; trust.h says what comes of it. */
#ifndef HEADROOM_POOL_SPREAD_TRUST_RECORD_H
#define HEADROOM_POOL_SPREAD_TRUST_RECORD_H

#include "pool/ledger/ledger.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	TRUST_ANSWERS_BETWEEN = 2, /* answers of others between two failures make a row of them */
	TRUST_REST = 8,            /* and so many come before the next connection after a failure, */
	TRUST_PROBE_AFTER = 128,   /* or before one that tries a source set aside */
	/* Where another source than this one is no help unless it must be, so many failures come first, and
	 * others are used for so long: `sticky`, and the kernel's own choice in `spill`. */
	TRUST_PATIENCE = 3,
	TRUST_PATIENT_REST = 64,
	TRUST_ASIDE_S = 1, /* doubled each time */
	TRUST_ASIDE_MOST_S = 300,
};

/* Of a tuple space, while there is something to know. */
struct trust {
	uint64_t began_ns;      /* of the connection that is looked at */
	uint64_t look_ns;       /* not before */
	uint64_t until_ns;      /* set aside until */
	int fd;                 /* of the connection that is looked at, or -1 */
	int error;              /* of the last failure, 0: given up */
	uint32_t answers_then;  /* of the destination when that connection began */
	uint32_t rest_from;     /* answers of the destination when it was begun to be passed over */
	uint32_t probe_from;    /* not tried again before so many */
	uint32_t last_answers;  /* of the destination at the last failure: answers, */
	uint32_t last_served;   /* connections that served, */
	uint32_t last_failures; /* and failures, with that one */
	uint32_t charge_tick;   /* of the last failure */
	uint16_t charge;        /* failures of the last minute */
	uint8_t row;            /* failures with answers of others between them */
	uint8_t streak;         /* failures since an answer */
	uint8_t times_aside;    /* without a success */
	uint8_t stayed;         /* tests that it passed by silence, one after the other */
	uint8_t following;      /* connections that may follow the one in test */
	bool aside;
	bool resting;     /* passed over until others had some answers */
	bool waiting;     /* under way for long, while others were answered */
	bool over;        /* its connection was seen to have failed, and the program was not told yet */
	bool answered;    /* the connection that is looked at is up */
	bool turned_away; /* what fails is not connect(), but the connection's life after it */
	bool say;         /* that it was set aside is still to be logged */
};

/* Of a destination, while one of its sources has a struct trust, and for `sticky`. */
struct trust_of_all {
	uint64_t look_ns; /* when to look at one of its sources' connections, while `looking` */
	uint32_t answers; /* connections that came up, as far as is known */
	uint32_t served;  /* that brought bytes or stayed up */
	uint32_t failures;
	uint32_t known;     /* sources that have a struct trust; without any this goes, too */
	uint32_t sticky;    /* 1 + the index of the source for its address; 0: not worked out yet */
	const void *thread; /* the first that came, by lock_thread() */
	/* Of the list against the kernel's own choice, where that is not in it. */
	uint64_t left_until_ns;        /* left to the kernel until */
	uint32_t left_from;            /* and for so many answers */
	struct tuple_space *beside_of; /* that of the kernel's choice which was answered last */
	uint32_t beside;               /* answers to it since the last failure of the list */
	uint8_t vain;                  /* failures of the list, and no answer between */
	uint8_t vain_row;              /* those with answers to the kernel's choice between them */
	uint8_t times_left;            /* without an answer between */
	uint8_t answered_left;         /* answers to the list while it is left, since its last failure */
	int vain_error;                /* errno of the last of these */
	bool left;                     /* to the kernel's choice, but for single connections */
	bool list_served;              /* one of the list did */
	bool say_left;                 /* that is still to be logged */
	bool turned_away;              /* some fail in the way that shows only after connect() */
	bool say;                      /* something is to be logged */
	bool many_threads;             /* others came */
	bool answers_data;             /* bytes came over some */
};

/**
 * trust_of_all() - what is known of a destination's sources together
 * Return: NULL when memory is short
 */
struct trust_of_all *trust_of_all(struct ledger *ledger, struct destination *destination);

/**
 * trust_has_failed() - has it since it was answered last?
 */
static inline bool trust_has_failed(const struct tuple_space *space)
{
	return space->trust && (space->trust->streak || space->trust->resting || space->trust->aside);
}

/**
 * trust_tells_of_network() - does an error of connect() tell of the network or of the other side?
 * @error:	errno; 0: given up while under way
 */
bool trust_tells_of_network(int error);

/**
 * trust_pause_ns() - for how long what fails is not tried again
 * @times:	in a row, from 1
 */
uint64_t trust_pause_ns(unsigned times);

#endif
