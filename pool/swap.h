// SPDX-License-Identifier: Apache-2.0
/* swap - put a parked connection under the program's fd, and take a connection from under it. */
#ifndef HEADROOM_POOL_SWAP_H
#define HEADROOM_POOL_SWAP_H

#include "reuse.h"

/* The program's fresh socket, as the swap is to leave its fd. */
struct fresh {
	int fd;
	int status;  /* F_GETFL */
	int numbers; /* F_GETFD: FD_CLOEXEC */
	struct option_log options;
	uint8_t watches;
	struct watch watch[REUSE_EPOLLS_MAX];
};

/**
 * swap_look() - what the program's fd is like now
 * @reuse:	of the fresh socket, or NULL
 * Return: false if another socket cannot be made like it
 */
bool swap_look(int fd, const struct reuse *reuse, struct fresh *fresh);

/**
 * swap_watch() - enter what is now under the program's fd into the epoll sets the fresh socket was in
 *
 * It left them when its last fd was replaced (epoll(7), Q6).
 */
void swap_watch(const struct fresh *fresh);

/**
 * swap_in() - make a connection like the fresh socket, and put it under its fd
 * @fd:		our fd of the connection; the caller closes it
 * @status:	its F_GETFL
 * @options:	what was set on it; afterwards what is
 * Return: 0, or a negative errno: then the program's fd is as it was
 */
long swap_in(const struct fresh *fresh, int fd, int status, struct option_log *options);

/**
 * swap_out() - a connection the program is about to close leaves the epoll sets that it is in
 * @fd:		the program's
 *
 * A set would go on to report the connection for as long as we keep it (epoll(7), Q6).
 * Return: false if it may still be in one: the number is another set's now, or none's, which no hook saw
 */
bool swap_out(int fd, const struct reuse *reuse);

/**
 * swap_signals() - does somebody get signals for what happens on this socket (fcntl(2), F_SETOWN)?
 * @status:	F_GETFL
 */
bool swap_signals(int fd, long status);

#endif
