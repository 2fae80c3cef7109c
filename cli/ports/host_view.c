// SPDX-License-Identifier: Apache-2.0
/* host_view - all TCP sockets of a network namespace from one pass: its ports, and every tuple space. */
#include "cli/ports/host_view.h"

#include "cli/ports/socket_list.h"
#include "cli/shared/complain.h"
#include "cli/shared/hash_free.h"
#include "cli/shared/view_complaints.h"
#include "pool/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Each tuple space of sockets bound to an interface takes two walks over all sockets. */
enum { BOUND_MAX = 64 };
static const uint64_t ANSWER_STANDS_NS = UINT64_C(60000000000);

/* The table of indices grows by doubling: a power of two is when it is full. */
static bool give_index(struct host_view *view, struct host_tuple *tuple, unsigned count)
{
	if (!(count & (count - 1))) {
		size_t room = count ? 2 * (size_t)count : 1;
		struct host_tuple **grown = reallocarray(view->by_index, room, sizeof(*grown));
		if (!grown)
			return false;
		view->by_index = grown;
	}
	tuple->index = count;
	view->by_index[count] = tuple;
	return true;
}

static struct host_tuple *tuple_of(struct host_view *view, const struct tuple_key *key)
{
	struct host_tuple *tuple;

	HASH_FIND(hh, view->table, key, sizeof(*key), tuple);
	unsigned count = HASH_COUNT(view->table);
	if (tuple || count == HOST_TUPLES_MAX || !(tuple = calloc(1, sizeof(*tuple))))
		return tuple;
	if (!give_index(view, tuple, count)) {
		free(tuple);
		return NULL;
	}
	tuple->key = *key;
	HASH_ADD(hh, view->table, key, sizeof(*key), tuple);
	return tuple;
}

static bool make_room(struct host_view *view)
{
	if (view->socket_count < view->socket_room)
		return true;
	size_t room = view->socket_room ? 2 * view->socket_room : 4096;
	if (room > HOST_SOCKETS_MAX)
		return false;
	struct host_socket *grown = reallocarray(view->sockets, room, sizeof(*grown));
	if (!grown)
		return false;
	view->sockets = grown;
	view->socket_room = room;
	return true;
}

static void see(const struct socket_seen *seen, void *context)
{
	struct host_view *view = context;
	const struct port_range *range = &view->ports.range;
	struct tuple_key key;

	port_space_see(&view->ports, seen);
	view->states[seen->state % SOCKET_STATES]++;
	if (seen->source.port < range->low || seen->source.port > range->high || !tuple_key_of(seen, &key))
		return;
	const struct host_tuple *tuple = make_room(view) ? tuple_of(view, &key) : NULL;
	if (!tuple) {
		view->left_out++;
		return;
	}
	view->sockets[view->socket_count++] =
		(struct host_socket){ .tuple = tuple->index,
				      .inode = seen->inode,
				      .uid = seen->uid,
				      .port = seen->source.port,
				      .state = seen->state,
				      .unanswered = socket_is_unanswered(seen) };
}

int host_view_read(struct host_view *view)
{
	if (!port_space_start(&view->ports))
		return range_complain();
	int status = socket_list_read(&view->view, &view->ports, view->holders, see, view);
	if (status)
		return status;
	host_view_count(view);
	return STATUS_FINE;
}

/* What is remembered of a port that nothing holds any more, or for too long, is forgotten. */
static void recall(struct host_view *view, struct port_answers *answers, uint64_t now_ns)
{
	for (unsigned port = view->ports.range.low; port <= view->ports.range.high; port++) {
		uint64_t at_ns = answers->ports[port].at_ns;
		if (at_ns && clock_since(at_ns, now_ns) < ANSWER_STANDS_NS &&
		    port_space_doubtful(&view->ports, port))
			port_space_answer(&view->ports, port, answers->ports[port].blocked);
		else
			answers->ports[port].at_ns = 0;
	}
}

