/* SPDX-License-Identifier: Apache-2.0 */
/* ops_crowd - threads that connect at the same moment: in this process, or in children that are made for it,
 * one after the other, each way to make one.
 *
 * What only now and then goes wrong at a beginning goes wrong in one child of many, and the line that tells
 * of all of them differs each time. */
#include "actor.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CROWD_MAX = 8, SPINS_MAX = 1 << 17, ALL_WELL = 0, NO_PORT = 1, OTHER_ERROR = 2, OTHER_END = 3, ENDS };
static const char *const end_names[ENDS] = { "ok", "EADDRNOTAVAIL", "failed", "killed" };

static int not_ready, worst;

static void enter_outcome(int outcome)
{
	int before = __atomic_load_n(&worst, __ATOMIC_RELAXED);
	while (outcome > before && !__atomic_compare_exchange_n(&worst, &before, outcome, false,
								__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

static void *connect_with_others(void *data)
{
	const struct argument *dest = data;
	struct linger linger = { 1, 0 };
	__atomic_sub_fetch(&not_ready, 1, __ATOMIC_ACQ_REL);
	/* Who gives the processor away is not there when it begins. */
	for (int spins = 1; __atomic_load_n(&not_ready, __ATOMIC_ACQUIRE) > 0; spins++)
		if (spins % SPINS_MAX == 0)
			sched_yield();
	int fd = socket(dest->address.ss_family, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	if (connect(fd, (const void *)&dest->address, dest->length) && errno != ECONNREFUSED)
		enter_outcome(errno == EADDRNOTAVAIL ? NO_PORT : OTHER_ERROR);
	close(fd);
	return NULL;
}

/* Return: the worst that came of it. */
static int crowd(long threads, const struct argument *dest)
{
	pthread_t ids[CROWD_MAX];
	long count = threads < CROWD_MAX ? threads : CROWD_MAX;
	worst = ALL_WELL;
	not_ready = (int)count;
	for (long i = 0; i < count; i++)
		if (pthread_create(&ids[i], NULL, connect_with_others, (void *)dest)) {
			enter_outcome(OTHER_ERROR);
			__atomic_sub_fetch(&not_ready, (int)(count - i), __ATOMIC_ACQ_REL);
			count = i;
		}
	for (long i = 0; i < count; i++)
		pthread_join(ids[i], NULL);
	return worst;
}

static void run_rush(struct strand *strand, const struct step *step)
{
	say(strand, " ");
	say(strand, end_names[crowd(step->arguments[0].number, &step->arguments[1])]);
	say(strand, "=1");
}

/* A system call that no library sees. */
static pid_t fork_by_hand(void)
{
#ifdef __x86_64__
	long result = SYS_fork;
	__asm__ volatile("syscall" : "+a"(result) : : "rcx", "r11", "memory");
	return (pid_t)result;
#else
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
#endif
}

static pid_t make_child(const char *how)
{
	return !strcmp(how, "_fork")   ? _Fork()
	       : !strcmp(how, "clone") ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)
	       : !strcmp(how, "raw")   ? fork_by_hand()
				       : fork();
}

static void run_brood(struct strand *strand, const struct step *step)
{
	int ends[ENDS] = { 0 }, status;
	for (long i = 0; i < step->arguments[0].number; i++) {
		pid_t pid = make_child(step->arguments[1].word);
		if (pid == 0)
			_exit(crowd(step->arguments[2].number, &step->arguments[3]));
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			status = OTHER_ERROR << 8;
		ends[WIFEXITED(status) && WEXITSTATUS(status) < OTHER_END ? WEXITSTATUS(status)
									  : OTHER_END]++;
	}
	for (int i = 0; i < ENDS; i++) {
		if (!ends[i])
			continue;
		say(strand, " ");
		say(strand, end_names[i]);
		say(strand, "=");
		say_number(strand, ends[i]);
	}
}

/* A child that libc, or not even libc, is not told of. */
static void run_fork_by(struct strand *strand, const struct step *step)
{
	char name[STRAND_NAME];
	strand_name(name, strand);
	pid_t pid = make_child(step->arguments[0].word);
	if (pid == 0) {
		struct strand child = strand_open(name);
		const struct block *block = block_find(step->arguments[1].word);
		if (block)
			block_run(&child, block);
		strand_end(&child);
		_exit(0);
	}
	say_result(strand, pid < 0 ? -1 : 0);
}

const struct operation crowd_operations[] = {
	{ "rush", 1, "int:2-6 dest", run_rush },
	{ "brood", 0, "int:1-60 one:fork|_fork|clone|raw int:2-6 dest", run_brood },
	{ "fork-by", 1, "one:_fork|clone block", run_fork_by },
	{ NULL, 0, NULL, NULL },
};
