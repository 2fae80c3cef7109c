// SPDX-License-Identifier: Apache-2.0
/* park - the last fd of a connection is about to be closed: it is kept under a number of ours. */
#ifndef HEADROOM_PRELOAD_PARKING_PARK_H
#define HEADROOM_PRELOAD_PARKING_PARK_H

#include "pool/base/lock.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * park() - before the close; without the lock
 * @held:	its record, with the fd's reference, which a parked connection keeps
 * Return: false if it is to be closed for real
 */
bool park(int fd, const struct held *held);

/**
 * park_see_to() - somebody is to look at what is parked by @until_ns; without the lock
 */
void park_see_to(uint64_t until_ns);

#endif
