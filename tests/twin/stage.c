/* SPDX-License-Identifier: Apache-2.0 */
/* stage - starts actors, each with the standard streams, limits and environment that the runner names, and
 * tells how they end.
 *
 * It runs without the shim, stays for the whole of a world, and makes runs cheap: a fork of a small process.
 * Commands on standard input, one to a line: env NAME=VALUE, arg WORD, folder PATH, limit-ms N, nofile N
 *   stdio IN OUT ERR        null, file, pipe, socket, pty (a terminal with tostop, the actor in its
 * background), closed go                      answered by "status KIND NUMBER", "out N" and N bytes, "err N"
 * and N bytes, "done"
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { WORDS_MAX = 32, OUTPUT_MAX = 65536, AFTER_MS = 1500 };

static char *environment[WORDS_MAX + 1], *arguments[WORDS_MAX + 1];
static int environment_count, argument_count;
static char stdio[3][16];
static char folder[256];
static long limit_ms, nofile;

/* A standard stream: the actor's end, and ours to read what was written to it. */
struct stream {
	int theirs, ours;
};

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "stage: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct stream stream_open(const char *kind, int number)
{
	struct stream stream = { -1, -1 };
	int fds[2];
	if (!strcmp(kind, "null")) {
		stream.theirs = open("/dev/null", O_RDWR | O_CLOEXEC);
	} else if (!strcmp(kind, "file")) {
		stream.theirs = (int)syscall(SYS_memfd_create, "stream", 1u /* MFD_CLOEXEC */);
		stream.ours = stream.theirs;
	} else if (!strcmp(kind, "pipe")) {
		if (pipe2(fds, O_CLOEXEC))
			fail("pipe");
		stream = number ? (struct stream){ fds[1], fds[0] } : (struct stream){ fds[0], fds[1] };
	} else if (!strcmp(kind, "socket")) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
			fail("socketpair");
		stream = (struct stream){ fds[1], fds[0] };
	} else if (!strcmp(kind, "pty")) {
		stream.ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (stream.ours < 0 || grantpt(stream.ours) || unlockpt(stream.ours))
			fail("pty");
		stream.theirs = open(ptsname(stream.ours), O_RDWR | O_NOCTTY | O_CLOEXEC);
	}
	return stream;
}

static void stream_tell(const char *name, const struct stream *stream)
{
	static char bytes[OUTPUT_MAX];
	ssize_t got = 0, more;
	if (stream->ours >= 0 && stream->ours == stream->theirs) {
		got = pread(stream->ours, bytes, sizeof bytes, 0);
	} else if (stream->ours >= 0) {
		fcntl(stream->ours, F_SETFL, O_NONBLOCK);
		while ((size_t)got < sizeof bytes &&
		       (more = read(stream->ours, bytes + got, sizeof bytes - (size_t)got)) > 0)
			got += more;
	}
	printf("%s %zd\n", name, got < 0 ? 0 : got);
	fwrite(bytes, 1, got < 0 ? 0 : (size_t)got, stdout);
	if (stream->ours >= 0)
		close(stream->ours);
}

static _Noreturn void become_actor(const struct stream streams[3])
{
	struct rlimit limit = { (rlim_t)nofile, (rlim_t)nofile };
	struct rlimit no_core = { 0, 0 };
	for (int i = 0; i < 3; i++) {
		if (streams[i].theirs >= 0)
			dup2(streams[i].theirs, i);
		else
			close(i);
	}
	setrlimit(RLIMIT_CORE, &no_core);
	if (nofile)
		setrlimit(RLIMIT_NOFILE, &limit);
	if (chdir(folder))
		_exit(125);
	execve(arguments[0], arguments, environment);
	_exit(125);
}

/* The leader of a session whose terminal stops who writes in the background. tell: gets the actor's pid,
 * which is its process group too, and then its status. */
