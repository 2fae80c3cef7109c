// SPDX-License-Identifier: Apache-2.0
/* closing - an fd number of a tracked socket is about to go. */
#ifndef HEADROOM_PRELOAD_CLOSING_H
#define HEADROOM_PRELOAD_CLOSING_H

#include "socket_facts.h"
#include "tracked.h"

struct closing {
	struct held held;
	bool ours; /* a parked connection has the number: for the program it is not open */
	bool ends; /* a counted connection ends with this fd; `held` is a reference then */
	struct ending_facts facts;
};

/**
 * closing_begin() - before the real call: take the fd out of the table, and look at the connection if it ends
 * Return: false when there is nothing to do, or nothing that may be done here
 */
bool closing_begin(int fd, struct closing *closing);

/**
 * closing_begin_unparked() - the same where the connection must not be parked: more bytes may follow
 */
bool closing_begin_unparked(int fd, struct closing *closing);

/**
 * closing_end() - after the real call: enter the end into the ledger
 */
void closing_end(struct closing *closing);

#endif
