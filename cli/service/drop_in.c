// SPDX-License-Identifier: Apache-2.0
/* drop_in - the file that puts the shim in front of a service. */
#include "cli/service/drop_in.h"

#include "cli/service/environment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char FOLDER[] = "/etc/systemd/system", RUNTIME_FOLDER[] = "/run/systemd/system";
static const char NAME[] = "50-headroom.conf", ENVIRONMENT_NAME[] = "50-headroom.env";

/* Quotes, and what systemd would put another text for (systemd.syntax(7), systemd.unit(5)). */
static void put_assignment(FILE *out, const char *name, const char *value)
{
	fprintf(out, "Environment=\"%s=", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', out);
		if (*value == '%')
			fputc('%', out);
		fputc(*value, out);
	}
	fputs("\"\n", out);
}

char *drop_in_text(const struct drop_in *drop_in, const char *environment_file)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	fprintf(out, DROP_IN_MARK "; `headroom service disable` takes it away.\n[Service]\n");
	if (drop_in->by_file)
		fprintf(out, "EnvironmentFile=%s\n", environment_file);
	else
		put_assignment(out, "LD_PRELOAD", drop_in->preload);
	for (int i = 0; i < DROP_IN_VARIABLES_MAX && drop_in->variables[i].name; i++)
		put_assignment(out, drop_in->variables[i].name, drop_in->variables[i].value);
	fclose(out);
	return text;
}

void drop_in_folder(const char *unit, bool runtime, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/%s.d", runtime ? RUNTIME_FOLDER : FOLDER, unit);
}

static void path_of(const char *folder, const char *name, char *out)
{
	snprintf(out, PATH_MAX * 2, "%s/%s", folder, name);
}

/* Return: to be freed; NULL if there is no such file. */
static char *read_file(const char *folder, const char *name)
{
	char path[PATH_MAX * 2], *text = NULL;
	size_t size = 0;

	path_of(folder, name, path);
	FILE *file = fopen(path, "re");
	if (!file)
		return NULL;
	bool empty = getdelim(&text, &size, '\0', file) < 0;
	fclose(file);
	if (empty) {
		free(text);
		text = strdup("");
	}
	return text;
}

char *drop_in_read(const char *folder, bool *foreign)
{
	char *text = read_file(folder, NAME);
	bool ours = text && !strncmp(text, DROP_IN_MARK, sizeof(DROP_IN_MARK) - 1);

	if (foreign)
		*foreign = text && !ours;
	if (ours)
		return text;
	free(text);
	return NULL;
}

char *drop_in_read_environment(const char *folder)
{
	return read_file(folder, ENVIRONMENT_NAME);
}

/* Whole or not at all: systemd may read it at any time. */
static int put_file(const char *folder, const char *name, const char *text)
{
	char path[PATH_MAX * 2], fresh[PATH_MAX * 2 + 8];
	size_t length = strlen(text);

	path_of(folder, name, path);
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	fchmod(fd, 0644);
	errno = EIO;
	bool good = write(fd, text, length) == (ssize_t)length && !fsync(fd);
	int error = errno;
	close(fd);
	if (good && !rename(fresh, path))
		return 0;
	if (good)
		error = errno;
	unlink(fresh);
	return -error;
}

int drop_in_write(const char *folder, const char *text, const char *environment)
{
	int rc = 0;

	if (mkdir(folder, 0755) && errno != EEXIST)
		return -errno;
	if (environment)
		rc = put_file(folder, ENVIRONMENT_NAME, environment);
	if (!rc)
		rc = put_file(folder, NAME, text);
	if (rc)
		rmdir(folder);
	return rc;
}

int drop_in_remove(const char *folder)
{
	char path[PATH_MAX * 2];
	char *text = drop_in_read(folder, NULL);

	free(text);
	if (!text)
		return -ENOENT;
	path_of(folder, NAME, path);
	if (unlink(path))
		return -errno;
	path_of(folder, ENVIRONMENT_NAME, path);
	unlink(path);
	rmdir(folder);
	return 0;
}

void drop_in_each(void (*found)(const char *unit, bool runtime, const char *text, void *context),
		  void *context)
{
	char folder[PATH_MAX];

	for (int runtime = 0; runtime < 2; runtime++) {
		struct dirent **names;
		int count = scandir(runtime ? RUNTIME_FOLDER : FOLDER, &names, NULL, alphasort);
		for (int i = 0; i < count; i++) {
			size_t length = strlen(names[i]->d_name);
			if (length > 2 && !strcmp(names[i]->d_name + length - 2, ".d")) {
				names[i]->d_name[length - 2] = '\0';
				drop_in_folder(names[i]->d_name, runtime, folder);
				char *text = drop_in_read(folder, NULL);
				if (text)
					found(names[i]->d_name, runtime, text, context);
				free(text);
			}
			free(names[i]);
		}
		if (count >= 0)
			free(names);
	}
}

void drop_in_variable(const char *text, const char *name, char *out, size_t size)
{
	static const char KEY[] = "Environment=";
	char value[ENVIRONMENT_VALUE_MAX] = "";
	size_t used = 0;

	for (const char *line = text; line && *line;
	     line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		char *assignment = strndup(line, strcspn(line, "\n"));
		if (assignment && !strncmp(assignment, KEY, sizeof(KEY) - 1))
			environment_word(assignment + sizeof(KEY) - 1, name, value);
		free(assignment);
	}
	for (const char *at = value; *at && used + 1 < size; at++) {
		out[used++] = *at;
		at += *at == '%' && at[1] == '%';
	}
	out[used] = '\0';
}
