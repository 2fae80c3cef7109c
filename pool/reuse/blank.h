// SPDX-License-Identifier: Apache-2.0
/* blank - a socket of the program's that a parked connection took the place of, kept for its next socket().
 *
 * To make and unmake a socket costs the kernel more than all the rest of a hand-out. There is one at most. */
#ifndef HEADROOM_POOL_REUSE_BLANK_H
#define HEADROOM_POOL_REUSE_BLANK_H

#include "pool/reuse/reuse.h"

/**
 * blank_keep() - a number of ours for the socket that is about to be replaced; the lock is held
 * @fresh:	its record
 * @fd:		the program's number
 * @status:	its F_GETFL
 * Return: -1 if it is not kept: it is not as it was made, or there is one already
 */
int blank_keep(const struct reusing *reusing, struct tracked *fresh, int fd, int status);

/**
 * blank_enter() - keep it for the next socket(); the lock is held
 * @fd:		as of blank_keep(), in the table
 */
void blank_enter(struct reusing *reusing, struct reuse *reuse, int fd, int status, uint64_t now_ns);

/**
 * blank_take() - the blank, out of the list with `fd` still set; the lock is held
 * @family:	of the socket that is wanted
 * Return: NULL if there is none
 */
struct reuse *blank_take(struct reusing *reusing, int family);

#endif
