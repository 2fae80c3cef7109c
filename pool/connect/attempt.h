// SPDX-License-Identifier: Apache-2.0
/* attempt - one outgoing connect(): choose a source, apply it, judge the outcome, try the next. */
#ifndef HEADROOM_POOL_CONNECT_ATTEMPT_H
#define HEADROOM_POOL_CONNECT_ATTEMPT_H

#include "pool/connect/call.h"
#include "pool/connect/connecting.h"

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
long attempt_run(struct connecting *connecting, struct tracked *tracked, int fd, const struct endpoint *to,
		 const struct rule *rule, real_call *call, void *argument);

#endif
