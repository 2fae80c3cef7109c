// SPDX-License-Identifier: Apache-2.0
/* deferral - turn bind(ip, 0) into a bind without a port, so that connect() picks the port.
 *
 * bind(ip, 0) takes a port away from connect() on every source to every destination of the namespace. With
 * IP_BIND_ADDRESS_NO_PORT it takes none; connect() then picks one for this destination. Whoever looks before
 * that would see port 0, so the port is made real first: at getsockname(), listen(), before the socket is
 * shared with another process, and before an option is set that the choice of the port depends on.
 *
 * Also before fork and exec, fd passing (SCM_RIGHTS), a second bind(); which options matter
 * bears_on_port() says. Not deferred: SO_REUSEPORT, a link-local source, a socket for which the program
 * set the option itself. getsockopt() hides our two options. After getsockname() alone the port is given
 * back at connect(): shown_port.h; hooks/option.c and hooks/epoll.c note what speaks against that
 * (UNUSUAL). */
#ifndef HEADROOM_POOL_SOCKET_DEFERRAL_H
#define HEADROOM_POOL_SOCKET_DEFERRAL_H

#include "pool/socket/tracked.h"

/**
 * deferral_applies() - is this bind() one to defer?
 * @tracked:	the socket
 * @local:	what it is bound to
 *
 * Not of one that another process may hold since before: whoever looks there is not seen.
 */
bool deferral_applies(const struct sockets *sockets, const struct tracked *tracked,
		      const struct endpoint *local);

/**
 * deferral_bind() - bind without a port
 * @call:	the program's bind()
 * Return: its result or a negative errno; nothing is deferred then, and the program's call may be made again
 */
long deferral_bind(struct sockets *sockets, const struct held *held, int fd, const struct endpoint *local,
		   long (*call)(void *), void *argument);

/**
 * deferral_make_real() - give a socket the port it was to have
 * Return: 0, also when nothing was deferred; or the negative errno of bind(): then it is deferred as before
 */
long deferral_make_real(struct sockets *sockets, const struct held *held, int fd);

/**
 * deferral_show() - the same, as the program asks which port it is; see shown_port.h
 */
long deferral_show(struct sockets *sockets, const struct held *held, int fd);

#endif
