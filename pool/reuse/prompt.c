// SPDX-License-Identifier: Apache-2.0
/* prompt - what is sent in small pieces goes over a used connection as promptly as over a new one.
 *
 * Nagle's algorithm holds a small piece back until the one before it is acknowledged. A new connection
 * acknowledges at once; one on which both ends have spoken in turns waits for 40 ms, as an answer may soon
 * take the acknowledgement along (delayed ACK; RFC 9293, 3.7.4 and 3.8.6.3). So a server that writes head and
 * body of its answers apart, as Python's http.server does, takes 40 ms for each answer over a connection that
 * is kept, and a program that writes its request in two pieces as long to ask. */
#include "pool/reuse/prompt.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>

static void set(int fd, int name, int value)
{
	kernel.setsockopt(fd, IPPROTO_TCP, name, &value, sizeof(value));
}

static bool is_off(int fd, int name)
{
	int value = 1;
	socklen_t length = sizeof(value);

	return !kernel.getsockopt(fd, IPPROTO_TCP, name, &value, &length) && !value;
}

APART void prompt_acknowledge(int fd)
{
	set(fd, TCP_QUICKACK, 1);
}

/* TCP_NODELAY, while it is being set, sends all that there is (tcp(7)). */
APART void prompt_push(int fd)
{
	int unsent = 0;

	if (kernel.ioctl(fd, SIOCOUTQNSD, &unsent) || !unsent || !is_off(fd, TCP_NODELAY) ||
	    !is_off(fd, TCP_CORK))
		return;
	set(fd, TCP_NODELAY, 1);
	set(fd, TCP_NODELAY, 0);
}
