// SPDX-License-Identifier: Apache-2.0
/* memcached_command - the commands that a program sends to memcached. */
#ifndef HEADROOM_POOL_GUARD_MEMCACHED_COMMAND_H
#define HEADROOM_POOL_GUARD_MEMCACHED_COMMAND_H

#include "pool/guard/state.h"

/* What kind of reply a command waits for. */
enum memcached_reply {
	REPLY_RETRIEVE,
	REPLY_STORE,
	REPLY_DELETE,
	REPLY_ARITHMETIC,
	REPLY_TOUCH,
	REPLY_VERSION,
	REPLY_OK,
	REPLY_STATS,
	REPLY_META_GET,
	REPLY_META_SET,
	REPLY_META_DELETE,
	REPLY_META_ARITHMETIC,
	REPLY_META_NOOP,
	REPLY_META_DEBUG,
	REPLY_QUIET = 0x80, /* added: or for none */
};

/**
 * memcached_commands_start() - nothing was sent yet
 */
void memcached_commands_start(struct memcached_commands *commands);

/**
 * memcached_commands_follow() - note what reply each command waits for, refuse those that may leave state
 */
void memcached_commands_follow(struct guard *guard, const char *bytes, size_t size);

/**
 * memcached_commands_settled() - is the last command complete, and does the server answer it?
 */
bool memcached_commands_settled(const struct memcached_commands *commands);

#endif
