// SPDX-License-Identifier: Apache-2.0
/* look - find the tuple spaces of all targets and what is in them. */
#include "cli/check/look.h"

#include "cli/ports/socket_list.h"
#include "cli/shared/complain.h"
#include "cli/shared/sleep.h"
#include "cli/shared/view_complaints.h"
#include "pool/routes/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct checked *find(struct check *check, const struct tuple_key *key)
{
	for (unsigned i = 0; i < check->space_count; i++)
		if (!memcmp(&check->spaces[i].now.key, key, sizeof(*key)))
			return &check->spaces[i];
	return NULL;
}

static struct checked *add(struct check *check, const struct tuple_key *key, const char *name, bool asked_for)
{
	struct checked *space = &check->spaces[check->space_count];

	if (check->space_count == CHECKED_MAX)
		return NULL;
	*space = (struct checked){ .name = name, .asked_for = asked_for };
	if (!tuple_space_start(&space->now, key, &check->ports))
		return NULL;
	check->space_count++;
	return space;
}

static struct tuple_key key_from(const struct endpoint *to, const struct address *source)
{
	return (struct tuple_key){ .source = *source, .destination = *to, .interface = to->scope };
}

static const char *why_not(int rc)
{
	return rc == -EADDRNOTAVAIL ? "is not an address of this host" : strerror(-rc);
}

/* The tuple spaces that were asked for: --from, or the kernel's own choice. */
static int add_sources(struct check *check, const struct target *target, bool may_skip)
{
	const struct endpoint *to = &target->endpoint;
	struct source_list list = check->from;
	char text[ADDRESS_TEXT_MAX], place[ENDPOINT_TEXT_MAX];
	struct address source;

	if (list.automatic) {
		int rc = route_auto_sources(&check->arena, to, &list);
		source_list_exclude(&list, &check->from);
		if (rc && !list.count)
			return complain(target->name, "no route to %s: %s", endpoint_format(to, place),
					strerror(-rc));
	}
	if (!list.count) {
		int rc = route_source(to, NULL, &source);
		if (rc)
			return complain(target->name, "no route to %s: %s", endpoint_format(to, place),
					strerror(-rc));
		list = (struct source_list){ .items = &source, .count = 1 };
	}
	unsigned fitting = 0;
	for (unsigned i = 0; i < list.count; i++) {
		if (address_is_v4(&list.items[i]) != address_is_v4(&to->ip))
			continue;
		struct tuple_key key = key_from(to, &list.items[i]);
		int rc = list.items == &source ? 0 : route_source(to, &list.items[i], &key.source);
		if (rc)
			return complain("--from", "%s %s", address_format(&list.items[i], text), why_not(rc));
		if (!find(check, &key) && !add(check, &key, target->name, true))
			return complain("--from", "more than %d sources and destinations at once",
					CHECKED_MAX);
		fitting++;
	}
	return fitting || may_skip
		       ? STATUS_FINE
		       : complain("--from", "no source of the family of %s", endpoint_format(to, place));
}

/* A name may stand for addresses that this host has no route to, most often IPv6: the others do. */
static int add_targets(struct check *check)
{
	for (unsigned i = 0; i < check->target_count; i++) {
		const struct target *target = &check->targets[i];
		bool last = i + 1 == check->target_count || check->targets[i + 1].name != target->name;
		bool any = check->space_count && check->spaces[check->space_count - 1].name == target->name;
		struct address source;
		if ((!last || any) && route_source(&target->endpoint, NULL, &source) && !check->from.count)
			continue;
		int status = add_sources(check, target, !last || any);
		if (status)
			return status;
	}
	return STATUS_FINE;
}

static const struct target *target_of(const struct check *check, const struct endpoint *to)
{
	for (unsigned i = 0; i < check->target_count; i++)
		if (endpoint_equal(&check->targets[i].endpoint, to))
			return &check->targets[i];
	return NULL;
}

/* Sources that were not asked for are shown too, if a program uses them. */
static struct checked *find_or_add(struct check *check, const struct socket_seen *seen)
{
	struct tuple_key key;

	if (!tuple_key_of(seen, &key))
		return NULL;
	const struct target *target = target_of(check, &key.destination);
	if (!target)
		return NULL;
	struct checked *space = find(check, &key);
	if (!space && check->space_count < CHECKED_UNASKED_MAX)
		space = add(check, &key, target->name, false);
	check->more_sources |= !space;
	return space;
}

/* What an unbound socket holds, one that is bound to an interface cannot have, though not the other way round
 * (inet_match(), include/net/inet_hashtables.h). */
static bool holds_too(const struct checked *unbound, const struct checked *bound)
{
	struct tuple_key key = bound->now.key;

	if (bound == unbound || bound->now.key.interface == unbound->now.key.interface)
		return false;
	key.interface = key.destination.scope;
	return !memcmp(&key, &unbound->now.key, sizeof(key));
}

static void see(const struct socket_seen *seen, void *context)
{
	struct check *check = context;
	struct checked *space = find_or_add(check, seen);

	port_space_see(&check->ports, seen);
	if (!space)
		return;
	tuple_space_see(&space->now, seen);
	for (unsigned i = 0; i < check->space_count; i++)
		if (holds_too(space, &check->spaces[i]))
			tuple_space_see(&check->spaces[i].now, seen);
}

