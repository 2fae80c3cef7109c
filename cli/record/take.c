// SPDX-License-Identifier: Apache-2.0
/* take - one look at the caller's network namespace, for the record. */
#include "cli/record/take.h"

#include "cli/history/moment.h"
#include "cli/ports/host_view.h"
#include "cli/ports/udp_view.h"
#include "cli/shared/complain.h"
#include "cli/shared/groups.h"
#include "cli/shared/hash_free.h"
#include "pool/segment/identity.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

/* How long each look asks about single ports. */
static const uint64_t ASK_NS = UINT64_C(100000000);
/* What has less in use is no news; the fullest one is kept in any case. */
enum { LEAST_PERCENT = 2 };

/* One of those who hold ports of a tuple space. */
struct tally {
	struct {
		uint32_t space;
		char group[LOOK_GROUP_MAX];
	} key;
	uint32_t ports, processes;
	int pid;
	UT_hash_handle hh;
};

/* A process: with its group alone, and once more for each tally it is in. */
struct member {
	struct {
		int pid;
		uint32_t space; /* NO_SPACE: the process alone */
	} key;
	char group[LOOK_GROUP_MAX];
	UT_hash_handle hh;
};
enum { NO_SPACE = 0x10000 };

struct taking {
	struct look *look;
	struct host_view *view;
	uint16_t *kept; /* by index of the tuple space: where it is in the look, + 1 */
	struct wanted_socket *wanted;
	size_t count;
	struct member *members;
	struct tally *tallies;
};

static void name_spaces(struct taking *taking, const struct host_tuple **sorted, unsigned count,
			unsigned threshold)
{
	struct look *look = taking->look;

	for (unsigned i = 0; i < count; i++) {
		const struct host_tuple *t = sorted[i];
		struct room room = host_view_room(taking->view, t);
		uint32_t whole = room.range - room.reserved;
		look->host.in_use += t->in_use;
		if (look->host.space_count == LOOK_SPACES_MAX ||
		    (i && t->in_use * UINT64_C(100) < whole * (uint64_t)LEAST_PERCENT))
			continue;
		struct look_space *space = &look->spaces[look->host.space_count++];
		*space = (struct look_space){ .to = t->key.destination,
					      .source = t->key.source,
					      .in_use = t->in_use + t->unbound,
					      .time_wait = t->time_wait,
					      .at_least = room_at_least(&room),
					      .at_most = room.left,
					      .verdict = room_verdict(&room, threshold),
					      .threshold_percent = threshold };
		if (t->key.interface && t->key.interface != t->key.destination.scope)
			if_indextoname(t->key.interface, space->device);
		taking->kept[t->index] = look->host.space_count;
	}
}

static void want_sockets(struct taking *taking)
{
	const struct host_view *view = taking->view;
	const struct port_range *range = &view->ports.range;

	for (size_t i = 0; i < view->socket_count; i++) {
		const struct host_socket *s = &view->sockets[i];
		if (taking->kept[s->tuple] && s->state != STATE_TIME_WAIT)
			taking->wanted[taking->count++] = (struct wanted_socket){
				.inode = s->inode, .tag = taking->kept[s->tuple] - 1u, .uid = s->uid
			};
	}
	for (unsigned port = range->low; port <= range->high; port++)
		if (view->ports.ports[port].blocked && !view->ports.ports[port].reserved)
			taking->wanted[taking->count++] =
				(struct wanted_socket){ .inode = view->ports.ports[port].inode,
							.tag = LOOK_BLOCKERS };
}

/* Return: NULL when memory is short; @is_new: it was not there */
static struct member *member_of(struct taking *taking, int pid, uint32_t space, bool *is_new)
{
	struct member *member, probe = { .key = { .pid = pid, .space = space } };

	HASH_FIND(hh, taking->members, &probe.key, sizeof(probe.key), member);
	*is_new = !member;
	if (member || !(member = calloc(1, sizeof(*member))))
		return member;
	member->key = probe.key;
	HASH_ADD(hh, taking->members, key, sizeof(member->key), member);
	return member;
}

static void found(const struct process *process, const struct wanted_socket *socket, void *context)
{
	char group[GROUP_NAME_MAX];
	bool is_new;
	struct member *member = member_of(context, process->pid, NO_SPACE, &is_new);

	(void)socket;
	if (!member || !is_new)
		return;
	snprintf(member->group, sizeof(member->group), "%.*s", LOOK_GROUP_MAX - 1,
		 group_of_process(GROUP_BY_WORKERS, process->pid, process->name, group));
}

