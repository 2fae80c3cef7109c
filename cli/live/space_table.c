// SPDX-License-Identifier: Apache-2.0
/* space_table - the tuple spaces in use, and the processes of each. */
#include "cli/live/space_table.h"
#include "cli/shared/hash_free.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct space *spaces_find(struct spaces *spaces, const struct space_key *key)
{
	struct space *space;

	HASH_FIND(hh, spaces->table, key, sizeof(*key), space);
	if (space || HASH_COUNT(spaces->table) >= SPACES_MAX || !(space = calloc(1, sizeof(*space))))
		return space;
	space->key = *key;
	HASH_ADD(hh, spaces->table, key, sizeof(*key), space);
	return space;
}

struct space_row *spaces_add_row(struct spaces *spaces)
{
	if (spaces->row_count == spaces->row_room) {
		unsigned room = spaces->row_room ? 2 * spaces->row_room : 256;
		struct space_row *rows = reallocarray(spaces->rows, room, sizeof(*rows));
		if (!rows)
			return NULL;
		spaces->rows = rows;
		spaces->row_room = room;
	}
	struct space_row *row = &spaces->rows[spaces->row_count++];
	*row = (struct space_row){ 0 };
	return row;
}

struct space_host *spaces_add_host(struct spaces *spaces)
{
	if (spaces->host_count == spaces->host_room) {
		unsigned room = spaces->host_room ? 2 * spaces->host_room : 16;
		struct space_host *hosts = reallocarray(spaces->hosts, room, sizeof(*hosts));
		if (!hosts)
			return NULL;
		spaces->hosts = hosts;
		spaces->host_room = room;
	}
	struct space_host *host = &spaces->hosts[spaces->host_count++];
	*host = (struct space_host){ 0 };
	return host;
}

const struct space_host *spaces_host_of(const struct spaces *spaces, uint64_t network)
{
	for (unsigned i = 0; i < spaces->host_count; i++)
		if (spaces->hosts[i].network == network)
			return &spaces->hosts[i];
	return NULL;
}

const char *space_source_text(const struct space_key *key, char *out)
{
	address_format(&key->source, out);
	if (*key->interface)
		snprintf(out + strlen(out), IF_NAMESIZE + 1, "%%%.*s", IF_NAMESIZE - 1, key->interface);
	return out;
}

void spaces_end(struct spaces *spaces)
{
	HASH_FREE(struct space, spaces->table);
	for (unsigned i = 0; i < spaces->process_count; i++)
		free(spaces->processes[i].path);
	free(spaces->processes);
	free(spaces->rows);
	free(spaces->hosts);
	arena_release(&spaces->arena);
	*spaces = (struct spaces){ 0 };
}
