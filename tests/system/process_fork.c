// SPDX-License-Identifier: Apache-2.0
/* process_fork - children made in every way, and exec: what they close must stay open in the parent */
#include "process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char self[] = "/proc/self/exe";

/* A child of its own memory: closes what it inherited, and opens two of its own. */
static void live_as_child(void)
{
	int fds[2];

	close_numbers(3);
	open_some(fds, 2, CHILD_PORT);
}

static void forking(char **arguments)
{
	int fds[5];

	(void)arguments;
	open_some(fds, 5, MAIN_PORT);
	pid_t pid = fork();
	if (!pid) {
		live_as_child();
		exit(0);
	}
	say_child(pid);
}

static void forking_without_libc(char **arguments)
{
	int fds[5];

	(void)arguments;
	open_some(fds, 5, MAIN_PORT);
	long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!pid) {
		live_as_child();
		_exit(0);
	}
	say_child((pid_t)pid);
}

/* _Fork() of libc runs no handlers of pthread_atfork(). */
static void forking_without_handlers(char **arguments)
{
	int fds[5];

	(void)arguments;
	open_some(fds, 5, MAIN_PORT);
	pid_t pid = _Fork();
	if (!pid) {
		live_as_child();
		_exit(0);
	}
	say_child(pid);
}

/* Children of a process that never connects, each with threads that begin to at the same moment. */
enum { STARTERS = 4, CHILDREN = 60 };
static atomic_int not_ready;

static void *connect_with_others(void *unused)
{
	(void)unused;
	atomic_fetch_sub(&not_ready, 1);
	while (atomic_load(&not_ready))
		;
	int fd = opened(MAIN_PORT);
	reset_on_close(fd);
	close(fd);
	return NULL;
}

static void start_together(void)
{
	pthread_t threads[STARTERS];

	atomic_store(&not_ready, STARTERS);
	for (int i = 0; i < STARTERS; i++)
		pthread_create(&threads[i], NULL, connect_with_others, NULL);
	for (int i = 0; i < STARTERS; i++)
		pthread_join(threads[i], NULL);
}

static void forking_first(char **arguments)
{
	int status, bad = 0;

	for (int i = 0; i < CHILDREN; i++) {
		pid_t pid = strcmp(arguments[0], "libc") ? _Fork() : fork();
		if (!pid) {
			start_together();
			_exit(0);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			bad++;
	}
	say("%d children ended badly", bad);
}

static void vforking(char **arguments)
{
	int fds[5];

	(void)arguments;
	open_some(fds, 5, MAIN_PORT);
	pid_t pid = vfork();
	if (!pid) {
		close_numbers(3);
		_exit(7);
	}
	say_child(pid);
	close(fds[0]);
}

static int close_everything(void *ignored)
{
	(void)ignored;
	close_numbers(3);
	return 7;
}

static void cloning(char **arguments)
{
	static char stack[65536] __attribute__((aligned(16)));
	int fds[5], flags = CLONE_VM | SIGCHLD | (!strcmp(arguments[0], "vfork") ? CLONE_VFORK : 0);

	open_some(fds, 5, MAIN_PORT);
	say_child(clone(close_everything, stack + sizeof(stack), flags, NULL));
	close(fds[0]);
}

static int bound(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	say("bind %d", bind(fd, (const struct sockaddr *)&at, sizeof(at)));
	return fd;
}

/* The new program, with what it inherited: argument 1 is the number of a socket bound to port 0. */
static void as_new_program(char **arguments)
{
	struct sockaddr_in at = { 0 };
	socklen_t size = sizeof(at);

	syscall(SYS_getsockname, atoi(arguments[0]), &at, &size);
	say("new program: %s port by the kernel", at.sin_port ? "a" : "no");
	live_as_child();
	exit(0);
}

static void spawning(char **arguments)
{
	char number[16], *child[] = { "process", "new-program", number, NULL };
	char *nothing[] = { NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int fds[5];

	(void)arguments;
	open_some(fds, 5, MAIN_PORT);
	snprintf(number, sizeof(number), "%d", bound());
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addclose(&actions, fds[0]);
	posix_spawn_file_actions_adddup2(&actions, fds[1], fds[2]);
	int result = posix_spawn(&pid, self, &actions, NULL, child, environ);
	say_child(pid);
	say("posix_spawn %d", result);
	result = posix_spawn(&pid, self, &actions, NULL, child, nothing);
	say_child(pid);
	say("posix_spawn, empty environment %d", result);
	close(fds[0]);
}

static void after_exec(char **arguments)
{
	int fds[2];

	say("close of an inherited one: %d", close(atoi(arguments[0])));
	open_some(fds, 2, CHILD_PORT);
}

/* "with": the new program is preloaded too; "without": its environment lacks LD_PRELOAD. */
static void executing(char **arguments)
{
	char number[16], *next[] = { "process", "after-exec", number, NULL };
	int fds[3];

	open_some(fds, 3, MAIN_PORT);
	snprintf(number, sizeof(number), "%d", fds[0]);
	if (!strcmp(arguments[0], "without"))
		unsetenv("LD_PRELOAD");
	execv(self, next);
}

/* exit() runs this, and our library's end comes after it. */
static void connect_at_exit(void)
{
	say("at exit: fd %d", opened(CHILD_PORT));
}

static void exiting(char **arguments)
{
	(void)arguments;
	atexit(connect_at_exit);
	opened(MAIN_PORT);
}

static void plainly(char **arguments)
{
	int fds[10];

	(void)arguments;
	open_some(fds, 10, MAIN_PORT);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	pid_t pid = fork();
	if (!pid) {
		live_as_child();
		exit(0);
	}
	say_child(pid);
	say("system %d", system("exit 3"));
}

const struct process_case fork_cases[] = {
	{ "plain", plainly },
	{ "fork", forking },
	{ "fork-raw", forking_without_libc },
	{ "fork-no-handlers", forking_without_handlers },
	{ "fork-first", forking_first },
	{ "vfork", vforking },
	{ "clone", cloning },
	{ "spawn", spawning },
	{ "new-program", as_new_program },
	{ "exec", executing },
	{ "after-exec", after_exec },
	{ "atexit", exiting },
	{ NULL, NULL },
};
