// SPDX-License-Identifier: Apache-2.0
/* hot - keep what every connect() and close() runs in a few neighbouring pages. */
#ifndef HEADROOM_POOL_BASE_HOT_H
#define HEADROOM_POOL_BASE_HOT_H

/* The kernel's part of a connect() leaves the caches cold: each page and line touched here is a miss. GCC
 * gathers functions so marked in one section (-freorder-functions). */
#define HOT  __attribute__((hot))
#define COLD __attribute__((cold, noinline))
/* Out of the way of a program that does not ask for reuse, but not made small at the cost of one that does.
 */
#define APART __attribute__((noinline))

/* And each taken branch is one that the processor has forgotten: the common way is to run straight down. What
 * is unlikely moves out of line, into another section where it can. Halves what the shim's own code costs a
 * connect() (docs/users/performance.md). */
#define likely(condition)   __builtin_expect_with_probability(!!(condition), 1, 1.0)
#define unlikely(condition) __builtin_expect_with_probability(!!(condition), 0, 1.0)

#endif
