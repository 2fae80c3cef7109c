// SPDX-License-Identifier: Apache-2.0
/* blockers - the processes that keep ports of the range from every connect(). */
#include "cli/ports/blockers.h"

#include <stdlib.h>

static void found(const struct process *process, const struct wanted_socket *socket, void *context)
{
	holders_add(context, process, socket->tag);
}

void blockers_find(struct blockers *blockers, const struct port_space *ports)
{
	size_t room = (size_t)ports->range.high - ports->range.low + 1, used = 0;
	struct wanted_socket *wanted = calloc(room, sizeof(*wanted));

	*blockers = (struct blockers){ 0 };
	for (unsigned port = ports->range.low; wanted && port <= ports->range.high; port++) {
		const struct port_note *note = &ports->ports[port];
		if (note->blocked && !note->reserved)
			wanted[used++] = (struct wanted_socket){ .inode = note->inode, .tag = note->blocked };
	}
	if (wanted)
		process_table_find(wanted, used, &blockers->search, found, &blockers->holders);
	for (size_t i = 0; i < used; i++)
		blockers->without_process += !wanted[i].found;
	free(wanted);
	holders_sort(&blockers->holders);
}

void blockers_put(const struct blockers *blockers, unsigned most, FILE *out)
{
	holders_put(&blockers->holders, most, blockers->without_process, out);
}

void blockers_end(struct blockers *blockers)
{
	holders_end(&blockers->holders);
}
