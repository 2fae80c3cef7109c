// SPDX-License-Identifier: Apache-2.0
/* holders - how many sockets each process holds. */
#ifndef HEADROOM_CLI_PORTS_HOLDERS_H
#define HEADROOM_CLI_PORTS_HOLDERS_H

#include "cli/shared/groups.h"
#include "cli/shared/json.h"
#include "cli/shared/terminal.h"
#include "pool/ports/process_table.h"

#include <stdio.h>

enum { HOLDER_WAYS = 4 };

/* Those who are shown together; one process alone is @first. */
struct holder_group {
	char name[GROUP_NAME_MAX];
	struct process first; /* the one with the most sockets */
	uint32_t processes, sockets;
};

struct holder {
	struct process process;
	uint32_t sockets, by_way[HOLDER_WAYS];
};

struct holders {
	struct holder *items;
	unsigned count, room;
	bool incomplete; /* memory was short */
};

/**
 * holders_add() - one more socket of a process
 * @way:	which kind of socket, below HOLDER_WAYS
 */
void holders_add(struct holders *holders, const struct process *process, unsigned way);

/**
 * holders_sort() - those with the most sockets first
 */
void holders_sort(struct holders *holders);

/**
 * holders_end() - give memory back
 */
void holders_end(struct holders *holders);

/**
 * holders_complain() - one line on standard error about processes that could not be looked at
 */
void holders_complain(const struct process_search *search);

/**
 * holders_group() - put those together who belong together; those with the most sockets first
 * @by:		of GROUP_BY_WORKERS up to GROUP_FEW of a kind stay alone
 * @count:	out
 * Return: an array for free(); NULL when memory is short
 */
struct holder_group *holders_group(const struct holders *holders, enum group_by by, unsigned *count);

/**
 * holder_group_text() - "python3[4711] (web.service)", "php-fpm (60 processes)"
 * @out:	HOLDER_TEXT_MAX bytes
 * Return: @out
 */
enum { HOLDER_TEXT_MAX = GROUP_NAME_MAX + IDENTITY_MARK_MAX + 32 };
const char *holder_group_text(const struct holder_group *group, char *out);

/**
 * holders_put() - "python3[4711] 150, php-fpm (60 processes) 120, 3 more processes 12, no visible process 12"
 * @most:	so many by name
 * @without:	sockets without a process that shows
 */
void holders_put(const struct holders *holders, unsigned most, uint32_t without, FILE *out);

/**
 * holders_columns() - the same of groups, an item each: "python3[4711] 150"; the rest is "3 more processes"
 * @groups:	from holders_group()
 * @most:	so many by name
 */
void holders_columns(struct columns *columns, const struct holder_group *groups, unsigned count,
		     unsigned most);

/**
 * holders_groups_json() - an array of them: name, processes, sockets
 */
void holders_groups_json(struct json *json, const char *name, const struct holders *holders,
			 enum group_by by);

/**
 * holders_json() - an array of them: pid, name, sockets
 */
void holders_json(struct json *json, const char *name, const struct holders *holders);

#endif
