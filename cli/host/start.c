// SPDX-License-Identifier: Apache-2.0
/* start - start the watcher, so that it outlives the command and the session. */
#include "cli/host/start.h"

#include "cli/host/watch.h"
#include "cli/service/command.h"
#include "cli/service/systemctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { READY_TRIES = 100 };

/* A daemon would end with the session where logind has KillUserProcesses=, and stay dead. It ends by itself
 * with status 0 when there is nothing to watch any more. It has no sandbox of files: programs count that see
 * the same mounts as it does. */
static bool start_unit(void)
{
	char program[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
	const char *words[] = { "systemd-run",
				"--quiet",
				"--collect",
				"--unit=" WATCHER_UNIT,
				"--description=Takes headroom out of all programs when ten in a row crash",
				"--property=Restart=on-failure",
				"--property=RestartSec=1",
				"--property=StartLimitIntervalSec=0",
				"--property=OOMScoreAdjust=-900",
				"--property=NoNewPrivileges=yes",
				"--",
				program,
				"host",
				"watch",
				NULL };
	struct said said;

	if (length < 0 || !systemd_runs(NULL, 0))
		return false;
	program[length] = '\0';
	/* One that is on its way out has the name. */
	systemctl("stop", WATCHER_UNIT, NULL, 0);
	bool started = command_run(words, &said);
	said_free(&said);
	return started;
}

static void become_daemon(void)
{
	char *words[] = { "headroom", "host", "watch", NULL };
	int null = open("/dev/null", O_RDWR);

	if (fork())
		_exit(0);
	setsid();
	if (chdir("/"))
		_exit(1);
	for (int fd = 0; fd < 3 && null >= 0; fd++)
		dup2(null, fd);
	execv("/proc/self/exe", words);
	_exit(1);
}

static bool start_daemon(char *reason, size_t size)
{
	pid_t child = fork();

	if (!child)
		become_daemon();
	if (child < 0) {
		snprintf(reason, size, "%s", strerror(errno));
		return false;
	}
	waitpid(child, NULL, 0);
	return true;
}

bool watch_start(char *reason, size_t size)
{
	bool unit = start_unit();

	if (!unit && !start_daemon(reason, size))
		return false;
	for (int tries = 0; tries < READY_TRIES; tries++) {
		if (watch_pid())
			return true;
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
	if (unit)
		systemctl("stop", WATCHER_UNIT, NULL, 0);
	snprintf(reason, size, "nobody watches how programs end: `headroom host watch` says why");
	return false;
}
