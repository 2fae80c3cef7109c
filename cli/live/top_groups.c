// SPDX-License-Identifier: Apache-2.0
/* top_groups - rows of processes that belong together become one. */
#include "cli/live/top_groups.h"

#include "cli/shared/complain.h"
#include "cli/shared/hash_free.h"
#include "cli/shared/identity.h"
#include "pool/base/hash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a process was found to belong to: three files of /proc, read once. */
struct top_named {
	struct {
		uint64_t started_ns;
		uint32_t pid, reserved_zero;
	} key;
	char group[GROUP_NAME_MAX];
	UT_hash_handle hh;
};

/* One group in one tuple space. */
struct fold {
	struct {
		char group[GROUP_NAME_MAX];
		struct space_key space;
	} key;
	unsigned count;
	struct top_row *row; /* once it is made */
	UT_hash_handle hh;
};

void top_name_group(struct top *top, struct top_row *row)
{
	struct top_named probe = { .key = { .started_ns = row->key.started_ns, .pid = row->key.pid } },
			 *named;

	if (!row->key.pid || top->by == GROUP_BY_SOURCE) {
		snprintf(row->group, sizeof(row->group), "%.*s", GROUP_NAME_MAX - 1,
			 top->by == GROUP_BY_SOURCE ? "(all)" : row->process);
		return;
	}
	HASH_FIND(hh, top->named, &probe.key, sizeof(probe.key), named);
	if (!named && (named = calloc(1, sizeof(*named)))) {
		const int pid = row->running ? identity_pid_here(row->key.pid, row->pid_namespace) : 0;
		struct group_member member = { .pid = pid, .name = row->name, .uid = row->uid };
		named->key = probe.key;
		group_name(top->by, &member, named->group);
		HASH_ADD(hh, top->named, key, sizeof(named->key), named);
	}
	snprintf(row->group, sizeof(row->group), "%s", named ? named->group : row->name);
}

void top_groups_end(struct top *top)
{
	HASH_FREE(struct top_named, top->named);
}

int top_group_by(struct top *top, enum group_by by)
{
	top_groups_end(top);
	top->by = by;
	*top->opened = '\0';
	for (unsigned i = 0; i < top->all_count; i++)
		top_name_group(top, &top->all[i]);
	return top_fold(top);
}

static void begin_group(struct top_row *to, const struct top_row *from, const struct top *top, unsigned count)
{
	*to = *from;
	/* A group's row is to be the same one at the next look. */
	to->key.started_ns = hash_more(HASH_START, from->group, strlen(from->group));
	to->key.pid = TOP_GROUP_PID;
	to->processes = count;
	if (top->by == GROUP_BY_SOURCE)
		snprintf(to->process, sizeof(to->process), "%s", from->group);
	else
		snprintf(to->process, sizeof(to->process), "%.90s (%u)", from->group, count);
}

static void join(struct top_row *to, const struct top_row *from)
{
	to->open += from->open;
	to->time_wait += from->time_wait;
	to->in_use += from->in_use;
	to->others -= from->in_use < to->others ? from->in_use : to->others;
	to->opened += from->opened;
	to->failed += from->failed;
	if (from->rate >= 0)
		to->rate = (to->rate > 0 ? to->rate : 0) + from->rate;
}

static struct fold *fold_of(struct fold **folds, const struct top_row *row)
{
	struct fold probe = { 0 }, *fold;

	strcpy(probe.key.group, row->group);
	probe.key.space = row->key.space;
	HASH_FIND(hh, *folds, &probe.key, sizeof(probe.key), fold);
	if (fold || !(fold = calloc(1, sizeof(*fold))))
		return fold;
	fold->key = probe.key;
	HASH_ADD(hh, *folds, key, sizeof(fold->key), fold);
	return fold;
}

static void put(struct top *top, const struct top_row *row, struct fold *folds)
{
	struct fold *fold = folds ? fold_of(&folds, row) : NULL;
	const unsigned few = top->by == GROUP_BY_WORKERS ? GROUP_FEW : 1;

	if (*top->opened && strcmp(top->opened, row->group))
		return;
	if (!fold || (fold->count <= few && top->by != GROUP_BY_SOURCE)) {
		top->rows[top->row_count++] = *row;
	} else if (fold->row) {
		join(fold->row, row);
	} else {
		fold->row = &top->rows[top->row_count++];
		begin_group(fold->row, row, top, fold->count);
	}
}

int top_fold(struct top *top)
{
	const bool folds_any = top->by != GROUP_BY_PROCESS && !top->only.pid && !*top->opened;
	struct top_row *rows = calloc(top->all_count + 1u, sizeof(*rows));
	struct fold *folds = NULL, *fold;

	if (!rows)
		return complain("top", "no memory");
	free(top->rows);
	top->rows = rows;
	top->row_count = 0;
	for (unsigned i = 0; folds_any && i < top->all_count; i++)
		if ((fold = fold_of(&folds, &top->all[i])))
			fold->count++;
	for (unsigned i = 0; i < top->all_count; i++)
		put(top, &top->all[i], folds);
	HASH_FREE(struct fold, folds);
	top_sort(top);
	return STATUS_FINE;
}
