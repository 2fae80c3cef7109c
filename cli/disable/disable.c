// SPDX-License-Identifier: Apache-2.0
/* disable - `headroom disable`, `headroom enable`: take the shim out of every program, and put it back. */
#include "cli/disable/reach.h"
#include "cli/shared/verb_options.h"
#include "cli/shared/verbs.h"
#include "pool/base/resting.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FOLDER_MODE = 0711, FILE_MODE = 0644 };

static const char usage_of_disable[] =
	"usage: headroom disable [--now]\n"
	"\n"
	"Says how many programs are under the shim. With --now, as root: the shim leaves\n"
	"all of them alone, within a second and until `headroom enable`, by the file\n"
	"/run/headroom/disabled. Nothing is restarted, no open connection is touched.\n"
	"Programs that start meanwhile are left alone as well.\n"
	"\n"
	"Containers and changed roots have a /run of their own: it is said who does not\n"
	"see the file. What `headroom attach` did is ended by `headroom detach --all`.\n"
	"\n"
	"      --now               do it\n"
	"  -h, --help              this text\n"
	"\n"
	"Exit status: 0 done; 1 some programs do not see the file; 2 it could not be\n"
	"made, or a mistake in the options.\n";

static const char usage_of_enable[] =
	"usage: headroom enable\n"
	"\n"
	"Ends what `headroom disable --now` began: within a second the shim goes on in\n"
	"every program that was started with it.\n"
	"\n"
	"  -h, --help              this text\n"
	"\n"
	"Exit status: 0 done; 2 the file could not be removed, or a mistake in the\n"
	"options.\n";

static int fail(const char *path, int error)
{
	if (error == EACCES || error == EPERM || error == EROFS)
		return complain(path, "%s: this takes root", strerror(error));
	return complain(path, "%s", strerror(error));
}

/* Usage segments of root may be there already, in a folder that nobody else may look into. */
static int make_folder(void)
{
	struct stat folder;

	if (mkdir(RESTING_FOLDER, FOLDER_MODE) && errno != EEXIST)
		return fail(RESTING_FOLDER, errno);
	if (lstat(RESTING_FOLDER, &folder))
		return fail(RESTING_FOLDER, errno);
	if (!S_ISDIR(folder.st_mode) || folder.st_uid || folder.st_mode & (S_IWGRP | S_IWOTH))
		return complain(RESTING_FOLDER, "is not a folder that root alone can write to");
	if ((folder.st_mode & FOLDER_MODE) != FOLDER_MODE &&
	    chmod(RESTING_FOLDER, (folder.st_mode | FOLDER_MODE) & 07777))
		return fail(RESTING_FOLDER, errno);
	return STATUS_FINE;
}

/* It is only there to be seen; the line in it is for who wonders. */
static int make_file(void)
{
	int fd = open(RESTING_FILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	char when[32] = "";
	time_t now = time(NULL);
	struct tm utc;

	if (fd < 0)
		return errno == EEXIST ? STATUS_FINE : fail(RESTING_FILE, errno);
	if (gmtime_r(&now, &utc))
		strftime(when, sizeof(when), "%FT%TZ", &utc);
	/* Whatever the umask. */
	int error = fchmod(fd, FILE_MODE) ? errno : 0;
	dprintf(fd, "by `headroom disable --now` at %s; `headroom enable` ends it\n", when);
	close(fd);
	return error ? fail(RESTING_FILE, error) : STATUS_FINE;
}

/* What somebody else left there is no switch. */
static int make(bool *was_there)
{
	int status = make_folder();

	*was_there = !status && resting_file_counts(false);
	if (status || *was_there)
		return status;
	if (unlink(RESTING_FILE) && errno != ENOENT)
		return fail(RESTING_FILE, errno);
	if ((status = make_file()))
		return status;
	if (!resting_file_counts(false))
		return complain(RESTING_FILE, "does not count: it is not root's, or others can write to it");
	return STATUS_FINE;
}

static int take_now(void *now, int option)
{
	(void)option;
	*(bool *)now = true;
	return STATUS_FINE;
}

static int take_none(void *context, int option)
{
	(void)context;
	(void)option;
	return STATUS_USAGE;
}

static const char *plural(unsigned count)
{
	return count == 1 ? "" : "es";
}

int verb_disable(int argc, char **argv)
{
	static const struct option known[] = { { "now", no_argument, NULL, 'n' },
					       { "help", no_argument, NULL, 'h' },
					       { NULL, 0, NULL, 0 } };
	static const struct verb_options options = { .verb = "disable",
						     .usage = usage_of_disable,
						     .letters = ":h",
						     .known = known,
						     .no_words = true,
						     .take = take_now };
	struct disable_reach reach;
	bool now = false, was_there = false;
	int status = verb_options_take(&options, argc, argv, &now);

	if (status)
		return status;
	if (!now) {
		disable_reach_look(&reach);
		printf("%u process%s under the shim%s; nothing was done: --now does it\n", reach.processes,
		       plural(reach.processes),
		       resting_file_counts(false) ? ", disabled already: " RESTING_FILE : "");
		return STATUS_FINE;
	}
	if ((status = make(&was_there)))
		return status;
	disable_reach_look(&reach);
	printf("disabled%s: " RESTING_FILE "\n", was_there ? " already" : "");
	printf("%u process%s under the shim, left alone within a second\n", reach.processes - reach.unseen,
	       plural(reach.processes - reach.unseen));
	disable_reach_put_unseen(&reach, stdout);
	return reach.unseen ? STATUS_BAD_NEWS : STATUS_FINE;
}

int verb_enable(int argc, char **argv)
{
	static const struct option known[] = { { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	static const struct verb_options options = { .verb = "enable",
						     .usage = usage_of_enable,
						     .letters = ":h",
						     .known = known,
						     .no_words = true,
						     .take = take_none };
	struct disable_reach reach;
	int status = verb_options_take(&options, argc, argv, NULL);

	if (status)
		return status;
	bool was_there = !unlink(RESTING_FILE);
	if (!was_there && errno != ENOENT && errno != ENOTDIR)
		return fail(RESTING_FILE, errno);
	disable_reach_look(&reach);
	printf("enabled%s: there is no " RESTING_FILE "\n", was_there ? "" : " already");
	printf("%u process%s under the shim\n", reach.processes, plural(reach.processes));
	return STATUS_FINE;
}
