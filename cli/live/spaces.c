// SPDX-License-Identifier: Apache-2.0
/* spaces - find the tuple spaces in use now, each with the processes under the shim that share it. */
#include "cli/live/spaces.h"

#include "cli/attach/shown.h"
#include "cli/live/spaces_host.h"
#include "cli/shared/complain.h"
#include "pool/base/clock.h"
#include "pool/segment/identity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct looking {
	struct spaces *spaces;
	const struct spaces_options *options;
	uint64_t own_network, own_cookie;
	bool no_memory;
};

int spaces_state_dir(const char **state_dir)
{
	if (*state_dir)
		return **state_dir ? STATUS_FINE : complain("--state-dir", "is empty");
	*state_dir = getenv("HEADROOM_STATE_DIR");
	if (*state_dir && !strcmp(*state_dir, "off"))
		return complain("HEADROOM_STATE_DIR",
				"is off: there is nothing to see; --state-dir names another place");
	return STATUS_FINE;
}

/* The inode of a namespace that is gone comes again, a cookie does not. */
static bool is_elsewhere(const struct looking *looking, const struct usage_header *header)
{
	if (header->network_cookie && looking->own_cookie)
		return header->network_cookie != looking->own_cookie;
	return header->network_namespace && header->network_namespace != looking->own_network;
}

/* As in a key. */
static uint64_t network_of(const struct looking *looking, const struct usage_header *header)
{
	const uint64_t inode = header->network_namespace, cookie = header->network_cookie;

	if (!is_elsewhere(looking, header))
		return 0;
	const struct space_host *host = inode ? spaces_host_of(looking->spaces, inode) : NULL;
	bool came_again = host && host->cookie && cookie && host->cookie != cookie;
	return inode && inode != looking->own_network && !came_again ? inode : cookie;
}

static struct space *space_of(const struct looking *looking, const struct usage_header *header,
			      const struct usage_entry *entry)
{
	const struct space_key key = { .source = entry->source,
				       .destination = entry->to,
				       .network = network_of(looking, header) };

	return spaces_find(looking->spaces, &key);
}

/* Of processes that disagree on the range the one with the least is believed. */
static void enter(struct space *space, const struct usage *usage, const struct space_row *row)
{
	const struct usage_figures *figures = &row->figures;

	space->shim_open += usage->running ? row->entry->open : 0;
	space->shim_time_wait += figures->time_wait;
	space->shim_in_use += figures->in_use;
	if (usage->running && figures->headroom && isfinite(figures->exhausted_in_s) &&
	    figures->exhausted_in_s > 0)
		space->fills += figures->headroom / figures->exhausted_in_s;
	if (figures->capacity_known && (!space->capacity_known || figures->capacity < space->capacity)) {
		space->capacity = figures->capacity;
		space->capacity_known = true;
	}
}

static void take_entry(struct looking *looking, unsigned process, const struct usage *usage,
		       const struct usage_entry *entry)
{
	bool added_up = !entry->to.port;
	/* Before the rows: what is added up is of no tuple space. */
	struct space *space = added_up ? NULL : space_of(looking, &usage->header, entry);
	struct space_row *row = added_up || space ? spaces_add_row(looking->spaces) : NULL;

	if (!row) {
		looking->no_memory = true;
		return;
	}
	row->process = process;
	row->entry = entry;
	row->space = space;
	usage_figures(usage, entry, looking->spaces->now_ns, &row->figures);
	if (space)
		enter(space, usage, row);
}

static void visit(const char *path, struct usage *usage, void *argument)
{
	struct looking *looking = argument;
	struct spaces *spaces = looking->spaces;

	if (spaces->process_count == spaces->process_room) {
		unsigned room = spaces->process_room ? 2 * spaces->process_room : 64;
		struct space_process *grown = reallocarray(spaces->processes, room, sizeof(*grown));
		if (!grown) {
			looking->no_memory = true;
			return;
		}
		spaces->processes = grown;
		spaces->process_room = room;
	}
	struct space_process *process = &spaces->processes[spaces->process_count];
	*process = (struct space_process){ .usage = *usage, .path = strdup(path) };
	looking->no_memory |= !process->path;
	for (unsigned i = 0; process->path && i < usage->entry_count; i++)
		take_entry(looking, spaces->process_count, usage, &usage->entries[i]);
	spaces->process_count += process->path != NULL;
	usage->entries = NULL; /* kept in the arena until spaces_end() */
}

static void skipped(const char *path, const char *reason, void *argument)
{
	struct looking *looking = argument;

	looking->spaces->skipped++;
	if (looking->options->say_skipped)
		complain(path, "%s; skipped", reason);
}

static void add_up(struct spaces *spaces)
{
	for (struct space *space = spaces->table; space; space = space->hh.next) {
		if (!space->from_kernel) {
			space->open = space->shim_open;
			space->time_wait = space->shim_time_wait;
			space->in_use = space->shim_in_use;
		}
		if (space->capacity_known)
			space->headroom =
				space->in_use < space->capacity ? space->capacity - space->in_use : 0;
	}
}

int spaces_look(struct spaces *spaces, const struct spaces_options *options)
{
	struct looking looking = { .spaces = spaces, .options = options };

	usage_identify_network(&looking.own_network, &looking.own_cookie);
	*spaces = (struct spaces){ .now_ns = clock_ns() };
	int status = options->host
			     ? spaces_ask_kernel(spaces, options->all_netns, options->kept, options->ask_ns)
			     : STATUS_FINE;
	usage_walk(&spaces->arena, options->state_dir, getenv("XDG_RUNTIME_DIR"), visit, skipped, &looking);
	attached_walk(&spaces->arena, visit, skipped, &looking);
	if (options->out_of_date)
		spaces->attached_out_of_date = attached_out_of_date();
	if (looking.no_memory)
		return complain(NULL, "no memory, or more than %d tuple spaces", SPACES_MAX);
	if (!status && !spaces_settle(spaces))
		status = complain(NULL, "no memory");
	add_up(spaces);
	return status;
}
