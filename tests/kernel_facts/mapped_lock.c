// SPDX-License-Identifier: Apache-2.0
/* mapped_lock - a lock on an open file lasts as long as the file is mapped, even after close() and past a
 * kill
 *
 * So who reads a usage segment learns whether its writer lives, across pid namespaces and whatever became of
 * the pid (fcntl(2), open file description locks; locks_remove_file(), fs/locks.c, runs when the last user of
 * the open file is gone, and a mapping is one).
 */
#include "probe.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int file;

static bool locked(void)
{
	struct flock query = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	if (fcntl(file, F_OFD_GETLK, &query))
		give_up("F_OFD_GETLK");
	return query.l_type != F_UNLCK;
}

/* Opens the file anew, as the writer of a segment does: maps it, locks it, closes it. */
static void *map_locked(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *at = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED || fcntl(fd, F_OFD_SETLK, &lock))
		give_up("map and lock");
	close(fd);
	return at;
}

int main(void)
{
	int ready[2];
	char byte;

	file = memfd_create("mapped_lock", MFD_CLOEXEC);
	if (file < 0 || ftruncate(file, 4096) || pipe(ready))
		give_up("a file");
	expect_count("locked at first", locked(), 0);
	void *at = map_locked();
	expect_count("locked after close(), while mapped", locked(), 1);
	pid_t child = fork();
	if (!child) {
		munmap(at, 4096);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	expect_count("locked after a forked child unmapped it", locked(), 1);
	munmap(at, 4096);
	expect_count("locked after munmap()", locked(), 0);
	child = fork();
	if (!child) {
		map_locked();
		if (write(ready[1], ".", 1) == 1)
			pause();
		_exit(1);
	}
	if (read(ready[0], &byte, 1) != 1)
		give_up("child");
	expect_count("locked by another process", locked(), 1);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	expect_count("locked after that was killed", locked(), 0);
	return verdict();
}
