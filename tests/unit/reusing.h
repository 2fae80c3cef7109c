// SPDX-License-Identifier: Apache-2.0
/* reusing - a program whose closed connections are parked, over the fake kernel: the shim's own closing,
 * parking and hand-out, with the little the hooks add. */
#ifndef HEADROOM_TESTS_UNIT_REUSING_H
#define HEADROOM_TESTS_UNIT_REUSING_H

#include "pool/reuse/reuse.h"
#include "tests/unit/program.h"

/* So many answers on connections that were handed out. */
enum { REUSING_PROVEN = 16384 };

/* What reuse.h calls the blank is an open fd. */
enum { BLANK = 1 };

/* And of one that was handed out a moment ago a number of ours is kept (second.h). */
enum { KEPT = 1 };

enum { REUSING_RTT_US = 100, REUSING_QUIET_NS = 1000000 };

/**
 * reusing_start() - program_start(), for a process that may have @files fds
 */
void reusing_start(const char *rules, unsigned files);

/**
 * reusing_socket() - socket(), seen by the hook
 * Return: fd
 */
int reusing_socket(int family);

/**
 * reusing_connect() - connect(), served from the pool if it can be
 * Return: 0 or a negative errno
 */
long reusing_connect(int fd, const char *to);

/**
 * reusing_opened() - a new socket, connected; an IPv4 one
 */
int reusing_opened(const char *to);

/**
 * reusing_exchange() - a request and its reply, as the redis guard has them
 */
void reusing_exchange(int fd);

/**
 * reusing_send(), reusing_receive() - bytes one way, counted by the kernel and seen by the guard
 */
void reusing_send(int fd, const char *bytes);
void reusing_receive(int fd, const char *bytes);

/**
 * reusing_close() - close(), towards a server that has shown that it can be trusted (CONDUCT_PROOFS, _DEPTHS, _WORDLESS)
 * Return: was it parked?
 */
bool reusing_close(int fd);

/**
 * reusing_parked() - a connection made, used and parked, and quiet for long enough to be handed out
 * Return: its SO_COOKIE
 */
uint64_t reusing_parked(const char *to);

/**
 * reusing_serves() - a new socket connects
 * Return: SO_COOKIE of the connection it got
 */
uint64_t reusing_serves(const char *to);

/**
 * reusing_number() - the number under which a connection is parked
 */
int reusing_number(uint64_t cookie);

/**
 * reusing_open_fds() - fake_open_fds() but for the numbers that are kept beside the program's (second.h)
 */
unsigned reusing_open_fds(void);

/**
 * reusing_counts() - what was counted for a destination
 */
const struct reuse_counts *reusing_counts(const char *to);

/**
 * reusing_of() - the record behind the program's fd
 */
struct reuse *reusing_of(int fd);

/**
 * reusing_wait() - time passes
 */
static inline void reusing_wait(uint64_t ns)
{
	fake.now_ns += ns;
}

/* Exactly one more of one reason, and none of the others. */
void check_refused(const char *to, enum reuse_refusal why);
void check_retired(const char *to, enum reuse_retirement why);

#endif