static void keep(const struct host_view *view, struct port_answers *answers, uint64_t now_ns)
{
	for (unsigned port = view->ports.range.low; port <= view->ports.range.high; port++) {
		const struct port_note *note = &view->ports.ports[port];
		if (!note->asked || answers->ports[port].at_ns)
			continue;
		answers->ports[port].at_ns = now_ns;
		answers->ports[port].blocked = note->blocked != BLOCKED_NOT;
	}
}

void host_view_ask(struct host_view *view, struct port_answers *answers, uint64_t limit_ns)
{
	struct port_asking asking = { .limit_ns = limit_ns, .from = answers ? answers->next : 0 };
	uint64_t now_ns = clock_ns();

	if (answers)
		recall(view, answers, now_ns);
	view->asked = port_space_ask(&view->ports, &asking);
	if (answers) {
		keep(view, answers, now_ns);
		answers->next = asking.from;
	}
	host_view_count(view);
}

static bool is_first_parity(const struct port_space *ports, unsigned port)
{
	return (port - ports->range.low) % 2 == 0;
}

static void count_ports(struct host_view *view)
{
	const struct port_space *ports = &view->ports;

	view->capacity = view->blocked = view->doubtful = view->first_parity = 0;
	for (unsigned port = ports->range.low; port <= ports->range.high; port++) {
		view->capacity += port_space_usable(ports, port);
		view->first_parity += port_space_usable(ports, port) && is_first_parity(ports, port);
		view->blocked += !ports->ports[port].reserved && ports->ports[port].blocked;
		view->doubtful += port_space_doubtful(ports, port);
	}
}

static void clear(struct host_tuple *tuple)
{
	tuple->in_use = tuple->time_wait = tuple->reusable = tuple->doubtful = 0;
	tuple->unbound = tuple->first_parity = tuple->unanswered = 0;
	memset(tuple->by_state, 0, sizeof(tuple->by_state));
}

static void count_socket(struct host_tuple *tuple, const struct host_view *view,
			 const struct host_socket *socket)
{
	bool waits = socket->state == STATE_TIME_WAIT;
	bool reusable = waits && tuple_reusable(&tuple->key, &view->ports);

	if (!port_space_pickable(&view->ports, socket->port))
		return;
	tuple->in_use++;
	tuple->by_state[socket->state % SOCKET_STATES]++;
	tuple->unanswered += socket->unanswered;
	tuple->time_wait += waits;
	tuple->reusable += reusable;
	tuple->first_parity += !reusable && is_first_parity(&view->ports, socket->port);
	tuple->doubtful += port_space_doubtful(&view->ports, socket->port);
}

/* The kernel compares a connection of a bound socket with those of unbound ones too, not the other way round
 * (inet_match(), include/net/inet_hashtables.h). */
static void count_unbound(struct host_view *view, struct host_tuple *tuple)
{
	struct tuple_key key = tuple->key;
	const struct host_tuple *other;
	static uint8_t held[65536];

	key.interface = key.destination.scope;
	HASH_FIND(hh, view->table, &key, sizeof(key), other);
	if (!other || other == tuple)
		return;
	memset(held, 0, sizeof(held));
	for (size_t i = 0; i < view->socket_count; i++) {
		const struct host_socket *s = &view->sockets[i];
		if (s->tuple == tuple->index)
			held[s->port] = 1;
	}
	for (size_t i = 0; i < view->socket_count; i++) {
		const struct host_socket *s = &view->sockets[i];
		if (s->tuple == other->index && !held[s->port] && port_space_pickable(&view->ports, s->port))
			tuple->unbound++;
	}
}

void host_view_count(struct host_view *view)
{
	unsigned bound = 0;

	count_ports(view);
	for (struct host_tuple *t = view->table; t; t = t->hh.next)
		clear(t);
	for (size_t i = 0; i < view->socket_count; i++)
		count_socket(view->by_index[view->sockets[i].tuple], view, &view->sockets[i]);
	for (struct host_tuple *t = view->table; t && bound < BOUND_MAX; t = t->hh.next)
		if (t->key.interface != t->key.destination.scope) {
			count_unbound(view, t);
			bound++;
		}
}

