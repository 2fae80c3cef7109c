// SPDX-License-Identifier: Apache-2.0
/* closing - an fd number of a tracked socket is about to go. */
#ifndef HEADROOM_PRELOAD_FDS_CLOSING_H
#define HEADROOM_PRELOAD_FDS_CLOSING_H

#include "pool/socket/facts.h"
#include "pool/socket/tracked.h"

struct closing {
	struct held held; /* the reference that the number had */
	bool ours;        /* a parked connection has the number: for the program it is not open */
	bool ends;        /* a counted connection ends with this fd */
	bool parked;      /* it was parked, and has the reference */
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

/**
 * closing_undo() - instead, if the call failed: the number is open still
 */
void closing_undo(int fd, struct closing *closing);

/**
 * closing_call() - make the real call, which is a cancellation point, and closing_end()
 * @call:	closes @fd
 * @argument:	for it
 * Return: what the call returned
 */
long closing_call(int fd, struct closing *closing, long (*call)(void *), void *argument);

#endif
