// SPDX-License-Identifier: Apache-2.0
/* process_files - closing everything, starting without standard files, few files, bad places for a log */
#include "process.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static char self[] = "/proc/self/exe";

/* What a daemon does at its start, here with connections open. Standard error comes back as the same file. */
static void closing_all(char **arguments)
{
	char errors[256] = "";
	int fds[5];

	open_some(fds, 5, MAIN_PORT);
	if (readlink("/proc/self/fd/2", errors, sizeof(errors) - 1) < 0)
		say("no /proc");
	if (!strcmp(arguments[0], "loop"))
		close_numbers(0);
	else if (!strcmp(arguments[0], "closefrom"))
		closefrom(0);
	else if (!strcmp(arguments[0], "close_range"))
		close_range(0, ~0u, 0);
	else
		syscall(SYS_close_range, 0, ~0u, 0);
	int in = open("/dev/null", O_RDONLY), out = open("/dev/null", O_WRONLY);
	say("reopened as %d, %d, %d", in, out, open(errors, O_WRONLY | O_APPEND));
	open_some(fds, 3, MAIN_PORT);
	say("fds %d %d %d", fds[0], fds[1], fds[2]);
}

/* Runs the rest of its arguments as a case, with standard files closed or replaced. */
static void starting(char **arguments)
{
	char fill[4096] = { 0 };
	int ends[2];

	if (!strcmp(arguments[0], "closed")) {
		close_numbers(0);
	} else if (pipe(ends) == 0) {
		signal(SIGPIPE, SIG_DFL);
		fcntl(ends[1], F_SETFL, O_NONBLOCK);
		while (!strcmp(arguments[0], "full") && write(ends[1], fill, sizeof(fill)) > 0)
			;
		fcntl(ends[1], F_SETFL, 0);
		dup2(ends[1], 2);
		close(ends[1]);
		/* A full pipe has a reader that never reads; a closed one has none. */
		if (strcmp(arguments[0], "full"))
			close(ends[0]);
	}
	execv(self, arguments);
}

/* Fills a range of few ports, so that the shim has much to say. */
static void being_noisy(char **arguments)
{
	static int fds[1000];
	int count = 0, error = 0;

	(void)arguments;
	while (count < 999 && !error) {
		fds[count] = socket(AF_INET, SOCK_STREAM, 0);
		error = try_connect(fds[count++], MAIN_PORT);
	}
	say("connected at least 10: %d, then %s; fds %d %d %d %d", count > 10, strerrorname_np(error), fds[0],
	    fds[1], fds[2], fds[3]);
	for (int i = 0; i < 20; i++)
		try_connect(fds[count - 1], MAIN_PORT);
	/* With more sources there are more of them. */
	while (count--)
		close(fds[count]);
}

/* A program whose own data file becomes fd 2, because its standard error was closed. */
static void writing_to_2(char **arguments)
{
	int fd = open(arguments[0], O_WRONLY | O_CREAT | O_TRUNC, 0600);

	dup2(fd, 2);
	close(fd);
	being_noisy(arguments);
	say("wrote %zd", write(2, "data\n", 5));
}

static void having_few_files(char **arguments)
{
	struct rlimit few = { .rlim_cur = 16, .rlim_max = 16 };
	int count = 0, error = 0, highest = 0;

	(void)arguments;
	setrlimit(RLIMIT_NOFILE, &few);
	for (;;) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		error = fd < 0 ? errno : try_connect(fd, MAIN_PORT);
		if (error)
			break;
		highest = fd;
		count++;
	}
	close(highest);
	int again = opened(MAIN_PORT);
	/* Not said before: saying something may need an fd. */
	close(again);
	say("opened %d, then %s; highest %d, again %d", count, strerrorname_np(error), highest, again);
}

/* A plugin whose calls go round every preload: it closes what we opened, and opens what we close. */
static void using_plugin(char **arguments)
{
	void *plugin = dlopen(arguments[0], RTLD_NOW | RTLD_DEEPBIND);
	int (*open_one)(unsigned) = plugin ? (int (*)(unsigned))dlsym(plugin, "plugin_open") : NULL;
	int (*close_one)(int) = plugin ? (int (*)(int))dlsym(plugin, "plugin_close") : NULL;
	int fds[5];

	if (!open_one || !close_one) {
		say("%s", dlerror());
		return;
	}
	open_some(fds, 5, MAIN_PORT);
	for (int i = 0; i < 3; i++) {
		reset_on_close(fds[i]);
		say("plugin closes %d", close_one(fds[i]));
	}
	int theirs = open_one(CHILD_PORT);
	say("plugin opened fd %d; close %d", theirs, close(theirs));
	/* The numbers come back, so what was closed unseen is noticed. */
	open_some(fds, 3, MAIN_PORT);
}

const struct process_case file_cases[] = {
	{ "close-all", closing_all },
	{ "start", starting },
	{ "noisy", being_noisy },
	{ "write-to-2", writing_to_2 },
	{ "few-files", having_few_files },
	{ "plugin", using_plugin },
	{ NULL, NULL },
};