struct room host_view_room(const struct host_view *view, const struct host_tuple *tuple)
{
	const struct port_range *range = &view->ports.range;
	struct room room = { .range = (uint32_t)range->high - range->low + 1,
			     .reserved = range->reserved,
			     .blocked = view->blocked,
			     .left = view->capacity,
			     .doubtful = view->doubtful };

	if (!tuple)
		return room;
	room.in_use = tuple->in_use - tuple->reusable + tuple->unbound;
	room.unanswered = tuple->unanswered;
	room.past_knee = tuple->in_use && tuple->first_parity >= view->first_parity;
	room.left -= room.in_use < room.left ? room.in_use : room.left;
	room.doubtful -= tuple->doubtful < room.doubtful ? tuple->doubtful : room.doubtful;
	return room;
}

static enum verdict verdict_of(const struct host_view *view, const struct host_tuple *tuple,
			       unsigned threshold)
{
	struct room room = host_view_room(view, tuple);

	return tuple && !tuple->in_use ? VERDICT_FINE : room_verdict(&room, threshold);
}

enum verdict host_view_worst(const struct host_view *view, unsigned threshold)
{
	enum verdict worst = verdict_of(view, NULL, threshold);

	for (const struct host_tuple *t = view->table; t; t = t->hh.next) {
		enum verdict verdict = verdict_of(view, t, threshold);
		worst = verdict > worst ? verdict : worst;
	}
	return worst;
}

bool host_view_in_doubt(const struct host_view *view, unsigned threshold)
{
	bool doubt = verdict_of(view, NULL, threshold) == VERDICT_UNKNOWN;

	for (const struct host_tuple *t = view->table; t && !doubt; t = t->hh.next)
		doubt = verdict_of(view, t, threshold) == VERDICT_UNKNOWN;
	return doubt;
}

static int worst_first(const void *a, const void *b, void *view)
{
	const struct host_tuple *x = *(const struct host_tuple *const *)a;
	const struct host_tuple *y = *(const struct host_tuple *const *)b;
	struct room of_x = host_view_room(view, x), of_y = host_view_room(view, y);
	uint32_t left_x = room_at_least(&of_x), left_y = room_at_least(&of_y);

	if (left_x != left_y)
		return left_x > left_y ? 1 : -1;
	if (x->in_use != y->in_use)
		return x->in_use < y->in_use ? 1 : -1;
	return memcmp(&x->key, &y->key, sizeof(x->key));
}

const struct host_tuple **host_view_sort(const struct host_view *view, unsigned *count)
{
	const struct host_tuple **sorted = calloc(HASH_COUNT(view->table) + 1u, sizeof(*sorted));

	*count = 0;
	for (const struct host_tuple *t = view->table; t && sorted; t = t->hh.next)
		if (t->in_use)
			sorted[(*count)++] = t;
	if (sorted && *count)
		qsort_r(sorted, *count, sizeof(*sorted), worst_first, (void *)(uintptr_t)view);
	return sorted;
}

const char *host_source_text(const struct tuple_key *key, char *out)
{
	char address[ADDRESS_TEXT_MAX], device[IF_NAMESIZE];

	address_format(&key->source, address);
	if (key->interface && if_indextoname(key->interface, device))
		snprintf(out, HOST_SOURCE_TEXT_MAX, "%s%%%s", address, device);
	else
		snprintf(out, HOST_SOURCE_TEXT_MAX, "%s", address);
	return out;
}

void host_view_end(struct host_view *view)
{
	HASH_FREE(struct host_tuple, view->table);
	free(view->by_index);
	free(view->sockets);
	*view = (struct host_view){ 0 };
}
