/* SPDX-License-Identifier: Apache-2.0 */
/* ops_thread - threads with stacks of their own, which are painted before to see how deep it went;
 * cancellation. */
#include "actor.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { THREADS_MAX = 8, PAINT = 0xa5, GUARD = 65536 };

static struct thread {
	pthread_t id;
	char name[STRAND_NAME];
	const struct block *block;
	unsigned char *stack;
	size_t size;
	bool runs;
} threads[THREADS_MAX];

static void *thread_run(void *data)
{
	const struct thread *thread = data;
	struct strand strand = strand_open(thread->name);
	block_run(&strand, thread->block);
	return NULL;
}

static void run_thread(struct strand *strand, const struct step *step)
{
	struct thread *thread = threads;
	while (thread < threads + THREADS_MAX && thread->runs)
		thread++;
	const struct block *block = block_find(step->arguments[0].word);
	if (thread == threads + THREADS_MAX || !block)
		return;
	thread->block = block;
	thread->size = (size_t)step->arguments[1].number;
	strand_name(thread->name, strand);
	unsigned char *memory =
		mmap(NULL, GUARD + thread->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	thread->stack = memory + GUARD;
	mprotect(thread->stack, thread->size, PROT_READ | PROT_WRITE);
	memset(thread->stack, PAINT, thread->size);
	pthread_attr_t how;
	pthread_attr_init(&how);
	int error = pthread_attr_setstack(&how, thread->stack, thread->size);
	if (!error)
		error = pthread_create(&thread->id, &how, thread_run, thread);
	pthread_attr_destroy(&how);
	thread->runs = !error;
	say(strand, " ");
	say_errno(strand, error);
}

/* All other threads of this process. The depth is compared as a number. */
static void run_join(struct strand *strand, const struct step *step)
{
	(void)step;
	for (struct thread *thread = threads; thread < threads + THREADS_MAX; thread++) {
		if (!thread->runs || pthread_equal(thread->id, pthread_self()))
			continue;
		pthread_join(thread->id, NULL);
		thread->runs = false;
		size_t clean = 0;
		while (clean < thread->size && thread->stack[clean] == PAINT)
			clean++;
		say(strand, " depth=");
		say_number(strand, (long)(thread->size - clean));
		munmap(thread->stack - GUARD, GUARD + thread->size);
	}
}

struct cancelled {
	const struct step *step;
	bool done;
	long result;
};

static void *cancelled_run(void *data)
{
	struct cancelled *mine = data;
	const struct step *step = mine->step;
	char byte;
	pthread_cancel(pthread_self());
	switch (step->arguments[0].word[1]) {
	case 'l': /* close */
		mine->result = close(fd_of(step, 1));
		break;
	case 'o': /* connect */
		mine->result = connect(fd_of(step, 1), (const void *)&step->arguments[2].address,
				       step->arguments[2].length);
		break;
	default:
		mine->result = recv(fd_of(step, 1), &byte, 1, MSG_DONTWAIT);
	}
	mine->done = true;
	return NULL;
}

/* One call in a thread that has been cancelled before: it is not made, and what it would have ended is still
 * there. */
static void run_cancelled(struct strand *strand, const struct step *step)
{
	struct cancelled mine = { step, false, 0 };
	pthread_t id;
	void *end = NULL;
	if (pthread_create(&id, NULL, cancelled_run, &mine))
		return;
	pthread_join(id, &end);
	say(strand, end == PTHREAD_CANCELED ? " cancelled" : " returned");
	say(strand, mine.done ? " done" : "");
}

const struct operation thread_operations[] = {
	{ "thread", 3, "block stack", run_thread },
	{ "join", 3, "", run_join },
	{ "cancelled", 2, "one:close|connect|recv fd dest", run_cancelled },
	{ NULL, 0, NULL, NULL },
};
