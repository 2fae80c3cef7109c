// SPDX-License-Identifier: Apache-2.0
/* option_log - which socket options a program set, so that another socket can be given the same. */
#ifndef HEADROOM_POOL_REUSE_OPTION_LOG_H
#define HEADROOM_POOL_REUSE_OPTION_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { OPTIONS_KNOWN = 25, OPTION_VALUE_MAX = 16 };

struct option_log {
	uint32_t set; /* bit i: the option of row i was set */
	bool others;  /* one was set that is not known here: the socket is not like any other */
	uint8_t length[OPTIONS_KNOWN];
	uint8_t value[OPTIONS_KNOWN][OPTION_VALUE_MAX];
};

/**
 * option_log_assign() - what was set on the one, for the other
 *
 * Mostly that is nothing, and what was not set has no value.
 */
static inline void option_log_assign(struct option_log *to, const struct option_log *from)
{
	if (from->set) {
		*to = *from;
		return;
	}
	to->set = 0;
	to->others = from->others;
}

/**
 * option_log_note() - setsockopt() succeeded
 * @value:	what the program gave, @length bytes
 */
void option_log_note(struct option_log *log, int level, int name, const void *value, socklen_t length);

/**
 * option_log_has() - was this option set, if it is one that is known?
 */
bool option_log_has(const struct option_log *log, int level, int name);

/**
 * option_log_can_become() - can a socket with the options of @from be given those of @to?
 *
 * No where an option differs that the kernel does not let go back (SO_RCVBUF ends automatic sizing), or
 * where one is not known.
 */
bool option_log_can_become(const struct option_log *from, const struct option_log *to);

/**
 * option_log_copy() - give a connection the options that a fresh socket of the program has
 * @fd:		the connection, with the options of @log
 * @fresh:	the socket; where an option is left at its default, it tells what that is
 * @wanted:	the options of @fresh; afterwards @log holds them
 * Return: 0 or a negative errno; then @fd may have some of them
 */
long option_log_copy(int fd, struct option_log *log, int fresh, const struct option_log *wanted);

/**
 * option_log_replay() - set the logged options on a new socket
 * Return: 0 or the first negative errno
 */
long option_log_replay(int fd, const struct option_log *log);

#endif
