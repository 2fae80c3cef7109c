// SPDX-License-Identifier: Apache-2.0
/* early - a library whose constructor runs before the shim's, and its destructor after: both make socket
 * calls */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *text, long value)
{
	dprintf(1, "early: %s %ld\n", text, value);
}

static int opened(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(5001) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	say("setsockopt", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
	say("connect", connect(fd, (struct sockaddr *)&to, sizeof(to)));
	return fd;
}

static void close_in_every_way(int fd)
{
	int other = dup(fd);

	say("dup2", dup2(fd, 40));
	say("dup3", dup3(fd, 41, O_CLOEXEC));
	say("fcntl", fcntl(fd, F_DUPFD_CLOEXEC, 42));
	say("close", close(40));
	say("syscall", syscall(SYS_close, 41));
	say("close_range", close_range(42, 42, 0));
	say("fclose", fclose(fdopen(other, "r")));
	say("no such fd", close(40));
	say("errno", errno);
	closefrom(40);
}

static void have_children(void)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid)
		_exit(3);
	waitpid(pid, &status, 0);
	say("fork", WEXITSTATUS(status));
	pid = vfork();
	if (!pid)
		_exit(4);
	waitpid(pid, &status, 0);
	say("vfork", WEXITSTATUS(status));
	say("system", system("exit 5"));
}

__attribute__((constructor)) static void begin(void)
{
	struct sockaddr_in name = { 0 };
	socklen_t size = sizeof(name);

	if (!getenv("EARLY"))
		return;
	unsetenv("EARLY");
	int fd = opened(), bound = socket(AF_INET, SOCK_STREAM, 0);
	close_in_every_way(fd);
	name.sin_family = AF_INET;
	say("bind", bind(bound, (struct sockaddr *)&name, sizeof(name)));
	say("getsockname", getsockname(bound, (struct sockaddr *)&name, &size));
	say("a port", name.sin_port != 0);
	say("listen", listen(bound, 1));
	say("shutdown", shutdown(bound, SHUT_RDWR));
	have_children();
	setenv("EARLY_DONE", "1", 1);
}

__attribute__((destructor)) static void end(void)
{
	if (getenv("EARLY_DONE"))
		say("close at the end", close(opened()));
}
