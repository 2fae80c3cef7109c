/* SPDX-License-Identifier: Apache-2.0 */
/* ops_process - children of every kind, and the ways to end. */
#include "actor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
/* What programs linked before glibc 2.15 call: it runs a file without #! by the shell. */
int spawn_of_old(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		 const posix_spawnattr_t *how, char *const arguments[], char *const environment[]);
#if defined(__x86_64__) && defined(__GLIBC__)
__asm__(".symver spawn_of_old,posix_spawn@GLIBC_2.2.5");
#else
#define spawn_of_old posix_spawn
#endif

static void say_status(struct strand *strand, int status)
{
	if (WIFEXITED(status)) {
		say(strand, " exit=");
		say_number(strand, WEXITSTATUS(status));
	} else if (WIFSIGNALED(status)) {
		say(strand, " signal=");
		say(strand, sigabbrev_np(WTERMSIG(status)));
	}
}

static void run_fork(struct strand *strand, const struct step *step)
{
	char name[STRAND_NAME];
	strand_name(name, strand);
	pid_t pid = fork();
	if (pid == 0) {
		struct strand child = strand_open(name);
		const struct block *block = block_find(step->arguments[0].word);
		if (block)
			block_run(&child, block);
		strand_end(&child);
		_exit(0);
	}
	say_result(strand, pid < 0 ? -1 : 0);
}

static void run_wait(struct strand *strand, const struct step *step)
{
	int status = 0;
	pid_t pid = waitpid(-1, &status, 0);
	(void)step;
	if (pid < 0)
		say_result(strand, -1);
	else
		say_status(strand, status);
}

static void run_vfork(struct strand *strand, const struct step *step)
{
	char name[STRAND_NAME], *arguments[8];
	strand_name(name, strand);
	continue_arguments(arguments, name, step->arguments[1].word);
	int extra = fd_of(step, 0);
	pid_t pid = vfork();
	if (pid == 0) {
		/* The child shares the parent's memory and not its fds. */
		close(extra);
		execve(actor_path, arguments, environ);
		_exit(126);
	}
	say_result(strand, pid < 0 ? -1 : 0);
}

static void run_spawn(struct strand *strand, const struct step *step)
{
	char name[STRAND_NAME], *arguments[8];
	strand_name(name, strand);
	continue_arguments(arguments, name, step->arguments[0].word);
	pid_t pid;
	int error = posix_spawn(&pid, actor_path, NULL, NULL, arguments, environ);
	say(strand, " ");
	say_errno(strand, error);
}

static void run_old_spawn(struct strand *strand, const struct step *step)
{
	char path[] = "./script", *arguments[] = { path, NULL };
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0755), status = 0;
	if (fd < 0 || write(fd, "exit 7\n", 7) != 7)
		say(strand, " no file");
	close(fd);
	pid_t pid;
	bool old = step->arguments[0].word[0] == 'o';
	int error = (old ? spawn_of_old : posix_spawn)(&pid, path, NULL, NULL, arguments, environ);
	say(strand, " ");
	say_errno(strand, error);
	if (!error && waitpid(pid, &status, 0) == pid)
		say_status(strand, status);
	unlink(path);
}

static void run_exec(struct strand *strand, const struct step *step)
{
	char *arguments[8];
	char name[STRAND_NAME];
	snprintf(name, sizeof name, "%s", strand->page->name);
	continue_arguments(arguments, name, step->arguments[0].word);
	say(strand, "\n");
	execve(actor_path, arguments, environ);
	say_result(strand, -1);
}

static void run_end(struct strand *strand, const struct step *step)
{
	const char *how = step->arguments[0].word;
	say(strand, "\n");
	strand_end(strand);
	if (!strcmp(how, "exit"))
		exit(3);
	if (!strcmp(how, "_exit"))
		_exit(4);
	if (!strcmp(how, "abort"))
		abort();
	kill(getpid(), !strcmp(how, "kill") ? SIGKILL : SIGTERM);
}

static void run_system(struct strand *strand, const struct step *step)
{
	(void)step;
	int status = system("exit 5");
	say_status(strand, status);
}

/* Two strands do things in an order that is written in the program: each waits until it is its turn. */
static void run_turn(struct strand *strand, const struct step *step)
{
	const struct timespec moment = { 0, 200000 };
	for (int i = 0; i < 10000; i++) {
		if (__atomic_load_n(&shared->turn, __ATOMIC_ACQUIRE) >= (uint32_t)step->arguments[0].number)
			return;
		nanosleep(&moment, NULL);
	}
	say(strand, " never");
}

static void run_next(struct strand *strand, const struct step *step)
{
	(void)strand;
	(void)step;
	__atomic_fetch_add(&shared->turn, 1, __ATOMIC_RELEASE);
}

const struct operation process_operations[] = {
	{ "fork", 4, "block", run_fork },
	{ "wait", 3, "", run_wait },
	{ "vfork", 2, "fd block", run_vfork },
	{ "spawn", 2, "block", run_spawn },
	{ "spawn-script", 1, "one:old|new", run_old_spawn },
	{ "exec", 0, "block", run_exec },
	{ "end", 1, "one:exit|_exit|abort|kill|term", run_end },
	{ "system", 1, "", run_system },
	{ "turn", 0, "int:0-9", run_turn },
	{ "next", 0, "", run_next },
	{ NULL, 0, NULL, NULL },
};
