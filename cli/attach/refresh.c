// SPDX-License-Identifier: Apache-2.0
/* refresh - links that came, went or got other addresses after `headroom attach`. */
#include "cli/attach/refresh.h"

#include "attach/needs.h"
#include "attach/pins.h"
#include "attach/rule_sets.h"
#include "attach/target.h"
#include "cli/attach/attached.h"
#include "cli/attach/shown.h"
#include "cli/attach/surroundings.h"
#include "cli/shared/complain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct look {
	struct attach_rule_set now;
	struct attach_plan plan; /* as it would be made now, at the place of that */
	bool changed;
};

static bool is_same(const struct attach_rule_set *a, const struct attach_rule_set *b)
{
	return !memcmp(&a->ruling, &b->ruling, sizeof(a->ruling)) &&
	       !memcmp(a->rules, b->rules, a->ruling.rules * sizeof(*a->rules)) && a->listed == b->listed &&
	       !memcmp(a->lists, b->lists, a->listed * sizeof(*a->lists));
}

/* Return: 0 or a negative errno; -ESRCH if no process is there by whose network to go. attach_plan_free() has
 * to be called in any case. */
static int look_again(const char *folder, struct look *look)
{
	int rc = attach_set_read(folder, &look->now, &look->plan);

	if (!rc && !surroundings_part(&look->plan))
		rc = -ESRCH;
	look->changed = !rc && !is_same(&look->now, &look->plan.set);
	return rc;
}

static void end_look(struct look *look)
{
	attach_plan_free(&look->plan);
	free(look);
}

bool links_changed(const char *folder)
{
	struct look *look = calloc(1, sizeof(*look));
	bool changed = look && !look_again(folder, look) && look->changed;

	if (look)
		end_look(look);
	return changed;
}

static int count_changed(const char *folder, void *count)
{
	*(unsigned *)count += links_changed(folder);
	return 0;
}

unsigned attached_out_of_date(void)
{
	char reason[ATTACH_REASON_MAX];
	unsigned count = 0;
	int pins = attach_lacks_rights(reason) ? -EPERM : attach_pins_open(false, reason);

	if (pins < 0)
		return 0;
	attach_pins_each(pins, count_changed, &count);
	attach_pins_close(pins);
	return count;
}

static int refresh_one(const char *folder, void *status)
{
	struct look *look = calloc(1, sizeof(*look));
	int rc = look ? look_again(folder, look) : -ENOMEM;

	if (!rc && look->changed)
		rc = attach_set_replace(folder, &look->plan.config, &look->plan.set);
	const char *name = look && *look->plan.config.target ? look->plan.config.target : folder;
	if (rc)
		*(int *)status = complain(
			name, "%s",
			rc == -ESRCH ? "left as it is: no process is in it, by whose network to go"
			: rc == -ENOENT
				? "attached by another version of headroom: detach it, and attach it again"
				: strerror(-rc));
	else
		printf("%s: %s\n", look->changed ? "refreshed" : "nothing has changed", name);
	if (look)
		end_look(look);
	return 0;
}

static int refresh_named(const char *word)
{
	char folder[ATTACH_PIN_NAME_MAX];
	int status = attached_find(word, folder);

	if (!status)
		refresh_one(folder, &status);
	return status;
}

int refresh_attached(const char *word)
{
	char reason[ATTACH_REASON_MAX];
	int status = STATUS_FINE;

	if (attach_lacks_rights(reason))
		return complain("attach", "%s", reason);
	int pins = attach_pins_open(false, reason);
	if (pins == -ENOENT)
		return word ? complain(word, "nothing is attached there") : STATUS_FINE;
	if (pins < 0)
		return complain("attach", "%s", reason);
	if (word)
		status = refresh_named(word);
	else
		attach_pins_each(pins, refresh_one, &status);
	attach_pins_close(pins);
	return status;
}
