// SPDX-License-Identifier: Apache-2.0
/* map_nothing - mmap() of no bytes says whether an fd is open, and does nothing else
 *
 * The file is looked for (ksys_mmap_pgoff(), mm/mmap.c) before a length of 0 is refused (do_mmap()).
 */
#include "probe.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static int refusal_of(int fd)
{
	return mmap(NULL, 0, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? errno : 0;
}

static void for_open(const char *what, int fd)
{
	if (fd < 0)
		give_up(what);
	note("%s", what);
	expect("refused, but not as closed", refusal_of(fd) && refusal_of(fd) != EBADF);
	close(fd);
	expect_error("closed", refusal_of(fd), EBADF);
}

int main(void)
{
	int pipes[2];

	if (pipe(pipes))
		give_up("pipe");
	for_open("a file", open("/proc/self/exe", O_RDONLY));
	for_open("a folder", open("/", O_RDONLY | O_DIRECTORY));
	for_open("a device", open("/dev/null", O_WRONLY));
	for_open("a pipe", pipes[0]);
	for_open("a socket", socket(AF_INET, SOCK_STREAM, 0));
	for_open("an eventfd", eventfd(0, 0));
	return verdict();
}
