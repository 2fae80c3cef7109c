// SPDX-License-Identifier: Apache-2.0
/* process_signal - threads that race, and threads that are interrupted or end inside a call */
#include "process.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* No more connections than the server's backlog takes in while it gets no processor: where that overflows, a
 * connection that its client has closed may be reset (tcp_timewait_state_process(),
 * net/ipv4/tcp_minisocks.c). */
enum { THREADS = 32, SLOTS = 64, RACES_MAX = 50000 };

static atomic_int slots[SLOTS];
static atomic_bool stop;
static atomic_uint races;
static bool wild;

/* One opens, another closes. Normally each number is closed once; "wild" threads close what they once read,
 * so a number may by then be somebody else's, even one that is just being connected. */
static void *race(void *argument)
{
	unsigned seed = (unsigned)(uintptr_t)argument;

	while (!atomic_load(&stop) && atomic_fetch_add(&races, 1) < RACES_MAX) {
		atomic_int *slot = &slots[rand_r(&seed) % SLOTS];
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0)
			continue;
		if (wild)
			atomic_store(slot, fd);
		if (rand_r(&seed) % 8)
			reset_on_close(fd);
		try_connect(fd, MAIN_PORT);
		int old = wild ? atomic_load(&slots[rand_r(&seed) % SLOTS]) : atomic_exchange(slot, fd);
		if (old)
			close(old);
	}
	return NULL;
}

static void racing(char **arguments)
{
	pthread_t threads[THREADS];
	int fds[5];

	wild = !strcmp(arguments[0], "wild");
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, race, (void *)(i + 1));
	sleep((unsigned)atoi(arguments[1]));
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	if (wild)
		closefrom(3);
	/* A shim that gave up, or that mixed up its records, does not count these. */
	open_some(fds, 5, CHILD_PORT);
}

static pthread_t main_thread;
static volatile sig_atomic_t to_close, closed_by_handler, handled;

static void close_one(int number)
{
	int saved = errno, fd = to_close;

	(void)number;
	handled++;
	to_close = 0;
	if (fd && close(fd) == 0)
		closed_by_handler++;
	errno = saved;
}

static void *interrupt_main(void *ignored)
{
	/* Where handling one takes longer than this the thread gets to nothing else. */
	struct timespec pause = { .tv_nsec = 20000 * patience() };

	while (!atomic_load(&stop)) {
		pthread_kill(main_thread, SIGUSR1);
		nanosleep(&pause, NULL);
	}
	return ignored;
}

/* The handler closes connections while its thread is inside socket(), connect() or close(). */
static void closing_in_handler(char **arguments)
{
	struct sigaction action = { .sa_handler = close_one, .sa_flags = SA_RESTART };
	int fds[5], failed = 0, last = 0;
	pthread_t thread;

	(void)arguments;
	main_thread = pthread_self();
	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&thread, NULL, interrupt_main, NULL);
	for (int i = 0; i < 20000 / patience() || !closed_by_handler; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		reset_on_close(fd);
		failed += try_connect(fd, MAIN_PORT) != 0;
		int left = to_close;
		to_close = 0;
		if (left)
			close(left);
		to_close = fd;
		last = fd > last ? fd : last;
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	say("failed %d, handler closed any: %d", failed, closed_by_handler > 0);
	closefrom(3);
	/* A close that no hook could enter is noticed when its number comes back. */
	for (int i = 0; i <= last; i++)
		socket(AF_INET, SOCK_STREAM, 0);
	closefrom(3);
	open_some(fds, 5, CHILD_PORT);
}

static sigjmp_buf back;

static void jump_back(int number)
{
	(void)number;
	siglongjmp(back, 1);
}

static void alarm_in(long us)
{
	struct itimerval timer = { .it_value = { .tv_usec = us } };
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* TCP_INFO begins with the state. */
static bool is_connecting(int fd)
{
	unsigned char state = 0;
	socklen_t size = sizeof(state);

	return !syscall(SYS_getsockopt, fd, 6 /* SOL_TCP */, 11 /* TCP_INFO */, &state, &size) &&
	       state == 2 /* TCP_SYN_SENT */;
}

static volatile sig_atomic_t waits;

/* The signal is for a thread that waits in the kernel. On a busy machine it is not there yet. */
static bool too_early(void)
{
	int saved = errno;
	bool early = !is_connecting(waits);

	if (early)
		alarm_in(1000);
	errno = saved;
	return early;
}

static void jump_out(int number)
{
	if (!too_early())
		jump_back(number);
}

static void on_signal(int number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };
	sigaction(number, &action, NULL);
}

