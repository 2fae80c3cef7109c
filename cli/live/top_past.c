// SPDX-License-Identifier: Apache-2.0
/* top_past - `headroom top --at`: how it was then, from what `headroom record` kept. */
#include "cli/live/top_past.h"

#include "cli/history/moment.h"
#include "cli/history/past.h"
#include "cli/shared/complain.h"
#include "pool/base/printable.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
	char who[LOOK_GROUP_MAX + 32], to[ENDPOINT_TEXT_MAX], source[LOOK_SOURCE_MAX];
	char headroom[32];
	uint32_t open, time_wait;
};

enum { ROWS_MAX = LOOK_OWNERS_MAX + 2 * LOOK_SPACES_MAX };

struct rows {
	struct row items[ROWS_MAX];
	unsigned count;
	int who, to, source; /* widths */
};

static void widen(int *width, const char *text)
{
	int length = (int)strlen(text);
	*width = length > *width ? length : *width;
}

static struct row *add(struct rows *rows, const struct look_space *space)
{
	struct row *row = &rows->items[rows->count];

	*row = (struct row){ 0 };
	if (space->at_least == space->at_most)
		snprintf(row->headroom, sizeof(row->headroom), "%u", space->at_most);
	else
		snprintf(row->headroom, sizeof(row->headroom), "%u-%u", space->at_least, space->at_most);
	endpoint_format(&space->to, row->to);
	look_source(space, row->source);
	return row;
}

static void keep(struct rows *rows, const char *filter)
{
	const struct row *row = &rows->items[rows->count];

	if (!strstr(row->who, filter) && !strstr(row->to, filter) && !strstr(row->source, filter))
		return;
	widen(&rows->who, row->who);
	widen(&rows->to, row->to);
	widen(&rows->source, row->source);
	rows->count++;
}

static void name_owner(const struct look_owner *owner, char *out, size_t size)
{
	if (owner->processes == 1 && owner->pid)
		snprintf(out, size, "%s[%d]", owner->group, owner->pid);
	else if (owner->processes)
		snprintf(out, size, "%s (%u processes)", owner->group, owner->processes);
	else
		snprintf(out, size, "%s", owner->group);
}

static void add_space(struct rows *rows, const struct look *look, unsigned space, const char *filter)
{
	const struct look_space *s = &look->spaces[space];
	bool any = false;

	for (unsigned i = 0; i < look->host.owner_count; i++) {
		const struct look_owner *owner = &look->owners[i];
		if (owner->space != space)
			continue;
		struct row *row = add(rows, s);
		row->open = owner->ports;
		name_owner(owner, row->who, sizeof(row->who));
		keep(rows, filter);
		any = true;
	}
	if (!s->time_wait && any)
		return;
	struct row *row = add(rows, s);
	row->time_wait = s->time_wait;
	strcpy(row->who, s->time_wait ? "(TIME_WAIT)" : "(does not show)");
	row->open = s->time_wait ? 0 : s->in_use;
	keep(rows, filter);
}

static void put_host(const struct look_host *host)
{
	char time[MOMENT_TEXT_MAX];
	uint32_t range = (uint32_t)host->high - host->low + 1;

	printf("%s %s: %u %s, %u reserved, %u blocked", moment_text(host->realtime_ns, time), host->host,
	       range, one_or_many(range, "port", "ports"), host->reserved, host->blocked);
	if (host->doubtful)
		printf(", %u in doubt", host->doubtful);
	printf("; UDP has %u\n", range - host->reserved - host->udp_in_use);
}

static void put_blockers(const struct look *look)
{
	char who[LOOK_GROUP_MAX + 32];
	const char *before = "blocked by ";

	for (unsigned i = 0; i < look->host.owner_count; i++) {
		const struct look_owner *owner = &look->owners[i];
		if (owner->space != LOOK_BLOCKERS)
			continue;
		name_owner(owner, who, sizeof(who));
		printf("%s%s %u", before, who, owner->ports);
		before = ", ";
	}
	if (*before == ',')
		putchar('\n');
}

static void put_rows(const struct rows *rows)
{
	if (!rows->count) {
		puts("no connection used a port that connect() picked");
		return;
	}
	printf("%-*s  %-*s  %-*s %8s %7s %9s\n", rows->who, "who", rows->to, "destination", rows->source,
	       "source", "headroom", "open", "time-wait");
	for (unsigned i = 0; i < rows->count; i++) {
		const struct row *row = &rows->items[i];
		printf("%-*s  %-*s  %-*s %8s %7u %9u\n", rows->who, row->who, rows->to, row->to, rows->source,
		       row->source, row->headroom, row->open, row->time_wait);
	}
}

int top_past(const char *history, uint64_t at_ns, const char *filter)
{
	struct look *look = calloc(1, sizeof(*look));
	struct rows *rows = calloc(1, sizeof(*rows));
	int status = look && rows ? past_at(history, at_ns, look) : complain(NULL, "no memory");

	if (!status) {
		rows->who = 3;
		rows->to = 11;
		rows->source = 6;
		for (unsigned i = 0; i < look->host.space_count; i++)
			add_space(rows, look, i, filter);
		put_host(&look->host);
		put_blockers(look);
		put_rows(rows);
		if (fflush(stdout) || ferror(stdout))
			status = complain("standard output", "%s", strerror(errno));
	}
	free(rows);
	free(look);
	return status;
}
