// SPDX-License-Identifier: Apache-2.0
/* others - what a preloaded library adds to calls on fds that are none of its business
 *
 * Run under it. Calls close(), read() and write() of /dev/null, and recv() of a connected pair of Unix
 * sockets with nothing to read, hooked and straight from libc, in turn by batches of 500; the least of each
 * counts, as everything that disturbs adds. others [ROUNDS [TRACKED]] (400, 0): TRACKED unconnected TCP
 * sockets are open meanwhile. Prints "CALL_plain NS CALL_hooked NS" for each. */
#include <dlfcn.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stopwatch.h"

enum { BATCH = 500, CALLS = 4 };

struct calls {
	int (*close)(int);
	ssize_t (*read)(int, void *, size_t);
	ssize_t (*write)(int, const void *, size_t);
	ssize_t (*recv)(int, void *, size_t, int);
};

static const char *const names[CALLS] = { "close", "read", "write", "recv" };
static int null, quiet[2];

static void load(struct calls *calls, void *library)
{
	void *found[CALLS];

	for (int i = 0; i < CALLS; i++)
		if (!(found[i] = dlsym(library, names[i])))
			errx(1, "%s: %s", names[i], dlerror());
	memcpy(calls, found, sizeof(*calls));
}

/* Return: nanoseconds of one such call. */
static double batch(const struct calls *c, int which)
{
	int fds[BATCH];
	char byte = 0;

	for (int i = 0; which == 0 && i < BATCH; i++)
		fds[i] = dup(null);
	double start = now_ns();
	for (int i = 0; i < BATCH; i++) {
		if (which == 0)
			c->close(fds[i]);
		else if (which == 1)
			c->read(null, &byte, 1);
		else if (which == 2)
			c->write(null, &byte, 1);
		else
			c->recv(quiet[0], &byte, 1, MSG_DONTWAIT);
	}
	return (now_ns() - start) / BATCH;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 400;
	struct calls calls[2]; /* libc's and those found first */
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (int tracked = argc > 2 ? atoi(argv[2]) : 0; tracked > 0; tracked--)
		if (socket(AF_INET, SOCK_STREAM, 0) < 0)
			err(1, "socket");
	load(&calls[0], dlopen("libc.so.6", RTLD_NOW));
	load(&calls[1], RTLD_DEFAULT);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, quiet))
		err(1, "fds");
	for (int which = 0; which < CALLS; which++) {
		double least[2] = { 1e9, 1e9 };
		for (int i = 0; i < rounds; i++) {
			int first = rand() >> 7 & 1;
			for (int k = 0; k < 2; k++) {
				double each = batch(&calls[first ^ k], which);
				least[first ^ k] = each < least[first ^ k] ? each : least[first ^ k];
			}
		}
		printf("%s_plain %.1f %s_hooked %.1f\n", names[which], least[0], names[which], least[1]);
	}
	return 0;
}
