// SPDX-License-Identifier: Apache-2.0
/* wipe_on_fork - a MADV_WIPEONFORK page is zero in a fork() child and still there in a vfork() child
 *
 * So one read tells a forked child, which must start anew, from a vfork() child, which shares the parent's
 * memory and must change nothing (madvise(2)).
 */
#include "probe.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif
#define MARK 42

static int status_of(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		give_up("child");
	return WEXITSTATUS(status);
}

int main(void)
{
	volatile unsigned char *page =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	if (page == MAP_FAILED)
		give_up("mmap");
	if (madvise((void *)page, 4096, MADV_WIPEONFORK))
		skip("no MADV_WIPEONFORK before Linux 4.14: %s", strerror(errno));
	*page = MARK;

	pid = fork();
	if (!pid)
		_exit(*page);
	expect_count("fork() child reads", (unsigned)status_of(pid), 0);
	pid = vfork();
	if (!pid)
		_exit(*page);
	expect_count("vfork() child reads", (unsigned)status_of(pid), MARK);
	expect_count("parent reads", *page, MARK);
	return verdict();
}
