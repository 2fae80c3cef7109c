// SPDX-License-Identifier: Apache-2.0
/* timed - runs a command with its output thrown away, and prints "ms MS kib KIB status N": its most memory
 *
 * A process of its own does this because a program's count starts with the memory of who started it
 * (setmax_mm_hiwater_rss(), fs/exec.c), and this one has little. */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stopwatch.h"

int main(int argc, char **argv)
{
	struct rusage use;
	int status;

	if (argc < 2)
		errx(2, "usage: timed COMMAND [ARGUMENT...]");
	double start = now_ns();
	pid_t pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		dup2(null, STDOUT_FILENO);
		execvp(argv[1], argv + 1);
		err(127, "%s", argv[1]);
	}
	if (pid < 0 || wait4(pid, &status, 0, &use) < 0)
		err(1, "%s", argv[1]);
	printf("ms %.3f kib %ld status %d\n", (now_ns() - start) / 1e6, use.ru_maxrss,
	       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 0;
}
