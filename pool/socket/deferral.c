// SPDX-License-Identifier: Apache-2.0
/* deferral - turn bind(ip, 0) into a bind without a port, so that connect() picks the port. */
#include "pool/socket/deferral.h"

#include "pool/base/hot.h"
#include "pool/socket/binding.h"
#include "pool/socket/facts.h"
#include "pool/socket/shown_port.h"

static bool is_ours_alone(const struct sockets *sockets, const struct tracked *tracked)
{
	return !(tracked->flags & HELD_ELSEWHERE) &&
	       tracked->forks == atomic_load_explicit(sockets->forks, memory_order_relaxed);
}

bool deferral_applies(const struct sockets *sockets, const struct tracked *tracked,
		      const struct endpoint *local)
{
	/* A link-local source needs its interface again when the port is made real: not worth keeping. */
	return local->port == 0 && local->scope == 0 && tracked->state == SOCKET_FRESH &&
	       !(tracked->flags &
		 (HAS_PORT | HAS_SOURCE | REUSES_PORT | OWN_NO_PORT | DEFERRED | SOURCE_BY_US)) &&
	       is_ours_alone(sockets, tracked);
}

long deferral_bind(struct sockets *sockets, const struct held *held, int fd, const struct endpoint *local,
		   long (*call)(void *), void *argument)
{
	if (binding_set_no_port(fd, 1))
		return call(argument);
	long rc = call(argument);
	if (rc) {
		binding_set_no_port(fd, 0);
		return rc;
	}
	uint64_t cookie = socket_cookie(fd);
	if (!lock_enter_held(sockets->lock, held)) {
		/* Nobody would remember to make the port real: do it now. */
		binding_set_no_port(fd, 0);
		return call(argument);
	}
	struct tracked *tracked = held->tracked;
	tracked->cookie = cookie;
	tracked->flags |= DEFERRED | NO_PORT_BY_US;
	tracked->bound = local->ip; /* also if it is a wildcard: 0.0.0.0 mapped is not :: */
	if (!address_is_unset(&local->ip))
		tracked->flags |= HAS_SOURCE;
	sockets->deferred_count++;
	lock_leave(sockets->lock);
	return rc;
}

/* A bind() that failed has taken the source away (__inet_bind(), net/ipv4/af_inet.c). */
COLD static void defer_again(struct sockets *sockets, const struct held *held, int fd)
{
	struct tracked *tracked = held->tracked;

	if (!lock_enter_held(sockets->lock, held))
		return;
	int family = tracked->family;
	struct address source = tracked->bound;
	tracked->flags &= ~(uint32_t)(HAS_PORT | PORT_SHOWN);
	tracked->flags |= DEFERRED | NO_PORT_BY_US;
	sockets->deferred_count++;
	lock_leave(sockets->lock);
	binding_set_no_port(fd, 1);
	binding_to(fd, family, &source);
}

static long make_real(struct sockets *sockets, const struct held *held, int fd, bool shows)
{
	struct tracked *tracked = held->tracked;

	if (!lock_enter_held(sockets->lock, held))
		return 0;
	bool deferred = tracked->flags & DEFERRED;
	int family = tracked->family;
	uint64_t cookie = tracked->cookie;
	struct address source = tracked->bound;
	if (deferred) {
		tracked->flags &= ~(uint32_t)(DEFERRED | NO_PORT_BY_US | SOURCE_BY_US);
		tracked->flags |= HAS_PORT;
		sockets->deferred_count--;
		if (shows)
			shown_port_note(sockets, tracked);
	}
	lock_leave(sockets->lock);
	/* The fd may have been closed unseen, and its number be another socket's now. */
	if (!deferred || socket_cookie(fd) != cookie)
		return 0;
	binding_set_no_port(fd, 0);
	long rc = binding_to(fd, family, &source);
	if (unlikely(rc))
		defer_again(sockets, held, fd);
	return rc;
}

long deferral_make_real(struct sockets *sockets, const struct held *held, int fd)
{
	return make_real(sockets, held, fd, false);
}

long deferral_show(struct sockets *sockets, const struct held *held, int fd)
{
	return make_real(sockets, held, fd, true);
}
