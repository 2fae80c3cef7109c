// SPDX-License-Identifier: Apache-2.0
/* bind - bind(), and what looks at the port it gave: getsockname(), listen(). */
#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/resting.h"
#include "pool/reuse/reuse.h"
#include "pool/socket/binding.h"
#include "pool/socket/deferral.h"
#include "preload/base/fdtable.h"
#include "preload/base/hooks.h"
#include "preload/base/process.h"
#include "preload/base/readable.h"
#include "preload/fds/deferred.h"

#include <errno.h>

struct bind_call {
	int fd;
	const struct sockaddr *address;
	socklen_t length;
};

static long call_bind(void *argument)
{
	const struct bind_call *c = argument;
	return real.bind(c->fd, c->address, c->length) ? -errno : 0;
}

/* Remembers what the program bound: its source and port are its own. */
static void remember(const struct held *held, const struct endpoint *local)
{
	if (!shim_enter_held(&shim, held))
		return;
	struct tracked *tracked = held->tracked;
	tracked->flags &= ~(uint32_t)PORT_SHOWN;
	if (local->port || !(tracked->flags & OWN_NO_PORT))
		tracked->flags |= HAS_PORT;
	if (!address_is_unset(&local->ip)) {
		tracked->flags |= HAS_SOURCE;
		tracked->bound = local->ip;
	}
	tracked->flags &= ~(uint32_t)SOURCE_BY_US;
	shim_leave(&shim);
}

/* After a connect() that failed later, as the program was told or not, what we set for it is still set. */
COLD static void forget_option(const struct held *held, int fd)
{
	if (!shim_enter_held(&shim, held))
		return;
	struct tracked *tracked = held->tracked;
	bool ours = (tracked->flags & (NO_PORT_BY_US | DEFERRED | IN_CALL)) == NO_PORT_BY_US;
	if (ours)
		tracked->flags &= ~(uint32_t)NO_PORT_BY_US;
	shim_leave(&shim);
	if (ours)
		binding_set_no_port(fd, 0);
}

static long bind_tracked(const struct held *held, struct bind_call *call, const struct endpoint *local)
{
	if (deferral_applies(&shim.sockets, held->tracked, local) && !resting_look(clock_coarse_ns()))
		return deferral_bind(&shim.sockets, held, call->fd, local, call_bind, call);
	/* A second bind() of a deferred socket is to fail as it does without us. */
	deferral_make_real(&shim.sockets, held, call->fd);
	if (unlikely(held->tracked->flags & NO_PORT_BY_US))
		forget_option(held, call->fd);
	long rc = call_bind(call);
	if (rc == 0)
		remember(held, local);
	return rc;
}

/* What the kernel bound without our knowing to what. */
static bool remember_what_is_bound(int fd, struct endpoint *local)
{
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);
	struct held held;

	if (kernel.getsockname(fd, &sa, &length) || !endpoint_from_sockaddr(&sa, length, local))
		return false;
	if (fdtable_hold(fd, &held)) {
		remember(&held, local);
		fdtable_release(&held);
	}
	return true;
}

/* A bind() is about to be made that is none to be deferred. */
COLD static void before_strange(int fd)
{
	struct held held;

	deferred_fd_make_real(fd);
	if (fdtable_hold(fd, &held)) {
		forget_option(&held, fd);
		fdtable_release(&held);
	}
}

/* Return: @rc */
COLD static int after_strange(int fd, int rc)
{
	struct endpoint local;

	if (rc == 0 && fdtable_look(fd))
		remember_what_is_bound(fd, &local);
	return rc;
}

/* AF_UNSPEC, of which the kernel makes AF_INET (__inet_bind(), net/ipv4/af_inet.c), or what it refuses. */
COLD static int bind_strange(int fd, const struct sockaddr *address, socklen_t length)
{
	before_strange(fd);
	return after_strange(fd, real.bind(fd, address, length));
}

/* It binds inside libc. */
int hook_bindresvport(int fd, struct sockaddr_in *address)
{
	before_strange(fd);
	return after_strange(fd, real.bindresvport(fd, address));
}

int hook_bind(int fd, const struct sockaddr *address, socklen_t length)
{
	struct bind_call call = { fd, address, length };
	struct endpoint local;
	struct held held;
	int saved = errno;

	if (!fdtable_look(fd))
		return real.bind(fd, address, length);
	if (!readable(fd, address, length) || !endpoint_from_sockaddr(address, length, &local))
		return bind_strange(fd, address, length);
	if (!fdtable_hold(fd, &held))
		return real.bind(fd, address, length);
	long rc = bind_tracked(&held, &call, &local);
	fdtable_release(&held);
	errno = rc < 0 ? (int)-rc : saved;
	return rc < 0 ? -1 : 0;
}

/* listen() bound what was not bound (inet_csk_listen_start(), net/ipv4/inet_connection_sock.c). */
static void remember_listener(int fd)
{
	struct endpoint local;

	if (remember_what_is_bound(fd, &local) && shim.settings.reuses && process_is_ours() &&
	    shim_enter(&shim)) {
		reuse_note_listener(&shim.reusing, &local);
		shim_leave(&shim);
	}
}

int hook_listen(int fd, int backlog)
{
	deferred_fd_make_real(fd);
	int rc = real.listen(fd, backlog);
	if (rc == 0 && (shim.settings.reuses || fdtable_look(fd)))
		remember_listener(fd);
	return rc;
}

int hook_getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
	deferred_fd_show(fd);
	return real.getsockname(fd, address, length);
}
