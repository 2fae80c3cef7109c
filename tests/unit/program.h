// SPDX-License-Identifier: Apache-2.0
/* program - a program under the shim, over the fake kernel: what the hooks of preload/ do, in few lines. */
#ifndef HEADROOM_TESTS_UNIT_PROGRAM_H
#define HEADROOM_TESTS_UNIT_PROGRAM_H

#include "pool/shim.h"
#include "pool/socket/facts.h"
#include "tests/unit/fake/kernel.h"

extern struct shim shim;

struct program_socket {
	int fd;
	struct held held;
};

/**
 * program_start() - fake_start(), and the shim with the settings of a rule file
 * @rules:	text of a rule file, or ""
 */
void program_start(const char *rules);

/**
 * program_socket() - socket(), seen by the hook
 */
struct program_socket program_socket(int family);

/**
 * program_connect() - connect(), as a fresh socket or again
 * @to:		such as 10.0.0.9:80
 * Return: 0 or a negative errno
 */
long program_connect(const struct program_socket *s, const char *to);

/**
 * program_connects() - a new socket, connected
 * Return: what connect() returned; the socket stays open
 */
long program_connects(int family, const char *to);

/**
 * program_fills() - connect new sockets until one fails with EADDRNOTAVAIL
 * Return: how many did not fail
 */
unsigned program_fills(int family, const char *to);

/**
 * program_bind() - bind(), deferred if it may be
 */
long program_bind(const struct program_socket *s, const char *local);

/**
 * program_close() - close(), as the hook does it
 */
void program_close(const struct program_socket *s);

/**
 * program_space() - what the ledger holds for a source and a destination
 * @source:	such as 10.0.0.1; NULL: not known
 * Return: NULL if nothing
 */
struct tuple_space *program_space(const char *source, const char *to);

/**
 * program_destination() - what the ledger holds for a destination; made if new
 */
struct destination *program_destination(const char *to);

#endif
