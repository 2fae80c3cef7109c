// SPDX-License-Identifier: Apache-2.0
/* found - what a program finds by dlsym() because the shim has it works, although its libc may not have it.
 */
#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void *find(const char *name)
{
	void *found = dlsym(RTLD_DEFAULT, name);
	if (!found)
		errx(1, "%s is not there", name);
	return found;
}

static int is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

int main(int count, char **ignored)
{
	void (*close_from)(int) = (void (*)(int))find("closefrom");
	int (*range)(unsigned, unsigned, int) = (int (*)(unsigned, unsigned, int))find("close_range");
	int (*memory)(const char *, unsigned) = (int (*)(const char *, unsigned))find("memfd_create");
	int (*large)(const char *, int, ...) = (int (*)(const char *, int, ...))find("open64");
	int (*start)(int, const char *, char *const[], char *const[], int) =
		(int (*)(int, const char *, char *const[], char *const[], int))find("execveat");
	pid_t (*fork_alone)(void) = (pid_t(*)(void))find("_Fork");
	int fd = memory("file", 0), status = 0;
	char *arguments[] = { (char[]){ "true" }, NULL };

	printf("memfd_create %d\n", is_open(fd));
	status = range((unsigned)fd, (unsigned)fd, 0);
	printf("close_range %d %d\n", status, is_open(fd));
	fd = large("/dev/null", O_RDONLY);
	printf("open64 %d\n", is_open(fd));
	close_from(fd);
	printf("closefrom %d\n", is_open(fd));
	fflush(stdout);
	(void)ignored;
	pid_t pid = fork_alone();
	if (!pid && count > 1)
		_exit(0);
	if (!pid) {
		start(AT_FDCWD, "/bin/true", arguments, arguments + 1, 0);
		_exit(errno);
	}
	waitpid(pid, &status, 0);
	printf("_Fork and execveat %d\n", status);
	return 0;
}