static void count(struct taking *taking, const struct wanted_socket *socket)
{
	struct tally probe = { .key = { .space = socket->tag } }, *tally;
	bool is_new;
	const struct member *process = member_of(taking, socket->pid, NO_SPACE, &is_new);

	snprintf(probe.key.group, sizeof(probe.key.group), "%s",
		 socket->pid && process ? process->group
		 : socket->inode        ? "(does not show)"
					: "(closed, no process)");
	HASH_FIND(hh, taking->tallies, &probe.key, sizeof(probe.key), tally);
	if (!tally) {
		if (!(tally = calloc(1, sizeof(*tally))))
			return;
		tally->key = probe.key;
		tally->pid = socket->pid;
		HASH_ADD(hh, taking->tallies, key, sizeof(tally->key), tally);
	}
	tally->ports++;
	member_of(taking, socket->pid, socket->tag, &is_new);
	tally->processes += is_new && socket->pid;
}

static int most_first(const struct tally *a, const struct tally *b)
{
	if (a->key.space != b->key.space)
		return a->key.space < b->key.space ? -1 : 1;
	return a->ports != b->ports ? (a->ports < b->ports ? 1 : -1) : strcmp(a->key.group, b->key.group);
}

/* Those that hold the most by name, the rest of a tuple space added up. */
static void put_owners(struct taking *taking)
{
	struct look *look = taking->look;
	struct look_owner *owner = NULL;
	unsigned of_space = 0;

	HASH_SORT(taking->tallies, most_first);
	for (const struct tally *t = taking->tallies; t; t = t->hh.next) {
		of_space = owner && owner->space == t->key.space ? of_space + 1 : 1;
		if (of_space <= LOOK_OWNERS_OF_SPACE) {
			if (look->host.owner_count == LOOK_OWNERS_MAX)
				return;
			owner = &look->owners[look->host.owner_count++];
			*owner = (struct look_owner){ .space = (uint16_t)t->key.space, .pid = t->pid };
			snprintf(owner->group, sizeof(owner->group), "%s",
				 of_space == LOOK_OWNERS_OF_SPACE ? "(others)" : t->key.group);
		}
		owner->ports += t->ports;
		owner->processes = (uint16_t)(owner->processes + t->processes);
	}
}

static void name_owners(struct taking *taking)
{
	struct process_search search;

	want_sockets(taking);
	process_table_find(taking->wanted, taking->count, &search, found, taking);
	for (size_t i = 0; i < taking->count; i++)
		count(taking, &taking->wanted[i]);
	put_owners(taking);
}

static bool begin(struct taking *taking)
{
	const struct port_range *range = &taking->view->ports.range;
	size_t room = taking->view->socket_count + (size_t)range->high - range->low + 1;

	taking->kept = calloc(HASH_COUNT(taking->view->table) + 1u, sizeof(*taking->kept));
	taking->wanted = calloc(room, sizeof(*taking->wanted));
	return taking->kept && taking->wanted;
}

static void end(struct taking *taking)
{
	HASH_FREE(struct member, taking->members);
	HASH_FREE(struct tally, taking->tallies);
	free(taking->wanted);
	free(taking->kept);
}

static void take_host(struct look_host *host, const struct host_view *view, unsigned threshold)
{
	const struct port_range *range = &view->ports.range;
	struct udp_view udp;
	struct utsname name;
	uint64_t cookie;

	*host = (struct look_host){ .version = LOOK_VERSION,
				    .realtime_ns = moment_now(),
				    .low = range->low,
				    .high = range->high,
				    .reserved = range->reserved,
				    .blocked = view->blocked,
				    .doubtful = view->doubtful,
				    .capacity = view->capacity,
				    .verdict = host_view_worst(view, threshold) };
	usage_identify_network(&host->network, &cookie);
	for (unsigned i = 0; i < SOCKET_STATES && i < LOOK_STATES; i++)
		host->states[i] = (uint32_t)view->states[i];
	if (!uname(&name)) {
		snprintf(host->host, sizeof(host->host), "%.63s", name.nodename);
		snprintf(host->kernel, sizeof(host->kernel), "%.63s", name.release);
	}
	udp_view_read(&udp, &view->ports);
	host->udp_in_use = udp.in_use;
	udp_view_end(&udp);
}

int take_look(struct port_answers *answers, unsigned threshold, struct look *look)
{
	struct host_view *view = calloc(1, sizeof(*view));
	struct taking taking = { .look = look, .view = view };
	unsigned tuples = 0;

	*look = (struct look){ 0 };
	if (view)
		view->holders = true;
	int status = view ? host_view_read(view) : complain(NULL, "no memory");
	if (!status) {
		if (view->doubtful)
			host_view_ask(view, answers, ASK_NS);
		take_host(&look->host, view, threshold);
		const struct host_tuple **sorted = host_view_sort(view, &tuples);
		look->host.spaces_all = tuples;
		if (sorted && begin(&taking)) {
			name_spaces(&taking, sorted, tuples, threshold);
			name_owners(&taking);
		} else {
			status = complain(NULL, "no memory");
		}
		free(sorted);
	}
	if (view)
		host_view_end(view);
	free(view);
	end(&taking);
	return status;
}
