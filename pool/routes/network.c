// SPDX-License-Identifier: Apache-2.0
/* network - which sockets are of this process's network namespace, and which of another. */
#include "pool/routes/network.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"

#include <stdint.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* asm-generic/socket.h */
#endif

IN_DATA atomic_bool network_has_left;
IN_DATA static _Atomic uint64_t home; /* its cookie; 0: not known */

/* Return: 0 if the kernel does not tell. */
static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);
	return kernel.getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) ? 0 : cookie;
}

/* Where the calling thread is. */
static uint64_t cookie_here(void)
{
	long fd = kernel_private_fd(kernel.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	if (fd < 0)
		return 0;
	uint64_t cookie = cookie_of((int)fd);
	kernel.close((int)fd);
	return cookie;
}

/* Whoever asks first is at home: a thread that leaves has asked before. */
static uint64_t home_cookie(void)
{
	uint64_t known = atomic_load(&home), none = 0;

	if (known || !(known = cookie_here()))
		return known;
	return atomic_compare_exchange_strong(&home, &none, known) ? known : none;
}

COLD void network_leaving(void)
{
	home_cookie();
}

COLD void network_leave(void)
{
	atomic_store(&network_has_left, true);
}

ONCE void network_restart(void)
{
	if (atomic_load(&home))
		atomic_store(&home, 0);
}

COLD bool network_is_home(int fd)
{
	uint64_t cookie = cookie_of(fd);
	return cookie && cookie == home_cookie();
}

COLD bool network_thread_is_home(void)
{
	uint64_t known = network_left() ? home_cookie() : 0;
	return !network_left() || (known && cookie_here() == known);
}
