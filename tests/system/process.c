// SPDX-License-Identifier: Apache-2.0
/* process - a client that forks, execs, is interrupted, closes and sandboxes itself in every way
 *
 * process CASE [ARGUMENT...]: says what its calls return, then "held", and ends at SIGTERM. What it says has
 * no number in it that differs from run to run, so test_process.py can compare runs.
 */
#include "process.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

long patience(void)
{
	const char *said = getenv("PROCESS_PATIENCE");

	return said && atol(said) > 0 ? atol(said) : 1;
}

void say(const char *format, ...)
{
	const char *path = getenv("PROCESS_OUT");
	char line[256];
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	line[length++] = '\n';
	int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : 1;
	ssize_t ignored = write(fd, line, (size_t)length);
	(void)ignored;
	if (path)
		close(fd);
}

int try_connect(int fd, unsigned port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(fd, (const struct sockaddr *)&to, sizeof(to)) ? errno : 0;
}

int opened(unsigned port)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int error = fd < 0 ? errno : try_connect(fd, port);

	if (!error)
		return fd;
	say("port %u: %s", port, strerrorname_np(error));
	if (fd >= 0)
		close(fd);
	return -1;
}

void open_some(int *fds, int count, unsigned port)
{
	for (int i = 0; i < count; i++)
		fds[i] = opened(port);
}

void silent_server(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(SILENT_PORT) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	/* With a backlog of 0 the kernel queues one connection, then drops SYNs (sk_acceptq_is_full()). */
	if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) || listen(fd, 0) || opened(SILENT_PORT) < 0)
		err(1, "silent server");
}

void reset_on_close(int fd)
{
	struct linger linger = { .l_onoff = 1 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

void close_numbers(int first)
{
	for (int fd = first; fd <= LAST_FD; fd++)
		close(fd);
}

void say_child(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	say("child: exited %d, status %d, signal %d", WIFEXITED(status), WEXITSTATUS(status),
	    WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static bool run(const struct process_case *cases, char **arguments)
{
	for (; cases->name; cases++) {
		if (!strcmp(cases->name, arguments[1])) {
			cases->run(arguments + 2);
			return true;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	sigset_t end;
	int number;

	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigprocmask(SIG_BLOCK, &end, NULL);
	if (argc < 2 || (!run(fork_cases, argv) && !run(signal_cases, argv) && !run(file_cases, argv) &&
			 !run(sandbox_cases, argv) && !run(number_cases, argv)))
		return 2;
	say("held");
	sigwait(&end, &number);
	return 0;
}
