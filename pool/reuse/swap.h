// SPDX-License-Identifier: Apache-2.0
/* swap - put a parked connection under the program's fd, and take a connection from under it. */
#ifndef HEADROOM_POOL_REUSE_SWAP_H
#define HEADROOM_POOL_REUSE_SWAP_H

#include "pool/reuse/reuse.h"

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
 * swap_reports_once() - is it in an epoll set with EPOLLONESHOT? Once it has reported it is off there until
 * it is set again, and whether it has only the kernel knows.
 */
bool swap_reports_once(const struct fresh *fresh);

/**
 * swap_see() - ask the kernel how it is in those sets now; not under the lock, as files of /proc are read
 * @text:	room for some lines
 * Return: false if it does not tell of each
 */
bool swap_see(struct fresh *fresh, char *text, size_t size);

/**
 * swap_place() - put a connection under the number of the fresh socket, and into the epoll sets it was in
 * @fd:		our fd of the connection; the caller closes it
 * @held_elsewhere:	another process may have what is under the number now: it leaves its sets first, since
 *			one in which it stayed would go on to report it
 *
 * Else that leaves its sets when its last fd goes (epoll(7), Q6).
 * Return: 0 or more, or a negative errno: then the program's fd is as it was
 */
long swap_place(const struct fresh *fresh, int fd, bool held_elsewhere);

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
 * Return: false if one may do so: the connection is not to be kept
 */
bool swap_out(int fd, const struct reuse *reuse);

#endif
