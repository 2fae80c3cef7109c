// SPDX-License-Identifier: Apache-2.0
/* enable - `headroom service enable`: look, try, write, restart, and take it back if that fails. */
#include "cli/service/drop_in.h"
#include "cli/service/environment.h"
#include "cli/service/start.h"
#include "cli/service/systemctl.h"
#include "cli/service/trial.h"
#include "cli/service/unit.h"
#include "cli/service/verbs.h"
#include "cli/shared/complain.h"
#include "cli/shared/shim_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REASON_SIZE = 512 };

struct enabling {
	const struct service_options *options;
	struct unit unit;
	struct drop_in drop_in;
	struct wanted wanted;
	char shim[PATH_MAX], folder[PATH_MAX], preload[ENVIRONMENT_VALUE_MAX];
	char *before, *before_environment; /* the files that were there; NULL: none */
};

static int find_unit(struct enabling *enabling, const char *word)
{
	char name[UNIT_NAME_MAX], reason[REASON_SIZE];
	const char *wrong = unit_name(word, name);

	if (wrong)
		return complain(word, "%s", wrong);
	if (!unit_read(name, &enabling->unit, reason, sizeof(reason)))
		return complain(name, "%s", reason);
	if (unit_is(&enabling->unit, "LoadState", "not-found"))
		return complain(name, "systemd knows no such unit");
	if (!unit_is(&enabling->unit, "LoadState", "loaded"))
		return complain(name, "is not loaded by systemd: it is %s",
				unit_value(&enabling->unit, "LoadState"));
	return STATUS_FINE;
}

/* What holds for the unit now, without what we put there before. */
static int merge_preload(struct enabling *enabling)
{
	char *files = unit_lines(&enabling->unit, "EnvironmentFiles"), value[ENVIRONMENT_VALUE_MAX];
	bool by_file = environment_files(files, "LD_PRELOAD", value);
	bool any =
		by_file || environment_word(unit_value(&enabling->unit, "Environment"), "LD_PRELOAD", value);

	free(files);
	enabling->drop_in.by_file = by_file;
	enabling->drop_in.preload = enabling->preload;
	if (!environment_preload(enabling->shim, any ? value : NULL, enabling->preload))
		return complain(enabling->unit.name, "its LD_PRELOAD is too long");
	return STATUS_FINE;
}

static void say_obstacle(bool stops, const char *text, void *context)
{
	const struct enabling *enabling = context;
	complain(enabling->unit.name, "%s%s", stops ? "" : "note: ", text);
}

static int offer_attach(const struct enabling *enabling)
{
	const char *sources = enabling->options->value[VALUE_SOURCES];
	bool named = sources && !enabling->wanted.automatic;

	return complain(enabling->unit.name,
			"nothing was changed; without the shim: headroom attach %s --sources %s",
			enabling->unit.name, named ? sources : "LIST");
}

static int look_for_obstacles(struct enabling *enabling)
{
	char reason[REASON_SIZE];
	int stops = obstacles_find(&enabling->unit, &enabling->wanted, say_obstacle, enabling);

	if (stops && !enabling->options->force)
		return offer_attach(enabling);
	switch (trial_run(&enabling->unit, &enabling->drop_in, reason, sizeof(reason))) {
	case TRIAL_LOADED:
		break;
	case TRIAL_IMPOSSIBLE:
		complain(enabling->unit.name, "note: its sandbox could not be tried: %s", reason);
		break;
	case TRIAL_REFUSED:
		complain(enabling->unit.name, "in its sandbox the shim does not work: %s", reason);
		if (!enabling->options->force)
			return offer_attach(enabling);
	}
	return STATUS_FINE;
}

static int write_files(struct enabling *enabling)
{
	char path[PATH_MAX + 32], environment[ENVIRONMENT_VALUE_MAX + 32];
	bool by_file = enabling->drop_in.by_file;

	snprintf(path, sizeof(path), "%s/50-headroom.env", enabling->folder);
	snprintf(environment, sizeof(environment), "LD_PRELOAD=\"%s\"\n", enabling->preload);
	char *text = drop_in_text(&enabling->drop_in, path);
	if (enabling->options->dry_run) {
		printf("# %s/50-headroom.conf\n%s", enabling->folder, text);
		if (by_file)
			printf("# %s\n%s", path, environment);
		free(text);
		return STATUS_FINE;
	}
	int rc = drop_in_write(enabling->folder, text, by_file ? environment : NULL);
	free(text);
	return rc ? complain(enabling->folder, "%s", strerror(-rc)) : STATUS_FINE;
}

