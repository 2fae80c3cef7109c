// SPDX-License-Identifier: Apache-2.0
/* settle - what came of the program's call, entered where it belongs. */
#ifndef HEADROOM_POOL_CONNECT_SETTLE_H
#define HEADROOM_POOL_CONNECT_SETTLE_H

#include "pool/connect/attempting.h"

/**
 * settle_call() - enter the outcome
 * @rc:		of the program's call
 * Return: true to go round again; then, and only then, the lock is held
 */
bool settle_call(struct attempt *a, long rc);

/**
 * settle_exhausted() - no source is left, and no port was taken; the lock is held
 */
void settle_exhausted(struct attempt *a);

/**
 * settle_wants_port() - is a deferral to be taken back before the program gets EADDRNOTAVAIL?
 */
bool settle_wants_port(struct attempt *a);

/**
 * settle_deferral() - connect() has given the socket its port: nothing is deferred any longer; the lock is
 * held
 */
void settle_deferral(struct attempt *a);

/**
 * settle_unbind() - take back what an earlier round or an earlier connect() bound; without the lock
 */
void settle_unbind(struct attempt *a);

/**
 * settle_let_go() - the attempt is over; the lock is held
 */
void settle_let_go(struct attempt *a, long rc);

#endif
