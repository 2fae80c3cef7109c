// SPDX-License-Identifier: Apache-2.0
/* sleep - wait for a time given in seconds. */
#ifndef HEADROOM_CLI_SHARED_SLEEP_H
#define HEADROOM_CLI_SHARED_SLEEP_H

#include <time.h>

/**
 * timespec_of() - seconds as the system calls take them
 */
struct timespec timespec_of(double seconds);

/**
 * sleep_s() - wait, whatever signals come
 */
void sleep_s(double seconds);

#endif
