// SPDX-License-Identifier: Apache-2.0
/* network - which sockets are of this process's network namespace, and which of another.
 *
 * Theory of operation
 *
 * A tuple space belongs to a network namespace (network_namespaces(7)), and all that the shim knows - ports,
 * their range, routes, addresses - is of one: the home, where the process or its first socket began. Sockets
 * of others are left alone: they are not in the fd table, so that nothing is counted, chosen, deferred or
 * refused for them.
 *
 * A namespace belongs to the socket, not to the thread that uses it: HAProxy goes to another namespace for
 * socket() only. So each socket is asked for its SO_NETNS_COOKIE (socket(7), Linux 5.14) - but only where it
 * may be of another namespace: in a process of which some thread has left home, and for an fd whose making
 * was not seen, as it may have come from another process. Where the kernel does not tell, such a socket is
 * left alone. */
#ifndef HEADROOM_POOL_ROUTES_NETWORK_H
#define HEADROOM_POOL_ROUTES_NETWORK_H

#include <stdatomic.h>
#include <stdbool.h>

extern atomic_bool network_has_left;

/**
 * network_left() - has a thread of this process left home, so that a new socket may be of another namespace?
 */
static inline bool network_left(void)
{
	return atomic_load_explicit(&network_has_left, memory_order_relaxed);
}

/**
 * network_leaving() - the calling thread is about to leave for another namespace: learn which one home is
 */
void network_leaving(void);

/**
 * network_leave() - it, or a process with this one's memory, has left
 */
void network_leave(void);

/**
 * network_restart() - in a forked child: home is where it begins
 */
void network_restart(void);

/**
 * network_is_home() - is a socket of the home namespace?
 * @fd:		of any family
 * Return: false also if the kernel does not tell
 */
bool network_is_home(int fd);

/**
 * network_thread_is_home() - is the calling thread there: are /proc/sys/net and new sockets those of home?
 *
 * Without a system call in a process that never left.
 */
bool network_thread_is_home(void);

#endif
