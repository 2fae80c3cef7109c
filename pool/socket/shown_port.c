// SPDX-License-Identifier: Apache-2.0
/* shown_port - connect() of a socket whose port the program was shown right after bind(ip, 0). */
#include "pool/socket/shown_port.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/restraint.h"
#include "pool/socket/binding.h"
#include "pool/socket/facts.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#ifndef IPV6_MINHOPCOUNT
#define IPV6_MINHOPCOUNT 73 /* linux/in6.h */
#endif

/* A packet begins with 64, 128 or 255 (IP_DEFAULT_TTL), and loses one at each hop. */
enum { MORE_HOPS_THAN_ANY = 255 };

/* Flags of a socket that is not like any other, or not ours alone. */
enum {
	PARTICULAR = OWN_NO_PORT | OWN_RANGE | PINNED | REUSES_PORT | WAS_SHUT | DEFERRED | SOURCE_BY_US |
		     RANGE_BY_US | LOOK_CLOSELY | HELD_ELSEWHERE | UNUSUAL
};

/* tests/kernel_facts/shown_port.c sets each of them, and all others: lost are TCP_MAXSEG, TCP_WINDOW_CLAMP,
 * TCP_QUICKACK, SO_PEEK_OFF and what is newer than these lists. */
COLD bool shown_port_keeps(int level, int name)
{
	switch (level) {
	case IPPROTO_TCP:
		return name == TCP_NODELAY || name == TCP_KEEPIDLE || name == TCP_KEEPINTVL ||
		       name == TCP_KEEPCNT || name == TCP_SYNCNT || name == TCP_LINGER2 ||
		       name == TCP_CONGESTION || name == TCP_USER_TIMEOUT;
	case SOL_SOCKET:
		return name == SO_SNDBUF || name == SO_RCVBUF || name == SO_KEEPALIVE || name == SO_LINGER ||
		       name == SO_OOBINLINE || name == SO_RCVTIMEO || name == SO_SNDTIMEO;
	case IPPROTO_IP:
		return name == IP_TOS || name == IP_TTL || name == IP_MTU_DISCOVER;
	case IPPROTO_IPV6:
		return name == IPV6_TCLASS || name == IPV6_UNICAST_HOPS || name == IPV6_V6ONLY;
	default:
		return false;
	}
}

COLD void shown_port_note(struct sockets *sockets, struct tracked *tracked)
{
	tracked->flags |= PORT_SHOWN;
	tracked->forks = atomic_load_explicit(sockets->forks, memory_order_relaxed);
}

COLD bool shown_port_may(struct sockets *sockets, const struct tracked *tracked)
{
	return tracked->fds == 1 && !(tracked->flags & PARTICULAR) &&
	       tracked->forks == atomic_load_explicit(sockets->forks, memory_order_relaxed);
}

/* 0 takes the option away. */
static long set_range(int fd, uint16_t port)
{
	return binding_set_range(fd, port | (uint32_t)port << 16);
}

static bool is_plain_tcp(int fd)
{
	int protocol = 0;
	socklen_t length = sizeof(protocol);

	return kernel.getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 &&
	       protocol == IPPROTO_TCP;
}

static bool asks_for_signals(int fd)
{
	long status = kernel.fcntl(fd, F_GETFL, 0);
	return status < 0 || status & O_ASYNC;
}

/* Return: the port, if the fd is the socket that it is taken for and nobody did anything to it unseen; or 0.
 */
static uint16_t port_of(int fd, uint64_t cookie, const struct address *source)
{
	struct endpoint local;

	if (!cookie || socket_cookie(fd) != cookie || !socket_local(fd, &local) ||
	    !address_equal(&local.ip, source) || socket_tcp_state(fd) != TCP_CLOSE || !is_plain_tcp(fd) ||
	    asks_for_signals(fd))
		return 0;
	return local.port;
}

/* Whoever sends a SYN while it listens is to get no answer. A socket filter would say that, too, and cost 4
 * us to be translated. 0 is the value of a socket that nobody set it on. */
static long accept_from(int fd, int family, int least)
{
	long rc = kernel.setsockopt(fd, IPPROTO_IP, IP_MINTTL, &least, sizeof(least));

	if (!rc && family == AF_INET6)
		rc = kernel.setsockopt(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, &least, sizeof(least));
	return rc;
}

