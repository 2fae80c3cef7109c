// SPDX-License-Identifier: Apache-2.0
/* threads - what libc says about the program's threads, and their cancellation. */
#include "pool/libc/threads.h"

#include <stddef.h>
#include <stdint.h>

#define WEAK __attribute__((weak))
#define COLD __attribute__((cold, noinline))

/* musl's struct __ptcb, and, with one more word, glibc's struct _pthread_cleanup_buffer. */
struct cleanup {
	void (*routine)(void *);
	void *argument;
	struct cleanup *next; /* in glibc a number */
	void *in_glibc;
};

extern char single_threaded __asm__("__libc_single_threaded") WEAK;
extern void cleanup_push(struct cleanup *, void (*)(void *), void *) __asm__("_pthread_cleanup_push") WEAK;
extern void cleanup_pop(struct cleanup *, int execute) __asm__("_pthread_cleanup_pop") WEAK;
extern void test_cancel(void) __asm__("pthread_testcancel") WEAK;
extern const char *glibc_version(void) __asm__("gnu_get_libc_version") WEAK;

const char *threads_one = &single_threaded;

void threads_start(void)
{
	static const char perhaps_more;

	if (!&single_threaded)
		threads_one = &perhaps_more;
}

bool threads_is_told(void)
{
	return &single_threaded;
}

/* The one entry of a thread for musl; taken while there is a frame. */
static __thread struct {
	struct cleanup cleanup;
	const volatile uintptr_t *frame;
	void (*on_cancel)(void *);
	void *what;
} entry __attribute__((tls_model("initial-exec")));

/* A thread that is cancelled in a call comes here by four functions of musl with small frames; __cancel() and
 * pthread_exit() are the last. */
enum { NEAR = 1024 };

static void clean(void *unused)
{
	const volatile uintptr_t *here = __builtin_frame_address(0), *frame = entry.frame;

	(void)unused;
	entry.frame = NULL;
	if (frame && here < frame && (uintptr_t)frame - (uintptr_t)here < NEAR && *frame == ~(uintptr_t)frame)
		entry.on_cancel(entry.what);
}

/* Was it left by a jump, and is it the first in the thread's list, so that it can be taken out? */
static bool is_left_behind(const volatile uintptr_t *here)
{
	struct cleanup first;

	cleanup_push(&first, clean, NULL);
	cleanup_pop(&first, 0);
	return here > entry.frame && first.next == &entry.cleanup;
}

static long call_on_musl(long (*call)(void *), void *argument, void (*on_cancel)(void *), void *what)
{
	volatile uintptr_t word = ~(uintptr_t)&word;

	if (entry.frame) {
		if (!is_left_behind(&word))
			return call(argument);
		cleanup_pop(&entry.cleanup, 0);
	}
	entry.on_cancel = on_cancel;
	entry.what = what;
	entry.frame = &word;
	cleanup_push(&entry.cleanup, clean, NULL);
	long rc = call(argument);
	cleanup_pop(&entry.cleanup, 0);
	entry.frame = NULL;
	word = 0;
	return rc;
}

COLD long threads_call_cancellable(long (*call)(void *), void *argument, void (*on_cancel)(void *),
				   void *what)
{
	struct cleanup cleanup;

	if (!cleanup_push || !cleanup_pop)
		return call(argument);
	if (!glibc_version)
		return call_on_musl(call, argument, on_cancel, what);
	cleanup_push(&cleanup, on_cancel, what);
	long rc = call(argument);
	cleanup_pop(&cleanup, 0);
	return rc;
}

COLD void threads_test_cancel(void)
{
	if (test_cancel)
		test_cancel();
}
