// SPDX-License-Identifier: Apache-2.0
/* parking - fds and parked connections: park at close(), hand out at connect(), get out of the way. */
#ifndef HEADROOM_PRELOAD_PARKING_PARKING_H
#define HEADROOM_PRELOAD_PARKING_PARKING_H

#include "pool/reuse/reuse.h"

#include <stdbool.h>

/**
 * parking_is_on() - does any rule reuse connections?
 */
bool parking_is_on(void);

/**
 * parking_park() - the last fd of a connection is about to be closed; call without the lock
 * @held:	its record, with the fd's reference, which a parked connection keeps
 * Return: false if it is to be closed for real
 */
bool parking_park(int fd, const struct held *held);

/**
 * parking_hand_out() - serve a connect() from the pool
 * @result:	filled: 0, or -EINPROGRESS for a non-blocking socket
 * Return: false if the kernel has to be asked
 */
bool parking_hand_out(int fd, const struct endpoint *to, const struct rule *rule, long *result);

/**
 * parking_socket() - serve a socket() with the one that a hand-out left over
 * @family, @type, @protocol: as of socket(2)
 * Return: its fd, or -1 if the kernel has to be asked
 */
int parking_socket(int family, int type, int protocol);

struct fresh;

/**
 * parking_enter_number() - enter a connection under the program's number; the lock is held
 * @with:	its record, with the reference for the number
 * @fresh:	how the program watches the number
 * Return: the record that was there, and its reference; NULL if there was none
 */
struct tracked *parking_enter_number(int fd, struct tracked *with, const struct fresh *fresh);

/**
 * parking_shared() - somebody else has this connection too, from now on
 */
void parking_shared(int fd);

/**
 * parking_watches_unknown() - this connection may be in an epoll set in a way that no hook saw
 */
void parking_watches_unknown(int fd);

/**
 * parking_lost() - the kernel gave this number, which a parked connection has by our table, to the program
 */
void parking_lost(int fd);

/**
 * parking_give_way() - the program wants this number, which a parked connection has
 */
void parking_give_way(int fd);

/**
 * parking_give_up() - let all parked connections go
 * Return: false if there was none
 */
bool parking_give_up(enum reuse_retirement why);

/**
 * parking_made_room() - did a call of the program fail for want of fds, and is it worth another try?
 * @rc:		what it returned, with errno
 */
bool parking_made_room(int rc);

/**
 * parking_room_for_files() - a call that needs some fds, and cannot be made twice, is to come: are there any
 * left?
 */
void parking_room_for_files(void);

/**
 * parking_tidy() - let go what has been idle for too long; cheap if there is none
 */
void parking_tidy(void);

/**
 * parking_epoll_closed() - the number of an epoll set was closed
 *
 * The set may have another number: the connections in it are never parked.
 */
void parking_epoll_closed(int epoll);

/**
 * parking_stand_back() - let all go, and end our thread: another process is about to be made, which may need
 * the server, or rights are about to change, which are not those of the connections
 */
void parking_stand_back(void);

/**
 * parking_off() - from now on nothing is parked in this process, nor handed out
 * @why:	for the log; NULL: not worth a line
 * @retirement:	what becomes of those that are
 */
void parking_off(const char *why, enum reuse_retirement retirement);

/**
 * parking_in_child() - in a forked child: what is parked is its parent's
 */
void parking_in_child(void);

#endif
