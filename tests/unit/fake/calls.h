// SPDX-License-Identifier: Apache-2.0
/* calls - what the files of the fake kernel share: its system calls, and what they stand on. */
#ifndef HEADROOM_TESTS_UNIT_FAKE_CALLS_H
#define HEADROOM_TESTS_UNIT_FAKE_CALLS_H

#include "tests/unit/fake/kernel.h"

/**
 * fake_enter() - a call is made: count it
 * @option:	of setsockopt() and getsockopt(), command of fcntl(), operation of epoll_ctl(); else 0
 * Return: 0, or the negative errno it is to fail with
 */
long fake_enter(enum fake_call call, int option);

/**
 * fake_look(), fake_look_socket() - what is behind an fd
 * Return: NULL if nothing, or no socket
 */
struct fake_fd *fake_look(int fd);
struct fake_fd *fake_look_socket(int fd);

/**
 * fake_new_fd() - the lowest free fd at or above @from
 * Return: fd, or -EMFILE
 */
int fake_new_fd(int from, const struct fake_fd *what);

/**
 * fake_answer() - give what was asked for, cut to the caller's length
 */
long fake_answer(void *value, socklen_t *length, const void *from, size_t size);

/**
 * fake_route_of() - the source that the kernel takes
 * @from:	what the socket is bound to; unset: nothing
 * Return: 0 or a negative errno
 */
long fake_route_of(const struct address *from, const struct endpoint *to, struct address *source);

/**
 * fake_netlink_send() / fake_netlink_recv() - a request, and a part of its answer
 */
void fake_netlink_send(struct fake_fd *s, const void *data, size_t size);
long fake_netlink_recv(struct fake_fd *s, void *data, size_t size);

/* The calls themselves, for the table. */
long fake_close(int fd);
long fake_bind(int fd, const void *sa, socklen_t length);
long fake_connect(int fd, const void *sa, socklen_t length);
long fake_listen(int fd, int backlog);
long fake_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
long fake_getsockopt(int fd, int level, int name, void *value, socklen_t *length);
long fake_getsockname(int fd, void *sa, socklen_t *length);
long fake_recv(int fd, void *data, size_t size, int flags);
long fake_fcntl(int fd, int command, long argument);
long fake_dup3(int fd, int target, int flags);
long fake_epoll_ctl(int epoll, int operation, int fd, void *event);

#endif