static _Noreturn void lead(const struct stream streams[3], int tell)
{
	struct termios settings;
	int status = 0;
	if (setsid() < 0 || ioctl(streams[2].theirs, TIOCSCTTY, 0))
		fail("terminal");
	tcgetattr(streams[2].theirs, &settings);
	settings.c_lflag |= TOSTOP;
	settings.c_oflag &= ~(tcflag_t)OPOST;
	tcsetattr(streams[2].theirs, TCSANOW, &settings);
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		become_actor(streams);
	}
	setpgid(pid, pid);
	if (write(tell, &pid, sizeof pid) != sizeof pid)
		_exit(1);
	waitpid(pid, &status, WUNTRACED);
	kill(-pid, SIGKILL);
	if (WIFSTOPPED(status))
		waitpid(pid, NULL, 0);
	if (write(tell, &status, sizeof status) != sizeof status)
		_exit(1);
	_exit(0);
}

static long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void tell_status(int status, bool late)
{
	if (late)
		printf("status hung 0\n");
	else if (WIFEXITED(status))
		printf("status exit %d\n", WEXITSTATUS(status));
	else if (WIFSTOPPED(status))
		printf("status stopped %d\n", WSTOPSIG(status));
	else
		printf("status signal %d\n", WTERMSIG(status));
}

/* What the actor left running ends by itself, or is ended: we are its subreaper. */
static void reap(pid_t group)
{
	const struct timespec moment = { 0, 500000 };
	for (long end = now_ms() + AFTER_MS;;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);
		if (pid < 0)
			return;
		if (pid > 0)
			continue;
		if (now_ms() > end)
			kill(-group, SIGKILL);
		nanosleep(&moment, NULL);
	}
}

static void forget(void)
{
	while (environment_count)
		free(environment[--environment_count]);
	while (argument_count)
		free(arguments[--argument_count]);
	memset(environment, 0, sizeof environment);
	memset(arguments, 0, sizeof arguments);
	nofile = 0;
}

static void go(void)
{
	struct stream streams[3];
	int told[2], status = 0;
	bool terminal = !strcmp(stdio[2], "pty");
	for (int i = 0; i < 3; i++)
		streams[i] = stream_open(stdio[i], i);
	if (pipe2(told, O_CLOEXEC))
		fail("pipe");
	pid_t pid = fork();
	if (pid == 0) {
		if (terminal)
			lead(streams, told[1]);
		setpgid(0, 0);
		become_actor(streams);
	}
	pid_t group = pid;
	/* Who leads a process group cannot make a session (setsid(2)). */
	if (!terminal)
		setpgid(pid, pid);
	else if (read(told[0], &group, sizeof group) != sizeof group)
		fail("leader");
	int watched = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd ended = { watched, POLLIN, 0 };
	bool late = poll(&ended, 1, (int)limit_ms) != 1;
	if (late)
		kill(-group, SIGKILL);
	waitpid(pid, &status, 0);
	if (terminal && !late && read(told[0], &status, sizeof status) != sizeof status)
		fail("leader");
	close(watched);
	close(told[0]);
	close(told[1]);
	for (int i = 0; i < 3; i++)
		if (streams[i].theirs >= 0 && streams[i].theirs != streams[i].ours)
			close(streams[i].theirs);
	reap(group);
	tell_status(status, late);
	stream_tell("out", &streams[1]);
	stream_tell("err", &streams[2]);
	if (streams[0].ours >= 0)
		close(streams[0].ours);
	puts("done");
	fflush(stdout);
	forget();
}

int main(void)
{
	static char line[8192];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = '\0';
		char *value = strchr(line, ' ');
		value = value ? value + 1 : line;
		if (!strncmp(line, "env ", 4) && environment_count < WORDS_MAX)
			environment[environment_count++] = strdup(value);
		else if (!strncmp(line, "arg ", 4) && argument_count < WORDS_MAX)
			arguments[argument_count++] = strdup(value);
		else if (!strncmp(line, "folder ", 7))
			snprintf(folder, sizeof folder, "%.250s", value);
		else if (!strncmp(line, "limit-ms ", 9))
			limit_ms = atol(value);
		else if (!strncmp(line, "nofile ", 7))
			nofile = atol(value);
		else if (!strncmp(line, "stdio ", 6))
			sscanf(value, "%15s %15s %15s", stdio[0], stdio[1], stdio[2]);
		else if (!strcmp(line, "go"))
			go();
		else
			fail(line);
	}
	return 0;
}
