// SPDX-License-Identifier: Apache-2.0
/* hot - keep what every connect() and close() runs in a few neighbouring pages. */
#ifndef HEADROOM_POOL_HOT_H
#define HEADROOM_POOL_HOT_H

/* The kernel's part of a connect() leaves the caches cold: each page and line touched here is a miss. GCC
 * gathers functions so marked in one section (-freorder-functions). */
#define HOT  __attribute__((hot))
#define COLD __attribute__((cold, noinline))

#endif
