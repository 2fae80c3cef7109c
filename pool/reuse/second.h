// SPDX-License-Identifier: Apache-2.0
/* second - a number of our own of a socket, kept for a while beside the program's.
 *
 * Theory of operation
 *
 * When a connection is handed out we have a number of it, and when the program closes it we need one again:
 * to give one away and to take another are two system calls of ten. So ours is kept, and in the list of all
 * for a while. It is out of the fd table, as it stands for nothing: a program that closes it does no harm,
 * and who uses it compares SO_COOKIE.
 *
 * Where the program ends a connection by a call that a hook sees, our number goes before. Where it does so by
 * one that no hook sees, the connection stays open for as long as the number is kept, and no longer. */
#ifndef HEADROOM_POOL_REUSE_SECOND_H
#define HEADROOM_POOL_REUSE_SECOND_H

#include "pool/reuse/retired.h"

enum { SECOND_KEPT_MS = 100 };

/**
 * second_keep() - the program has the socket now, and our number `fd` of it, out of the list, is kept for a
 * while, if there is room for that; the lock is held Return: false if the caller is to close it; `fd` is none
 * then
 */
bool second_keep(struct reusing *reusing, struct reuse *reuse, uint64_t now_ns);

/**
 * second_take() - our number of a socket that the program has, if it is kept; the lock is held
 * Return: the number, out of the list, or -1
 */
int second_take(struct reusing *reusing, struct reuse *reuse);

/**
 * second_retire() - a number that is kept is to be closed; the lock is held
 */
void second_retire(struct reusing *reusing, struct reuse *reuse, struct retired *retired);

/**
 * second_forget() - the socket's record goes, and the number with it, if one is kept; the lock is held
 */
void second_forget(struct reusing *reusing, struct reuse *reuse);

#endif
