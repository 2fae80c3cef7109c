// SPDX-License-Identifier: Apache-2.0
/* holders - how many sockets each process holds. */
#include "cli/ports/holders.h"

#include "cli/ports/identity_json.h"
#include "cli/shared/complain.h"
#include "cli/shared/identity.h"
#include "pool/base/printable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IDENTIFIED_MAX = 50, GROUPED_MAX = 1000 }; /* each takes three files of /proc */

/* Sockets of one process come one after the other (process_table_find()): the last entry is the likely one.
 */
static struct holder *of(struct holders *holders, const struct process *process)
{
	for (unsigned i = holders->count; i-- > 0;)
		if (holders->items[i].process.pid == process->pid)
			return &holders->items[i];
	if (holders->count == holders->room) {
		unsigned room = holders->room ? holders->room * 2 : 16;
		struct holder *items = realloc(holders->items, room * sizeof(*items));
		if (!items)
			return NULL;
		holders->items = items;
		holders->room = room;
	}
	holders->items[holders->count] = (struct holder){ .process = *process };
	return &holders->items[holders->count++];
}

void holders_add(struct holders *holders, const struct process *process, unsigned way)
{
	struct holder *holder = of(holders, process);

	if (!holder) {
		holders->incomplete = true;
		return;
	}
	holder->sockets++;
	holder->by_way[way]++;
}

static int most_first(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;
	if (x->sockets != y->sockets)
		return x->sockets < y->sockets ? 1 : -1;
	return (x->process.pid > y->process.pid) - (x->process.pid < y->process.pid);
}

void holders_sort(struct holders *holders)
{
	if (holders->count)
		qsort(holders->items, holders->count, sizeof(*holders->items), most_first);
}

void holders_end(struct holders *holders)
{
	free(holders->items);
	*holders = (struct holders){ 0 };
}

void holders_complain(const struct process_search *search)
{
	if (search->missing && search->refused)
		complain(NULL,
			 "the processes of %zu %s are not shown: run as root to see the processes of other "
			 "users",
			 search->missing, one_or_many(search->missing, "socket", "sockets"));
}

/* Who is whose: a group by its name, while groups are made. */
static struct holder_group *group_of(struct holder_group *groups, unsigned *count, const char *name)
{
	for (unsigned i = 0; i < *count; i++)
		if (!strcmp(groups[i].name, name))
			return &groups[i];
	struct holder_group *group = &groups[(*count)++];
	*group = (struct holder_group){ 0 };
	strcpy(group->name, name);
	return group;
}

static void join(struct holder_group *group, const struct holder *holder)
{
	if (!group->processes++)
		group->first = holder->process; /* they come with the most sockets first */
	group->sockets += holder->sockets;
}

static int largest_first(const void *a, const void *b)
{
	const struct holder_group *x = a, *y = b;
	if (x->sockets != y->sockets)
		return x->sockets < y->sockets ? 1 : -1;
	return (x->first.pid > y->first.pid) - (x->first.pid < y->first.pid);
}

/* Past these all are put together by what their names say: a look into /proc for each takes too long. */
static const char *name_of(enum group_by by, unsigned number, const struct holder *holder, char *out)
{
	if (number < GROUPED_MAX)
		return group_of_process(by, holder->process.pid, holder->process.name, out);
	snprintf(out, GROUP_NAME_MAX, "%s", holder->process.name);
	return out;
}

struct holder_group *holders_group(const struct holders *holders, enum group_by by, unsigned *count)
{
	struct holder_group *kinds = calloc(holders->count + 1u, sizeof(*kinds));
	struct holder_group *groups = calloc(holders->count + 1u, sizeof(*groups));
	unsigned *whose = calloc(holders->count + 1u, sizeof(*whose)), kind_count = 0;
	char name[GROUP_NAME_MAX];

