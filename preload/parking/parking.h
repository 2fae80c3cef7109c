// SPDX-License-Identifier: Apache-2.0
/* parking - what is parked gets out of the way: of the program's fds, of its next process, of its time.
 *
 * park.h keeps a connection at close(), hand_out.h serves a connect() with one. Which and when is decided in
 * pool/reuse/; here are the fd numbers. */
#ifndef HEADROOM_PRELOAD_PARKING_PARKING_H
#define HEADROOM_PRELOAD_PARKING_PARKING_H

#include "pool/reuse/parked.h"

#include <stdbool.h>

/**
 * parking_is_on() - does any rule reuse connections?
 */
bool parking_is_on(void);

/**
 * parking_leave_table() - the numbers of what is let go leave the fd table, before they are closed; the lock
 * is held
 */
void parking_leave_table(struct retired *retired);

/**
 * parking_leave() - let the lock go, and do what had to wait for that: the numbers are closed, and a pause of
 * reuse is told of
 */
void parking_leave(struct retired *retired);

/**
 * parking_shared() - somebody else has this connection too, from now on
 */
void parking_shared(int fd);

/**
 * parking_let_number_go() - the program is about to end a socket for real: a number of ours that is kept
 * beside its own (second.h) goes before; call without the lock
 */
void parking_let_number_go(const struct held *held);

/**
 * parking_signals() - somebody gets signals for what happens on this socket
 */
void parking_signals(int fd);

/**
 * parking_watches_unknown() - this connection may be in an epoll set in a way that no hook saw
 */
void parking_watches_unknown(int fd);

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
 * parking_stand_back_for_thread() - the same where rights change that each thread has for itself
 *
 * With more than one thread nothing is reused from then on: what one has parked another may not have.
 */
void parking_stand_back_for_thread(void);

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
