// SPDX-License-Identifier: Apache-2.0
/* command - run another command and take what it says. */
#include "cli/service/command.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Files, not pipes: both streams can be long, and are read when all has ended. */
static char *read_back(FILE *file)
{
	long size = file && !fseek(file, 0, SEEK_END) ? ftell(file) : 0;
	char *text = calloc(1, (size_t)(size > 0 ? size : 0) + 1);

	if (!text)
		abort();
	if (size > 0) {
		rewind(file);
		text[fread(text, 1, (size_t)size, file)] = '\0';
	}
	for (size_t length = strlen(text); length && text[length - 1] == '\n';)
		text[--length] = '\0';
	if (file)
		fclose(file);
	return text;
}

static int start(const char *const *words, FILE *out, FILE *err, pid_t *pid)
{
	posix_spawn_file_actions_t actions;

	if (!out || !err)
		return errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, fileno(out), STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, fileno(err), STDERR_FILENO);
	setenv("LC_ALL", "C", 1);
	setenv("SYSTEMD_PAGER", "", 1);
	setenv("SYSTEMD_COLORS", "0", 1);
	int rc = posix_spawnp(pid, words[0], &actions, NULL, (char *const *)words, environ);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

bool command_run(const char *const *words, struct said *said)
{
	FILE *out = tmpfile(), *err = tmpfile();
	pid_t pid;
	int status = 0, rc = start(words, out, err, &pid);

	while (!rc && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	said->status = rc ? 127 : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	said->out = read_back(out);
	said->err = read_back(err);
	if (rc) {
		free(said->err);
		if (asprintf(&said->err, "%s: %s", words[0], strerror(rc)) < 0)
			abort();
	}
	return said->status == 0;
}

const char *said_why(const struct said *said)
{
	const char *last = strrchr(said->err, '\n');
	return last ? last + 1 : said->err;
}

void said_free(struct said *said)
{
	free(said->out);
	free(said->err);
}