/* Back to what was, whatever it was. */
static void take_back(struct enabling *enabling, bool was_up)
{
	const char *name = enabling->unit.name;
	char reason[REASON_SIZE];

	drop_in_remove(enabling->folder);
	if (enabling->before)
		drop_in_write(enabling->folder, enabling->before, enabling->before_environment);
	systemctl("daemon-reload", NULL, NULL, 0);
	if (!was_up)
		return;
	systemctl("reset-failed", name, NULL, 0);
	if (start_again(name, 0, reason, sizeof(reason)))
		complain(name, "taken back, and restarted as it was");
	else
		complain(name, "taken back, but it does not start as it was either: %s", reason);
}

/* A drop-in of a later name can have the last word. */
static bool holds(struct enabling *enabling, char *reason, size_t size)
{
	char value[ENVIRONMENT_VALUE_MAX] = "";
	struct unit unit;
	bool good = unit_read(enabling->unit.name, &unit, reason, size);

	if (good && !enabling->drop_in.by_file) {
		environment_word(unit_value(&unit, "Environment"), "LD_PRELOAD", value);
		good = strstr(value, enabling->shim);
		if (!good)
			snprintf(reason, size,
				 "another drop-in, of a later name, sets LD_PRELOAD to \"%.200s\"", value);
	}
	unit_free(&unit);
	return good;
}

static int restart(struct enabling *enabling)
{
	const char *name = enabling->unit.name;
	char reason[REASON_SIZE];
	int pid;

	printf("restarting %s\n", name);
	fflush(stdout);
	if (!start_again(name, enabling->options->watch_s, reason, sizeof(reason))) {
		complain(name, "%s", reason);
		take_back(enabling, true);
		return STATUS_BAD_NEWS;
	}
	if (start_under_shim(name, &pid))
		printf("%s runs under the shim, process %d; `headroom report` shows it\n", name, pid);
	else if (pid)
		complain(name, "note: runs, but its main process %d has no shim: what it starts may have",
			 pid);
	return STATUS_FINE;
}

static int put_in_place(struct enabling *enabling)
{
	char reason[REASON_SIZE] = "";
	const char *name = enabling->unit.name;
	bool up = start_is_up(name);
	int status = write_files(enabling);

	if (status || enabling->options->dry_run)
		return status;
	if (!systemctl("daemon-reload", NULL, reason, sizeof(reason)) ||
	    !holds(enabling, reason, sizeof(reason))) {
		complain(name, "%s", reason);
		take_back(enabling, false);
		return STATUS_BAD_NEWS;
	}
	printf("wrote %s/50-headroom.conf\n", enabling->folder);
	if (up && !enabling->options->no_restart)
		return restart(enabling);
	printf("%s has the shim from its next start on\n", name);
	return STATUS_FINE;
}

static int enable(struct enabling *enabling, const char *word)
{
	int status;
	bool foreign;

	if ((status = service_options_apply(enabling->options, &enabling->drop_in, &enabling->wanted)))
		return status;
	if ((status = shim_path_find(0, enabling->shim)))
		return status;
	if (geteuid() && !enabling->options->dry_run)
		return complain("service enable", "needs root");
	if ((status = find_unit(enabling, word)))
		return status;
	drop_in_folder(enabling->unit.name, enabling->options->runtime, enabling->folder);
	enabling->before = drop_in_read(enabling->folder, &foreign);
	enabling->before_environment = drop_in_read_environment(enabling->folder);
	if (foreign)
		return complain(enabling->folder, "has a 50-headroom.conf that is not of this command");
	if ((status = merge_preload(enabling)))
		return status;
	if (!enabling->options->dry_run && (status = look_for_obstacles(enabling)))
		return status;
	return put_in_place(enabling);
}

int service_enable(const char *word, const struct service_options *options)
{
	struct enabling enabling = { .options = options };
	int status = enable(&enabling, word);

	unit_free(&enabling.unit);
	free(enabling.before);
	free(enabling.before_environment);
	return status;
}