static void mask_signals(const uint64_t *mask, uint64_t *before)
{
	kernel_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)mask, (long)before, sizeof(*mask), 0, 0);
}

/* What begins to listen has to end it, whatever becomes of the table meanwhile (restraint.h). */
static bool listen_and_end(int fd)
{
	long (*disconnect)(int, const void *, socklen_t) = kernel.connect;
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

	return !kernel.listen(fd, 0) && !disconnect(fd, &nowhere, sizeof(nowhere));
}

static bool release(struct sockets *sockets, const struct held *held, int fd, int family)
{
	const uint64_t all = UINT64_MAX;
	uint64_t before;
	bool released = false;

	mask_signals(&all, &before);
	if (!accept_from(fd, family, MORE_HOPS_THAN_ANY) && lock_enter_held(sockets->lock, held)) {
		released = held->tracked->fds == 1 && listen_and_end(fd);
		lock_leave(sockets->lock);
	}
	accept_from(fd, family, 0);
	mask_signals(&before, NULL);
	return released;
}

COLD void shown_port_release(struct sockets *sockets, const struct held *held, int fd,
			     struct shown_port *shown)
{
	shown->stage = SHOWN_KEPT;
	if (restraint_shut_in() || !lock_enter_held(sockets->lock, held))
		return;
	uint64_t cookie = held->tracked->cookie;
	struct address source = held->tracked->bound;
	int family = held->tracked->family;
	lock_leave(sockets->lock);
	uint16_t port = port_of(fd, cookie, &source);
	if (!port || set_range(fd, port))
		return;
	if (!release(sockets, held, fd, family)) {
		set_range(fd, 0);
		return;
	}
	*shown = (struct shown_port){ .port = port, .stage = SHOWN_RELEASED };
}

/* bind() of port 0, which takes what IP_LOCAL_PORT_RANGE allows. */
static bool bind_again(struct sockets *sockets, const struct held *held, int fd)
{
	if (!lock_enter_held(sockets->lock, held))
		return false;
	struct address source = held->tracked->bound;
	int family = held->tracked->family;
	lock_leave(sockets->lock);
	return binding_to(fd, family, &source) == 0;
}

/* A bind() that failed has taken the source away (__inet_bind(), net/ipv4/af_inet.c). */
static void bind_source(struct sockets *sockets, const struct held *held, int fd)
{
	binding_set_no_port(fd, 1);
	bind_again(sockets, held, fd);
	binding_set_no_port(fd, 0);
}

COLD bool shown_port_again(struct sockets *sockets, const struct held *held, int fd, struct shown_port *shown)
{
	switch ((enum shown_stage)shown->stage) {
	case SHOWN_RELEASED:
		if (bind_again(sockets, held, fd)) {
			shown->stage = SHOWN_BOUND_AGAIN;
			return true;
		}
		set_range(fd, 0);
		bind_source(sockets, held, fd);
		shown->stage = SHOWN_LOST;
		return true;
	case SHOWN_LOST:
		shown->stage = SHOWN_OTHER;
		if (bind_again(sockets, held, fd))
			return true;
		bind_source(sockets, held, fd);
		return false;
	default:
		return false;
	}
}

COLD void shown_port_restore(struct sockets *sockets, const struct held *held, int fd,
			     struct shown_port *shown)
{
	if (shown->stage == SHOWN_RELEASED && !bind_again(sockets, held, fd))
		bind_source(sockets, held, fd);
	shown_port_end(fd, shown);
	shown->stage = SHOWN_NOT;
}

/* Once: such a program does so each time. */
COLD void shown_port_say_kept(struct sockets *sockets)
{
	static atomic_bool said;

	if (!atomic_exchange(&said, true))
		log_message(sockets->log, LOG_LEVEL_INFO, "undeferred",
			    "the program asks for the port of bind(ip, 0) before connect(): it stays taken "
			    "for all destinations");
}

COLD void shown_port_end(int fd, const struct shown_port *shown)
{
	if (shown->stage == SHOWN_RELEASED || shown->stage == SHOWN_BOUND_AGAIN)
		set_range(fd, 0);
}
