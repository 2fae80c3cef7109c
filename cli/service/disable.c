// SPDX-License-Identifier: Apache-2.0
/* disable - `headroom service disable`: take the drop-in away, and restart without. */
#include "cli/service/drop_in.h"
#include "cli/service/start.h"
#include "cli/service/systemctl.h"
#include "cli/service/unit.h"
#include "cli/service/verbs.h"
#include "cli/shared/complain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { REASON_SIZE = 512, UNITS_MAX = 256 };

struct removal {
	char names[UNITS_MAX][UNIT_NAME_MAX];
	int count, status;
};

static void remember(struct removal *removal, const char *unit)
{
	for (int i = 0; i < removal->count; i++)
		if (!strcmp(removal->names[i], unit))
			return;
	if (removal->count < UNITS_MAX)
		snprintf(removal->names[removal->count++], UNIT_NAME_MAX, "%s", unit);
}

static void found(const char *unit, bool runtime, const char *text, void *context)
{
	(void)runtime;
	(void)text;
	remember(context, unit);
}

/* In /etc and in /run. Return: was there one? */
static bool remove_files(struct removal *removal, const char *unit)
{
	char folder[PATH_MAX];
	bool any = false;

	for (int runtime = 0; runtime < 2; runtime++) {
		drop_in_folder(unit, runtime, folder);
		int rc = drop_in_remove(folder);
		if (!rc)
			printf("removed %s/50-headroom.conf\n", folder);
		else if (rc != -ENOENT)
			removal->status = complain(folder, "%s", strerror(-rc));
		any = any || !rc;
	}
	return any;
}

static int restart(const char *unit, const struct service_options *options)
{
	char reason[REASON_SIZE];
	int pid;

	if (!start_is_up(unit) || !start_under_shim(unit, &pid))
		return STATUS_FINE;
	if (options->no_restart) {
		printf("%s, process %d, has the shim until it ends\n", unit, pid);
		return STATUS_FINE;
	}
	printf("restarting %s\n", unit);
	fflush(stdout);
	if (start_again(unit, options->watch_s, reason, sizeof(reason)))
		return STATUS_FINE;
	complain(unit, "%s", reason);
	return STATUS_BAD_NEWS;
}

static int take_away(struct removal *removal, const struct service_options *options, bool named)
{
	char reason[REASON_SIZE];

	for (int i = 0; i < removal->count; i++)
		if (!remove_files(removal, removal->names[i]) && named)
			return complain(removal->names[i],
					"is not enabled; `headroom service list` lists what is");
	/* In the root of an image only the files are there. */
	if (!systemd_runs(NULL, 0))
		return removal->status;
	if (removal->count && !systemctl("daemon-reload", NULL, reason, sizeof(reason)))
		return complain("systemctl daemon-reload", "%s", reason);
	for (int i = 0; i < removal->count; i++) {
		int status = restart(removal->names[i], options);
		removal->status = status ? status : removal->status;
	}
	return removal->status;
}

int service_disable(const char *word, const struct service_options *options)
{
	static struct removal removal;
	char name[UNIT_NAME_MAX];
	const char *wrong = word ? unit_name(word, name) : NULL;

	if (wrong)
		return complain(word, "%s", wrong);
	if (geteuid())
		return complain("service disable", "needs root");
	if (word)
		remember(&removal, name);
	else
		drop_in_each(found, &removal);
	return take_away(&removal, options, word);
}
