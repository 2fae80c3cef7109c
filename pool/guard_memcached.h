// SPDX-License-Identifier: Apache-2.0
/* guard_memcached - the guard of memcached connections (text protocol). */
#ifndef HEADROOM_POOL_GUARD_MEMCACHED_H
#define HEADROOM_POOL_GUARD_MEMCACHED_H

#include "memcached_line.h"
#include "request_queue.h"

struct guard;

struct memcached_commands {
	struct memcached_line line;
	uint8_t command;    /* index of the command being read */
	bool quiet;         /* meta: with the flag q */
	bool no_reply;      /* ends in noreply */
	bool last_no_reply; /* so did the last complete one */
	bool understood;    /* a whole command */
	bool may_be_login;  /* its data so far */
	uint8_t spaces;     /* in its data */
};

struct memcached_replies {
	struct memcached_line line;
	uint8_t answer; /* index of the answer being read */
};

struct guard_memcached {
	struct request_queue waiting;
	struct memcached_commands commands;
	struct memcached_replies replies;
};

void guard_memcached_start(struct guard *guard);
void guard_memcached_sent(struct guard *guard, const char *bytes, size_t size);
void guard_memcached_received(struct guard *guard, const char *bytes, size_t size);
bool guard_memcached_clean(const struct guard *guard);

#endif