static void see_before(const struct socket_seen *seen, void *context)
{
	struct check *check = context;
	struct checked *space = find_or_add(check, seen);

	if (space &&
	    (space->before.ports || tuple_space_start(&space->before, &space->now.key, &check->ports)))
		tuple_space_see(&space->before, seen);
}

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The first look, of these destinations only: the kernel picks them out. */
static double look_before(struct check *check)
{
	struct kernel_view view;

	for (unsigned i = 0; i < check->target_count; i++) {
		struct kernel_filter filter = { .destination = &check->targets[i].endpoint };
		kernel_view_read(&view, &filter, see_before, check);
	}
	return now_s();
}

static void compare(struct checked *space, double seconds)
{
	struct rate *rate = &space->rate;

	for (unsigned i = 0; i <= (unsigned)(space->now.high - space->now.low); i++) {
		uint8_t before = space->before.ports ? space->before.ports[i].state : 0;
		rate->taken += space->now.ports[i].state && !before;
		rate->given += !space->now.ports[i].state && before;
	}
	rate->known = true;
	rate->seconds = seconds;
	double growth = ((double)rate->taken - rate->given) / seconds;
	rate->exhausted_in_s = growth > 0 ? (space->count.headroom + space->count.reusable) / growth : -1;
}

/* All sockets that have to be found: those of the tuple spaces (tag: its index), those that block a port. */
static struct wanted_socket *collect(struct check *check, size_t *count)
{
	size_t room = 0, used = 0;

	for (unsigned i = 0; i < check->space_count; i++)
		room += check->spaces[i].count.in_use;
	for (unsigned port = check->ports.range.low; port <= check->ports.range.high; port++)
		room += check->ports.ports[port].blocked != BLOCKED_NOT;
	struct wanted_socket *wanted = calloc(room ? room : 1, sizeof(*wanted));
	for (unsigned i = 0; wanted && i < check->space_count; i++) {
		struct checked *space = &check->spaces[i];
		for (unsigned port = space->now.low; port <= space->now.high; port++) {
			const struct tuple_port *held = &space->now.ports[port - space->now.low];
			if (!held->state || !port_space_usable(&check->ports, port))
				continue;
			space->without_process += !held->inode;
			space->fin_wait2_held += held->inode && held->state == STATE_FIN_WAIT2;
			wanted[used++] = (struct wanted_socket){ .inode = held->inode, .tag = i };
		}
	}
	for (unsigned port = check->ports.range.low; wanted && port <= check->ports.range.high; port++) {
		const struct port_note *note = &check->ports.ports[port];
		if (note->blocked != BLOCKED_NOT && !note->reserved)
			wanted[used++] = (struct wanted_socket){ .inode = note->inode,
								 .tag = CHECKED_MAX + note->blocked };
	}
	*count = used;
	return wanted;
}

static void found(const struct process *process, const struct wanted_socket *socket, void *context)
{
	struct check *check = context;

	if (socket->tag >= CHECKED_MAX)
		holders_add(&check->blockers, process, socket->tag - CHECKED_MAX);
	else
		holders_add(&check->spaces[socket->tag].holders, process, 0);
}

static int find_processes(struct check *check)
{
	size_t count;
	struct wanted_socket *wanted = collect(check, &count);

	if (!wanted)
		return complain(NULL, "no memory");
	int rc = process_table_find(wanted, count, &check->search, found, check);
	for (size_t i = 0; i < count; i++)
		check->blocked_without_process += wanted[i].tag >= CHECKED_MAX && !wanted[i].found;
	free(wanted);
	if (rc)
		complain("/proc", "%s: processes are not shown", strerror(-rc));
	for (unsigned i = 0; i < check->space_count; i++)
		holders_sort(&check->spaces[i].holders);
	holders_sort(&check->blockers);
	return STATUS_FINE;
}

static void count_all(struct check *check)
{
	for (unsigned i = 0; i < check->space_count; i++)
		tuple_space_count(&check->spaces[i].now, &check->ports, &check->spaces[i].count);
}

/* Where the verdict is not known; and where the news is bad, as then it matters whether programs have bound
 * the ports explicitly: more sources are no help then. */
static bool is_worth_asking(const struct check *check)
{
	for (unsigned i = 0; i < check->space_count; i++)
		if (check->spaces[i].asked_for && check_verdict(check, &check->spaces[i]) != VERDICT_FINE)
			return port_space_doubt(&check->ports);
	return false;
}

int check_look(struct check *check)
{
	struct port_asking asking = { .limit_ns = VERDICT_ASK_NS };
	double first = 0;
	int status;

	if (!port_space_start(&check->ports))
		return range_complain();
	if ((status = add_targets(check)))
		return status;
	if (check->options.sample_s > 0) {
		first = look_before(check);
		sleep_s(check->options.sample_s);
	}
	status = socket_list_read(&check->view, &check->ports, true, see, check);
	double second = now_s();
	if (status)
		return status;
	if (check->options.probe)
		check->asked = port_space_ask(&check->ports, NULL);
	count_all(check);
	if (!check->options.probe && is_worth_asking(check)) {
		check->asked = port_space_ask(&check->ports, &asking);
		count_all(check);
	}
	for (unsigned i = 0; i < check->space_count && check->options.sample_s > 0; i++)
		compare(&check->spaces[i], second - first);
	conntrack_read(&check->conntrack);
	udp_view_read(&check->udp, &check->ports);
	if (verdict_is_bad(udp_view_verdict(&check->udp, check->options.threshold)))
		udp_view_find(&check->udp);
	return find_processes(check);
}
