// SPDX-License-Identifier: Apache-2.0
#include "pool/libc/threads.h"
#include "tests/unit/check.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdint.h>

static atomic_int cleaned;
static sigjmp_buf way_out;

static void clean(void *what)
{
	cleaned += *(int *)what;
}

static long end_here(void *unused)
{
	(void)unused;
	pthread_cancel(pthread_self());
	pthread_testcancel();
	return 0;
}

static void *cancelled(void *unused)
{
	int ten = 10;
	(void)unused;
	threads_call_cancellable(end_here, NULL, clean, &ten);
	return NULL;
}

Test(threads, a_cancelled_call_is_cleaned_up_after_once)
{
	pthread_t thread;
	void *result;

	check(!pthread_create(&thread, NULL, cancelled, NULL));
	pthread_join(thread, &result);
	check(result == PTHREAD_CANCELED);
	check_number(cleaned, 10);
}

static long leave(void *unused)
{
	(void)unused;
	siglongjmp(way_out, 1);
}

static void overwrite(void)
{
	volatile char stack[4096];
	for (size_t i = 0; i < sizeof(stack); i++)
		stack[i] = 0x55;
}

/* By a signal handler, say. The thread ends with what it has registered since, and calls nothing of a frame
 * that is gone. */
static void *left_by_a_jump(void *unused)
{
	static int one = 1, hundred = 100;
	(void)unused;
	if (!sigsetjmp(way_out, 0))
		threads_call_cancellable(leave, NULL, clean, &one);
	overwrite();
	threads_call_cancellable(end_here, NULL, clean, &hundred);
	return NULL;
}

Test(threads, a_call_that_was_left_by_a_jump_is_cleaned_up_after_and_forgotten)
{
	pthread_t thread;

	check(!pthread_create(&thread, NULL, left_by_a_jump, NULL));
	pthread_join(thread, NULL);
	check_number(cleaned, 101);
}

static long answer(void *argument)
{
	return *(int *)argument;
}

Test(threads, a_call_that_comes_back_is_not_cleaned_up_after)
{
	int number = 7;

	check_number(threads_call_cancellable(answer, &number, clean, &number), 7);
	check_number(cleaned, 0);
}

Test(threads, where_libc_says_nothing_there_may_be_several)
{
	static const char nothing_said;

	threads_start();
	check(threads_is_told());
	threads_one = &nothing_said;
	check(!threads_is_one());
}
