// SPDX-License-Identifier: Apache-2.0
/* advice - what to do about one tuple space. */
#include "cli/check/advice.h"

#include "cli/ports/reserve_list.h"
#include "pool/routes/route.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TIGHT_PERCENT = 50, WIDE_LOW = 1024, WIDE_HIGH = 65535, RESERVED_TEXT = 160 };

struct advisor {
	const struct check *check;
	const struct checked *space;
	struct advice *advice;
	unsigned count;
	const char *program; /* that holds the most, or "COMMAND" */
};

static void add(struct advisor *a, const char *command, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void add(struct advisor *a, const char *command, const char *format, ...)
{
	va_list arguments;

	if (a->count == ADVICE_MAX)
		return;
	struct advice *advice = &a->advice[a->count++];
	va_start(arguments, format);
	vsnprintf(advice->what, sizeof(advice->what), format, arguments);
	va_end(arguments);
	snprintf(advice->command, sizeof(advice->command), "%s", command);
}

static bool tight(const struct advisor *a)
{
	struct room room = check_room(a->space);
	return room_percent(&room) >= TIGHT_PERCENT || room.past_knee;
}

/* Connections to this destination are the matter, not what is lost to all. */
static bool is_crowded(const struct advisor *a)
{
	const struct tuple_count *count = &a->space->count;
	return count->in_use && count->in_use * 2 >= count->capacity;
}

/* Who has the most ports blocked by binding them, listeners aside. */
static const struct holder *worst_binder(const struct check *check)
{
	const struct holder *worst = NULL;

	for (unsigned i = 0; i < check->blockers.count; i++) {
		const struct holder *h = &check->blockers.items[i];
		uint32_t bound = h->by_way[BLOCKED_BOUND] + h->by_way[BLOCKED_ASKED];
		if (bound && (!worst || bound > worst->by_way[BLOCKED_BOUND] + worst->by_way[BLOCKED_ASKED]))
			worst = h;
	}
	return worst;
}

static void on_binders(struct advisor *a)
{
	const struct tuple_count *count = &a->space->count;
	uint32_t bound = count->blocked[BLOCKED_BOUND] + count->blocked[BLOCKED_ASKED];
	const struct holder *worst = worst_binder(a->check);
	char command[300];

	if (!bound || (bound * 100 < count->range && !tight(a)))
		return;
	if (!worst) {
		add(a, "",
		    "%u ports are lost to every destination, by binds without IP_BIND_ADDRESS_NO_PORT. Whose "
		    "they "
		    "are does not show: they belong to other users, or are in TIME_WAIT.",
		    bound);
		return;
	}
	snprintf(command, sizeof(command), "headroom run -- %s", worst->process.name);
	add(a, command,
	    "%s[%d] has bound %u of the ports explicitly: lost to every destination. Set "
	    "IP_BIND_ADDRESS_NO_PORT "
	    "before its bind(), or run it under the shim, which does:",
	    worst->process.name, worst->process.pid,
	    worst->by_way[BLOCKED_BOUND] + worst->by_way[BLOCKED_ASKED]);
}

static void on_doubt(struct advisor *a)
{
	char command[200];

	if (!a->space->count.doubtful || a->check->options.probe)
		return;
	snprintf(command, sizeof(command), "headroom check --probe %s", a->space->name);
	add(a, command,
	    "Make the number exact: ask the kernel about each port it does not tell of. This takes some 20 "
	    "microseconds a port:");
}

static void on_knee(struct advisor *a)
{
	char command[200];

	if (!a->space->count.past_knee || !a->space->count.headroom)
		return;
	snprintf(command, sizeof(command), "headroom run -- %s", a->program);
	add(a, command,
	    "connect() looks at half of the range in vain, each time. The shim makes the kernel look at "
	    "every "
	    "port in turn (Linux 6.8):");
}

static void on_close_wait(struct advisor *a)
{
	uint32_t waiting = a->space->count.by_state[STATE_CLOSE_WAIT];

	if (waiting * 10 >= a->space->count.in_use && waiting >= 10)
		add(a, "headroom check --leaks",
		    "%u connections are in CLOSE_WAIT: the peer closed them, the program did not. See which "
		    "program "
		    "forgets:",
		    waiting);
}

static void on_time_wait(struct advisor *a)
{
	const struct tuple_count *count = &a->space->count;
	bool reuse_off = !a->check->ports.range.time_wait_reuse ||
			 !tuple_reusable(&a->space->now.key, &a->check->ports);

	uint32_t waiting = count->by_state[STATE_TIME_WAIT] - count->reusable;
	if (!waiting || waiting * 2 < count->in_use || !tight(a))
		return;
	add(a, "",
	    "Most ports are in TIME_WAIT, 60 s each, as this side closes first. Keep connections open "
	    "(keepalive, a pool), "
	    "or let the server close first.");
	if (reuse_off && a->check->ports.timestamps)
		add(a, "sysctl -w net.ipv4.tcp_tw_reuse=1",
		    "Let connect() take over a TIME_WAIT after %g s instead of 60:",
		    port_range_reuse_ms(&a->check->ports.range) / 1e3);
}

/* "a.b.c.d/24 dev eth0": the interface that has this source. Return: false if none has */
static bool interface_of(const struct address *source, char *name, size_t size, unsigned *prefix)
{
	struct ifaddrs *all, *i;
	struct endpoint local, mask;
	bool found = false;

	if (getifaddrs(&all))
		return false;
	for (i = all; i && !found; i = i->ifa_next) {
		socklen_t length = sizeof(struct sockaddr_in6);
		if (!i->ifa_addr || !i->ifa_netmask || !endpoint_from_sockaddr(i->ifa_addr, length, &local) ||
		    !endpoint_from_sockaddr(i->ifa_netmask, length, &mask) ||
		    !address_equal(&local.ip, source))
			continue;
		*prefix = 0;
		for (unsigned w = address_is_v4(source) ? 3 : 0; w < 4; w++)
			*prefix += (unsigned)__builtin_popcount(mask.ip.words_be[w]);
		snprintf(name, size, "%s", i->ifa_name);
		found = true;
	}
	freeifaddrs(all);
	return found;
}

static void on_sources(struct advisor *a)
{
	struct arena arena = { 0 };
	struct source_list list = { 0 };
	char name[32], command[300], sources[ADDRESS_TEXT_MAX * 2 + 2];
	const struct tuple_key *key = &a->space->now.key;
	unsigned prefix;

	if (!tight(a) || !is_crowded(a))
		return;
	int rc = route_auto_sources(&arena, &key->destination, &list);
	unsigned count = list.count;
	if (address_is_loopback(&key->destination.ip) && address_is_v4(&key->destination.ip)) {
		snprintf(sources, sizeof(sources), "127.0.0.1-127.0.0.8");
		count = 8;
	} else {
		snprintf(sources, sizeof(sources), "auto");
	}
	snprintf(command, sizeof(command), "headroom run --sources %s -- %s", sources, a->program);
	if (!rc && count > 1) {
		add(a, command,
		    "Use more sources: each gives %u ports more to this destination. This host has %u that "
		    "lead "
		    "there:",
		    a->space->count.capacity, count);
	} else if (interface_of(&key->source, name, sizeof(name), &prefix)) {
		add(a, command,
		    "Add a source: each gives %u ports more to this destination. After `ip address add "
		    "ADDRESS/%u dev %s`, with an address that is free in that network:",
		    a->space->count.capacity, prefix, name);
	}
	arena_release(&arena);
}

static void on_range(struct advisor *a)
{
	uint32_t wide = WIDE_HIGH - WIDE_LOW + 1;
	char command[300], reserved[RESERVED_TEXT], reserve[RESERVED_TEXT + 64] = "";

	if (!tight(a) || a->space->count.range * 10 >= wide * 9)
		return;
	unsigned added = reserve_list(&a->check->ports, WIDE_LOW, WIDE_HIGH, reserved, sizeof(reserved));
	if (added && *reserved)
		snprintf(reserve, sizeof(reserve), "net.ipv4.ip_local_reserved_ports=%s ", reserved);
	snprintf(command, sizeof(command), "sysctl -w %snet.ipv4.ip_local_port_range=\"%d %d\"", reserve,
		 WIDE_LOW, WIDE_HIGH);
	add(a, command, "Widen the range from %u to %u ports, for all destinations%s:", a->space->count.range,
	    wide, added ? ", and reserve the ports that are listened on" : "");
}

static void on_odd(struct advisor *a)
{
	const struct port_range *range = &a->check->ports.range;
	char command[120];

	if (a->space->count.plain == a->space->count.headroom || a->space->count.headroom > 1)
		return;
	snprintf(command, sizeof(command), "sysctl -w net.ipv4.ip_local_port_range=\"%u %u\"",
		 range->low + (range->low % 2 == range->high % 2), range->high);
	add(a, command,
	    "Make the range an even number of ports: of an odd one a plain connect() misses one:");
}

unsigned check_advise(const struct check *check, const struct checked *space,
		      struct advice advice[ADVICE_MAX])
{
	struct advisor a = { .check = check, .space = space, .advice = advice, .program = "COMMAND" };

	if (space->holders.count)
		a.program = space->holders.items[0].process.name;
	on_binders(&a);
	on_doubt(&a);
	on_close_wait(&a);
	on_time_wait(&a);
	on_knee(&a);
	on_sources(&a);
	on_range(&a);
	on_odd(&a);
	return a.count;
}
