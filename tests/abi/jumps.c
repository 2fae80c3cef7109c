// SPDX-License-Identifier: Apache-2.0
/* jumps - a thread leaves a connect() that waits by siglongjmp(), again and again, and then ends: by itself,
 * by pthread_exit() from further down its stack, or cancelled in one more connect(). */
#include <err.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in full = { .sin_family = AF_INET };
static sigjmp_buf way_out;
static volatile int rounds;

static void jump(int signal)
{
	(void)signal;
	siglongjmp(way_out, 1);
}

static int waits(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int rc = connect(fd, (const struct sockaddr *)&full, sizeof(full));
	err(1, "connect() to a full backlog is %d", rc);
}

/* Where the frames of the connect() were. */
static void overwrite(int byte)
{
	volatile char stack[16384];
	for (size_t i = 0; i < sizeof(stack); i++)
		stack[i] = (char)byte;
}

static void exit_below(int depth)
{
	volatile char room[512];
	room[0] = (char)depth;
	if (depth)
		exit_below(depth - 1);
	pthread_exit((void *)(long)room[0]);
}

static void *work(void *how)
{
	volatile int left = 3;
	sigset_t usr1;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	while (left-- > 0) {
		if (!sigsetjmp(way_out, 1)) {
			rounds++;
			waits();
		}
		if (left)
			overwrite(left);
	}
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	rounds = 0;
	switch (*(const char *)how) {
	case 'r':
		overwrite(0xff);
		return how;
	case 'e':
		exit_below(64);
		return NULL;
	default:
		rounds = 9;
		waits();
		return NULL;
	}
}

/* Until @seen says so: the thread may not have come to its connect() yet, and is sent one more then. */
static void run(const char *how)
{
	pthread_t thread;
	void *result;

	pthread_create(&thread, NULL, work, (void *)how);
	while (!rounds)
		usleep(1000);
	while (rounds && rounds != 9) {
		usleep(20000);
		pthread_kill(thread, SIGUSR1);
	}
	if (*how == 'c') {
		usleep(50000);
		pthread_cancel(thread);
	}
	pthread_join(thread, &result);
	printf("%s: %s\n", how, result == PTHREAD_CANCELED ? "cancelled" : "ended");
	rounds = 0;
}

int main(void)
{
	socklen_t size = sizeof(full);
	int server = socket(AF_INET, SOCK_STREAM, 0);

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGUSR1, jump);
	full.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(server, (const struct sockaddr *)&full, size) || listen(server, 0) ||
	    getsockname(server, (struct sockaddr *)&full, &size))
		err(1, "listen");
	/* A backlog of 0 has room for one. */
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (const struct sockaddr *)&full, size))
		err(1, "connect");
	run("returns");
	run("exits");
	run("cancelled");
	run("returns");
	return 0;
}
