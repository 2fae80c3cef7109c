// SPDX-License-Identifier: Apache-2.0
/* choice - begin an attempt, and choose the source of its next round. */
#ifndef HEADROOM_POOL_CONNECT_CHOICE_H
#define HEADROOM_POOL_CONNECT_CHOICE_H

#include "pool/connect/attempting.h"
#include "pool/spread/spread.h"

/**
 * choice_begin() - find the destination, and whether the source is ours to choose; look up what is old
 *
 * The lock is held, and a reference to the record. Return: false when it could not be had again after looking
 * something up
 */
bool choice_begin(struct attempt *a);

/**
 * choice_learn_natural() - have the kernel's own choice for the destination known; the lock is held
 *
 * Return: false when it could not be had again
 */
bool choice_learn_natural(struct attempt *a);

/**
 * choice_make() - choose a source, and enter the port as taken; the lock is held
 */
enum verdict choice_make(struct attempt *a);

#endif
