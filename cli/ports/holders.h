// SPDX-License-Identifier: Apache-2.0
/* holders - how many sockets each process holds. */
#ifndef HEADROOM_CLI_PORTS_HOLDERS_H
#define HEADROOM_CLI_PORTS_HOLDERS_H

#include "cli/shared/json.h"
#include "pool/ports/process_table.h"

#include <stdio.h>

enum { HOLDER_WAYS = 4 };

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
 * holders_put() - "python3[4711] 150, nginx[80] 2, 3 more processes 12, no visible process 12"
 * @most:	so many by name
 * @without:	sockets without a process that shows
 */
void holders_put(const struct holders *holders, unsigned most, uint32_t without, FILE *out);

/**
 * holders_json() - an array of them: pid, name, sockets
 */
void holders_json(struct json *json, const char *name, const struct holders *holders);

#endif
