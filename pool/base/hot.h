// SPDX-License-Identifier: Apache-2.0
/* hot - keep what every connect() and close() runs in a few neighbouring pages.
 *
 * Theory of operation
 *
 * With nothing but the system calls, made by a program without the shim, connect() + close() is 1.00 to
 * 1.02 x without sources and 1.05 to 1.08 x with 8; with the shim 1.02 to 1.05 and 1.08 to 1.11. So what
 * is ours to save is 2 to 4 %. It is cold code more than instructions: a connect() and close() run some
 * 1,000; 20 % fewer in as many lines changed nothing measurable. The kernel's part leaves the caches cold,
 * so each page and line that a hook touches is a miss. Link-time optimisation is on, and a hook that is
 * called for every fd has no stack frame on the way to the real call (hook_close()).
 *
 * The usage segment adds -14 ns to a connect() + close() by RST (95 %: -101 to +81, 20 pairs), +65 ns by
 * TIME_WAIT (-121 to +302): less than these runs differ. What costs more, and why:
 *
 *  - Refused at once (nobody listens, on loopback: 4.6 us without the shim): 1.08 x without sources,
 *    1.45 x with eight, of which the four system calls made by hand are 1.22 (tests/bench/overhead 1000
 *    refused bind). A source takes setsockopt() and bind(), and after the failure both are taken back,
 *    before the program sees the socket again. To put that off until the program looks would save half,
 *    and show a source of ours to who looks by a call that no hook sees.
 *  - A child forked for one connection: 119 us of processor time from fork() to its end, and some 30 % more
 *    with the shim. A fifth of that is code of ours, the rest the kernel's: 7
 *    or 8 page faults (2 us for a page that is copied, 1 for an empty one, 1.8 for 64 KiB of code): code, one
 *    or two as it is loaded, the vDSO, what it writes (shim.h), the mark of forks, two of the file of its
 *    counts, and what the loader does for one library more at the end; a dozen short system calls; and six
 *    mappings more, at fork() and at the end.
 *  - A program that is started for one: 925 and 1,130 us. A library that is empty, preloaded, takes 45
 *    of that, the shim switched off 90. What every program pays that never connects: 1.10 x for the empty
 * one, 1.20 x here (sh -c :). The look for a seccomp filter in /proc/self/status is 15, and must be: prctl()
 * is what a filter may kill for.
 *  - A server that ends each connection at once, without a byte, while the program ends it too: as each
 *    source is turned away now and then, each is in doubt, and a connection with eight sources runs
 *    3,300 instructions where it runs 1,200 else.
 *  - The first connect() with sources, beside 250 processes that spread: 1.7 ms, some 6 us for each. */
#ifndef HEADROOM_POOL_BASE_HOT_H
#define HEADROOM_POOL_BASE_HOT_H

/* The kernel's part of a connect() leaves the caches cold: each page and line touched here is a miss. GCC
 * gathers functions so marked in one section (-freorder-functions). */
#define HOT  __attribute__((hot))
#define COLD __attribute__((cold, noinline))
/* What a process runs once or twice: as a forked child, at its first connection, at its end. Small as what is
 * cold, but beside what is hot: each 64 KiB of code that a process comes to are a page fault of 2 us
 * (do_fault_around(), mm/memory.c). And hot functions whose unlikely parts are run then, with these. */
#define ONCE      __attribute__((cold, noinline, section(".text.hot.once")))
#define HOT_WHOLE __attribute__((hot, section(".text.hot.once")))
/* Small variables that a process comes to at its start, although it may never connect: in the page that the
 * loader has written (relocations), and not in pages of .bss, each of which is a fault. */
#define IN_DATA __attribute__((section(".data")))
/* Out of the way of a program that does not ask for reuse, but not made small at the cost of one that does.
 */
#define APART __attribute__((noinline))

/* And each taken branch is one that the processor has forgotten: the common way is to run straight down. What
 * is unlikely moves out of line, into another section where it can. Halves what the shim's own code costs a
 * connect() (docs/users/performance.md). */
#define likely(condition)   __builtin_expect_with_probability(!!(condition), 1, 1.0)
#define unlikely(condition) __builtin_expect_with_probability(!!(condition), 0, 1.0)

#endif
