// SPDX-License-Identifier: Apache-2.0
/* deferred - give deferred ports to fds before somebody else can look. */
#ifndef HEADROOM_PRELOAD_FDS_DEFERRED_H
#define HEADROOM_PRELOAD_FDS_DEFERRED_H

#include <stdbool.h>
#include <sys/socket.h>

/**
 * deferred_fds_make_real() - for every fd, before a fork or an exec
 */
void deferred_fds_make_real(void);

/**
 * deferred_fd_make_real() - for one fd
 */
void deferred_fd_make_real(int fd);

/**
 * deferred_fd_show() - the same, as the program asks for the port; see shown_port.h
 */
void deferred_fd_show(int fd);

/**
 * fds_in_message() - for the fds that a message is to pass to another process (SCM_RIGHTS, unix(7))
 * @fd:		what it is sent over
 * @message:	the program's; need not be memory
 *
 * Their connections are never parked after that.
 */
void fds_in_message(int fd, const struct msghdr *message);

/**
 * fds_were_sent() - the message was sent: others hold the sockets now (HELD_ELSEWHERE)
 */
void fds_were_sent(const struct msghdr *message);

/**
 * fds_may_be_sent() - fds_in_message() and fds_were_sent() before a call whose result nobody sees
 */
void fds_may_be_sent(int fd, const struct msghdr *message);

/**
 * fd_is_held_elsewhere() - the same of one fd; also where a second number of it is not in the table
 */
void fd_is_held_elsewhere(int fd);

/**
 * fds_were_received() - their numbers stand for something new
 */
void fds_were_received(const struct msghdr *message);

/**
 * fds_matter() - has fds_in_message() anything to do at all?
 */
bool fds_matter(void);

#endif