/* Out of a connect() that waits: the program's usual way to a time limit before there was poll(). */
static void jumping(char **arguments)
{
	int fds[5];

	(void)arguments;
	silent_server();
	on_signal(SIGALRM, jump_out);
	for (volatile int i = 0; i < 5; i++) {
		volatile int fd = socket(AF_INET, SOCK_STREAM, 0);
		waits = fd;
		if (sigsetjmp(back, 1)) {
			say("jumped, close %d", close(fd));
			continue;
		}
		alarm_in(20000);
		say("connect %d", try_connect(fd, SILENT_PORT));
	}
	open_some(fds, 5, CHILD_PORT);
}

/* At any moment, so also while something is decided under a lock. The program must go on. */
static void jumping_anywhere(char **arguments)
{
	volatile int fd = -1;
	volatile unsigned seed = 1;

	(void)arguments;
	on_signal(SIGALRM, jump_back);
	for (volatile int i = 0; i < 2000; i++) {
		if (!sigsetjmp(back, 1)) {
			seed = seed * 1103515245u + 12345u;
			alarm_in(1 + (long)(seed >> 16) % (60 * patience()));
			fd = socket(AF_INET, SOCK_STREAM, 0);
			reset_on_close(fd);
			try_connect(fd, MAIN_PORT);
		}
		alarm_in(0);
		closefrom(3);
	}
	say("the last: fd %d", opened(CHILD_PORT));
}

static atomic_int waiting_fd;

static void *wait_in_connect(void *ignored)
{
	atomic_store(&waiting_fd, socket(AF_INET, SOCK_STREAM, 0));
	int error = try_connect(atomic_load(&waiting_fd), SILENT_PORT);
	say("connect: %s", error ? strerrorname_np(error) : "0");
	return ignored;
}

/* When the kernel says so: no time is guessed. */
static void until_connecting(void)
{
	while (!is_connecting(atomic_load(&waiting_fd)))
		usleep(1000);
}

static void cancelling(char **arguments)
{
	void *result = NULL;
	int fds[5];

	(void)arguments;
	silent_server();
	for (int i = 0; i < 5; i++) {
		pthread_t thread;
		atomic_store(&waiting_fd, 0);
		pthread_create(&thread, NULL, wait_in_connect, NULL);
		until_connecting();
		pthread_cancel(thread);
		pthread_join(thread, &result);
		say("cancelled %d, close %d", result == PTHREAD_CANCELED, close(atomic_load(&waiting_fd)));
	}
	open_some(fds, 5, CHILD_PORT);
}

static volatile sig_atomic_t forked;

static void fork_now(int number)
{
	(void)number;
	if (!too_early())
		forked = fork();
}

/* The child comes back into the connect() of its parent. */
static void forking_in_handler(char **arguments)
{
	int fds[5], fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)arguments;
	silent_server();
	waits = fd;
	on_signal(SIGALRM, fork_now);
	alarm_in(20000);
	int error = try_connect(fd, SILENT_PORT);
	if (!forked) {
		say("child: %s", error ? strerrorname_np(error) : "0");
		closefrom(3);
		open_some(fds, 2, CHILD_PORT);
		exit(0);
	}
	say_child(forked);
	say("parent: %s, close %d", error ? strerrorname_np(error) : "0", close(fd));
	open_some(fds, 5, CHILD_PORT);
}

static void *connect_on(void *ignored)
{
	while (!atomic_load(&stop)) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		reset_on_close(fd);
		try_connect(fd, MAIN_PORT);
		close(fd);
	}
	return ignored;
}

/* A tracer makes the fork() take longer than a thread waits for a lock. */
static void forking_slowly(char **arguments)
{
	pthread_t thread;
	sigset_t begin;
	int fds[5], number;

	(void)arguments;
	sigemptyset(&begin);
	sigaddset(&begin, SIGUSR1);
	sigprocmask(SIG_BLOCK, &begin, NULL);
	pthread_create(&thread, NULL, connect_on, NULL);
	say("ready");
	sigwait(&begin, &number);
	pid_t pid = fork();
	if (!pid)
		_exit(0);
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	say_child(pid);
	open_some(fds, 5, CHILD_PORT);
}

const struct process_case signal_cases[] = {
	{ "race", racing },
	{ "close-in-handler", closing_in_handler },
	{ "jump", jumping },
	{ "jump-anywhere", jumping_anywhere },
	{ "cancel", cancelling },
	{ "fork-in-handler", forking_in_handler },
	{ "fork-slowly", forking_slowly },
	{ NULL, NULL },
};
