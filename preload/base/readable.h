// SPDX-License-Identifier: Apache-2.0
/* readable - may we follow a pointer of the program's?
 *
 * The kernel would answer EFAULT: setsockopt() of an option that does not exist reads its value. Once for
 * a page; 64 pages are remembered. */
#ifndef HEADROOM_PRELOAD_BASE_READABLE_H
#define HEADROOM_PRELOAD_BASE_READABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/**
 * readable() - is there memory where a socket address is said to be?
 * @fd:		the socket it is for; used to ask
 * @address:	as the program gave it
 * @length:	bytes it is said to have
 *
 * The kernel answers a bad pointer with EFAULT, so a hook must not crash on it. The kernel is asked once for
 * each page, and the last pages are remembered.
 */
bool readable(int fd, const void *address, socklen_t length);

/**
 * readable_bytes() - the same of a message and what goes with it, which may be larger (struct msghdr)
 * @size:	bytes; more than READABLE_MOST are not looked through
 */
bool readable_bytes(int fd, const void *bytes, size_t size);
enum { READABLE_MOST = 65536 };

#endif
