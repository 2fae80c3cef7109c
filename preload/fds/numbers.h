// SPDX-License-Identifier: Apache-2.0
/* numbers - a thread is about to get fd numbers of its own: unshare(CLONE_FILES), CLOSE_RANGE_UNSHARE. */
#ifndef HEADROOM_PRELOAD_FDS_NUMBERS_H
#define HEADROOM_PRELOAD_FDS_NUMBERS_H

#include <stdbool.h>

/**
 * numbers_will_part() - before the call: a number will mean one socket here and another there
 *
 * The sockets that are open are then held twice, as after a fork, so what is deferred is made real.
 * Return: false where the call changes nothing: there is one thread
 */
bool numbers_will_part(void);

/**
 * numbers_parted() - after it
 * @done:	it succeeded: the table of fds is no longer that of all threads, nor is it known which threads
 *		have which, as a new thread has its creator's. The shim stays out of this process.
 */
void numbers_parted(bool done);

#endif
