// SPDX-License-Identifier: Apache-2.0
/* attempt - one outgoing connect(): choose a source, apply it, judge the outcome, try the next.
 *
 * The system calls, from strace, around connect(); in brackets those at the first one, and seldom:
 *
 *   no sources                    none [getsockname() every 5 s, to learn the natural source]
 *   `even`, `spill` past the      setsockopt(IP_BIND_ADDRESS_NO_PORT), bind() [5 files of /proc every 30 s]
 *     natural source
 *   `spill`, natural source       none [the same, and a question by netlink every 5 s]
 *   `auto`                        as `even` [that question and, but for loopback, two netlink dumps, every
 *                                 30 s a destination]
 *   named sources, not loopback   as their spreading [one netlink dump every 30 s]
 *   near or past the knee         setsockopt(IP_LOCAL_PORT_RANGE) besides
 *   after one of over 0.1 ms      clock_gettime(CLOCK_THREAD_CPUTIME_ID) twice
 *   all sources full              none; futex() [the kernel is asked]
 *   a deferred bind()             setsockopt(IP_BIND_ADDRESS_NO_PORT) and getsockopt(SO_COOKIE) at bind()
 *     and getsockname() before    three at getsockname(); at connect() thirteen: socket/shown_port.c
 *
 * and one setsockopt() for an address in a page not seen before (preload/base/readable.h). */
#ifndef HEADROOM_POOL_CONNECT_ATTEMPT_H
#define HEADROOM_POOL_CONNECT_ATTEMPT_H

#include "pool/connect/call.h"
#include "pool/spread/spreading.h"

/**
 * attempt_run() - make the program's call, from the best source
 *
 * Called with the lock held, returns without it: each time it is taken costs a connect() something.
 *
 * @tracked:	the socket; one that is not SOCKET_FRESH, or in the call of another thread, goes the way of
 *		pending.h
 * @fd:		its number
 * @to:		where to
 * @rule:	settings_rule_for() that
 * Return: what the program is to get: the call's result or a negative errno. EADDRNOTAVAIL means that every
 *	source is full, and may come without the kernel having been asked.
 */
long attempt_run(struct spreading *spreading, struct tracked *tracked, int fd, const struct endpoint *to,
		 const struct rule *rule, real_call *call, void *argument);

#endif
