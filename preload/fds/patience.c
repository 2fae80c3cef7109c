// SPDX-License-Identifier: Apache-2.0
/* patience - how long a connection that takes the place of another may take to come up. */
#include "preload/fds/patience.h"

#include "pool/base/kernel.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { REPEAT_MOST_MS = 2, NEAR_MS = 2, NEAR_MOST_MS = 10 };

/* Can one be there shortly? What an answer takes the server does not count. */
static bool is_near(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	return !kernel.getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) &&
	       info.tcpi_min_rtt <= NEAR_MS * 1000u;
}

unsigned patience_ms(int fd, int status, enum why why)
{
	struct timeval limit = { 0 };
	socklen_t length = sizeof(limit);

	if (status & O_NONBLOCK)
		return why == IT_IS_DEAD_REPEAT ? REPEAT_MOST_MS : is_near(fd) ? NEAR_MOST_MS : 0;
	if (kernel.getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, &length) ||
	    (!limit.tv_sec && !limit.tv_usec) || limit.tv_sec >= PATIENCE_MOST_MS / 1000)
		return PATIENCE_MOST_MS;
	return (unsigned)limit.tv_usec / 1000 + 1;
}

bool patience_ends(int status, enum why why)
{
	return why == IT_IS_DEAD_REPEAT || (why == IT_IS_DEAD && !(status & O_NONBLOCK));
}