	*count = 0;
	for (unsigned i = 0; kinds && groups && whose && i < holders->count; i++) {
		const struct holder *holder = &holders->items[i];
		struct holder_group *kind = group_of(kinds, &kind_count, name_of(by, i, holder, name));
		join(kind, holder);
		whose[i] = (unsigned)(kind - kinds);
	}
	for (unsigned i = 0; kinds && groups && whose && i < holders->count; i++) {
		const struct holder *holder = &holders->items[i];
		struct holder_group *group = &kinds[whose[i]];
		bool few = by == GROUP_BY_WORKERS && group->processes <= GROUP_FEW;
		if (few) {
			strcpy(groups[*count].name, group->name);
			join(&groups[(*count)++], holder);
		} else if (group->first.pid == holder->process.pid) {
			groups[(*count)++] = *group;
		}
	}
	free(kinds);
	free(whose);
	if (groups && *count)
		qsort(groups, *count, sizeof(*groups), largest_first);
	return groups;
}

const char *holder_group_text(const struct holder_group *group, char *out)
{
	char mark[IDENTITY_MARK_MAX], name[sizeof(group->first.name) * PRINTABLE_MAX];

	if (group->processes > 1) {
		snprintf(out, HOLDER_TEXT_MAX, "%s (%u processes)", group->name, group->processes);
		return out;
	}
	printable_text(group->first.name, name, sizeof(name));
	snprintf(out, HOLDER_TEXT_MAX, "%s[%d]%s", name, group->first.pid,
		 identity_mark(group->first.pid, mark));
	return out;
}

void holders_json(struct json *json, const char *name, const struct holders *holders)
{
	json_open(json, name, '[');
	for (unsigned i = 0; i < holders->count; i++) {
		const struct holder *holder = &holders->items[i];
		json_open(json, NULL, '{');
		json_number(json, "pid", (uint64_t)holder->process.pid);
		json_text(json, "name", holder->process.name);
		json_number(json, "sockets", holder->sockets);
		if (i < IDENTIFIED_MAX)
			identity_json(json, holder->process.pid);
		json_close(json, '}');
	}
	json_close(json, ']');
}

void holders_groups_json(struct json *json, const char *name, const struct holders *holders, enum group_by by)
{
	char text[HOLDER_TEXT_MAX];
	unsigned count;
	struct holder_group *groups = holders_group(holders, by, &count);

	json_open(json, name, '[');
	for (unsigned i = 0; groups && i < count; i++) {
		json_open(json, NULL, '{');
		json_text(json, "name",
			  groups[i].processes > 1 ? groups[i].name : holder_group_text(&groups[i], text));
		json_number(json, "processes", groups[i].processes);
		json_number(json, "sockets", groups[i].sockets);
		json_close(json, '}');
	}
	json_close(json, ']');
	free(groups);
}

void holders_put(const struct holders *holders, unsigned most, uint32_t without, FILE *out)
{
	char text[HOLDER_TEXT_MAX];
	uint32_t rest = 0, processes = 0;
	unsigned count;
	struct holder_group *groups = holders_group(holders, GROUP_BY_WORKERS, &count);

	for (unsigned i = 0; groups && i < count; i++) {
		if (i < most) {
			fprintf(out, "%s%s %u", i ? ", " : "", holder_group_text(&groups[i], text),
				groups[i].sockets);
		} else {
			rest += groups[i].sockets;
			processes += groups[i].processes;
		}
	}
	if (rest)
		fprintf(out, ", %u more process%s %u", processes, processes == 1 ? "" : "es", rest);
	if (without)
		fprintf(out, "%sno visible process %u", holders->count ? ", " : "", without);
	free(groups);
}

void holders_columns(struct columns *columns, const struct holder_group *groups, unsigned count,
		     unsigned most)
{
	char text[HOLDER_TEXT_MAX];
	unsigned more = 0;

	for (unsigned i = 0; i < count; i++) {
		if (i < most)
			columns_item(columns, "%s %u", holder_group_text(&groups[i], text),
				     groups[i].sockets);
		else
			more += groups[i].processes;
	}
	if (more)
		columns_item(columns, "%u more process%s", more, more == 1 ? "" : "es");
}
