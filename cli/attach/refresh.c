// SPDX-License-Identifier: Apache-2.0
/* refresh - links that came, went or got other addresses after `headroom attach`, and another port range. */
#include "cli/attach/refresh.h"

#include "attach/needs.h"
#include "attach/pins.h"
#include "attach/rule_sets.h"
#include "attach/target.h"
#include "cli/attach/attached.h"
#include "cli/attach/shown.h"
#include "cli/attach/surroundings.h"
#include "cli/shared/complain.h"
#include "pool/base/printable.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct look {
	struct attach_rule_set now;
	struct attach_plan plan; /* as it would be made now, at the place of that */
	struct attach_changes changes;
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
	const struct attach_config before = look->plan.config;

	if (!rc && !surroundings_look_again(&look->plan))
		rc = -ESRCH;
	/* Of the config it is the range alone that is looked at again. */
	if (!rc)
		look->changes = (struct attach_changes){ .links = !is_same(&look->now, &look->plan.set),
							 .range = memcmp(&before, &look->plan.config,
									 sizeof(before)) != 0 };
	return rc;
}

static void end_look(struct look *look)
{
	attach_plan_free(&look->plan);
	free(look);
}

struct attach_changes attach_changes(const char *folder)
{
	struct look *look = calloc(1, sizeof(*look));
	struct attach_changes changes = { 0 };

	if (look && !look_again(folder, look))
		changes = look->changes;
	if (look)
		end_look(look);
	return changes;
}

static int count_changed(const char *folder, void *count)
{
	struct attach_changes changes = attach_changes(folder);

	*(unsigned *)count += changes.links || changes.range;
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

/* Whoever attaches is told before. */
static void warn_of_overlap(const char *name, const struct attach_config *config)
{
	unsigned common = config->own_low ? surroundings_overlap(config) : 0;

	if (common)
		complain(name,
			 "%u of the ports %u-%u %s in the ephemeral range %u-%u now: while one is used here, "
			 "connect() of every other program in this network passes it over",
			 common, config->own_low, config->own_high, one_or_many(common, "is", "are"),
			 config->low, config->high);
}

static int refresh_one(const char *folder, void *status)
{
	struct look *look = calloc(1, sizeof(*look));
	int rc = look ? look_again(folder, look) : -ENOMEM;

	if (!rc && look->changes.links)
		rc = attach_set_replace(folder, &look->plan.config, &look->plan.set);
	if (!rc && look->changes.range)
		rc = attach_pin_set_range(folder, &look->plan.config);
	const char *name = look && *look->plan.config.target ? look->plan.config.target : folder;
	if (rc)
		*(int *)status = complain(
			name, "%s",
			rc == -ESRCH ? "left as it is: no process is in it, by whose network to go"
			: rc == -ENOENT
				? "attached by another version of headroom: detach it, and attach it again"
				: strerror(-rc));
	else
		printf("%s: %s\n",
		       look->changes.links || look->changes.range ? "refreshed" : "nothing has changed",
		       name);
	if (!rc && look->changes.range)
		warn_of_overlap(name, &look->plan.config);
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
