// SPDX-License-Identifier: Apache-2.0
/* advice - what to do about one tuple space. */
#include "cli/check/advisor.h"

#include "cli/ports/reserve_list.h"
#include "cli/shared/netns.h"
#include "cli/shared/program.h"
#include "pool/base/printable.h"
#include "pool/routes/route.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TIGHT_PERCENT = 50, WIDE_LOW = 1024, WIDE_HIGH = 65535, RESERVED_TEXT = 160 };

static struct advice *room_for_one(struct advisor *a, const char *command)
{
	if (a->count == ADVICE_MAX)
		return NULL;
	struct advice *advice = &a->advice[a->count++];
	*advice = (struct advice){ 0 };
	snprintf(advice->command, sizeof(advice->command), "%s", command);
	return advice;
}

void advisor_add(struct advisor *a, const char *command, const char *format, ...)
{
	struct advice *advice = room_for_one(a, command);
	va_list arguments;

	if (!advice)
		return;
	va_start(arguments, format);
	vsnprintf(advice->what, sizeof(advice->what), format, arguments);
	va_end(arguments);
}

/* Of another namespace sysctl.d(5) knows nothing: who makes it has to set them. */
void advisor_sysctl(struct advisor *a, const char *settings, const char *format, ...)
{
	char command[sizeof(((struct advice *)0)->command)];
	va_list arguments;

	snprintf(command, sizeof(command), "%ssysctl -w %s", a->prefix, settings);
	struct advice *advice = room_for_one(a, command);
	if (!advice)
		return;
	va_start(arguments, format);
	vsnprintf(advice->what, sizeof(advice->what), format, arguments);
	va_end(arguments);
	snprintf(advice->kept, sizeof(advice->kept), "%s",
		 *a->prefix ? "by what makes this namespace, such as docker run --sysctl NAME=VALUE"
			    : "the same settings in /etc/sysctl.d/90-headroom.conf");
}

bool advisor_is_tight(const struct advisor *a)
{
	struct room room = check_room(a->space);
	return room_percent(&room) >= TIGHT_PERCENT || room.past_knee;
}

/* The command that runs a program under the shim, if that would help.
 * @holder: the process, or NULL for any
 * @why: out, if not: why not */
static bool run_command(const struct advisor *a, const struct holder *holder, const char *options, char *out,
			size_t size, struct identity *identity, const char **why)
{
	static struct program program;
	char path[64];

	*identity = (struct identity){ 0 };
	*why = "";
	if (!holder) {
		snprintf(out, size, "%sheadroom run %s-- COMMAND", a->prefix, options);
		return true;
	}
	identity_of(holder->process.pid, identity);
	snprintf(path, sizeof(path), "/proc/%d/exe", holder->process.pid);
	if (identity_under_shim(holder->process.pid)) {
		*why = "runs under the shim already";
		return false;
	}
	if (!access(path, R_OK) && (!program_check(path, &program) || program.doubtful)) {
		*why = program.why;
		return false;
	}
	snprintf(out, size, "%sheadroom run %s-- %s", a->prefix, options,
		 *identity->command ? identity->command : holder->process.name);
	return true;
}

/* What runs as a unit is started by it the next time too. */
static void keep_in_unit(struct advisor *a, const struct identity *identity)
{
	struct advice *advice = &a->advice[a->count - 1];

	if (a->count && *identity->unit)
		snprintf(advice->kept, sizeof(advice->kept),
			 "systemctl edit %s: ExecStart= with `headroom run --` before its command",
			 identity->unit);
	else if (a->count && *identity->container)
		snprintf(advice->kept, sizeof(advice->kept),
			 "in the image of container %s: headroom run before its command",
			 identity->container);
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
	struct identity identity;
	char command[600];
	const char *why;

	if (!bound || (bound * 100 < count->range && !advisor_is_tight(a)))
		return;
	if (!worst) {
		advisor_add(a, "",
			    "%u %s lost to every destination, by binds without IP_BIND_ADDRESS_NO_PORT. "
			    "Whose %s does not show: of other users, or in TIME_WAIT.",
			    bound, one_or_many(bound, "port is", "ports are"),
			    one_or_many(bound, "it is", "they are"));
		return;
	}
	uint32_t ports = worst->by_way[BLOCKED_BOUND] + worst->by_way[BLOCKED_ASKED];
	if (run_command(a, worst, "", command, sizeof(command), &identity, &why)) {
		advisor_add(
			a, command,
			"%s[%d] has bound %u of the ports explicitly: lost to every destination. Set "
			"IP_BIND_ADDRESS_NO_PORT before its bind(), or run it under the shim, which does:",
			worst->process.name, worst->process.pid, ports);
		keep_in_unit(a, &identity);
	} else {
		advisor_add(a, "",
			    "%s[%d] has bound %u of the ports explicitly: lost to every destination. Set "
			    "IP_BIND_ADDRESS_NO_PORT before its bind(), in the program itself: it %s.",
			    worst->process.name, worst->process.pid, ports, why);
	}
}

static void on_doubt(struct advisor *a)
{
	char command[PREFIX_MAX + 300];

	if (!a->space->count.doubtful || a->check->options.probe)
		return;
	snprintf(command, sizeof(command), "headroom check --probe%s %s", a->option, a->space->name);
	advisor_add(a, command,
		    "Make the number exact: ask the kernel about each port it does not tell of. This takes "
		    "some 20 "
		    "microseconds a port:");
}

static const struct holder *first_holder(const struct advisor *a)
{
	return a->space->holders.count ? a->space->holders.items : NULL;
}

static void on_knee(struct advisor *a)
{
	struct identity identity;
	char command[600];
	const char *why;

	if (!a->space->count.past_knee || !a->space->count.headroom ||
	    !run_command(a, first_holder(a), "", command, sizeof(command), &identity, &why))
		return;
	advisor_add(
		a, command,
		"connect() looks at half of the range in vain, each time. The shim makes the kernel look at "
		"every port in turn (Linux 6.8):");
	keep_in_unit(a, &identity);
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
	char name[32], command[800], sources[ADDRESS_TEXT_MAX * 2 + 2], options[sizeof(sources) + 16];
	struct identity identity;
	const char *why;
	const struct tuple_key *key = &a->space->now.key;
	unsigned prefix;

	if (!advisor_is_tight(a) || !is_crowded(a))
		return;
	int rc = route_auto_sources(&arena, &key->destination, &list);
	unsigned count = list.count;
	if (address_is_loopback(&key->destination.ip) && address_is_v4(&key->destination.ip)) {
		snprintf(sources, sizeof(sources), "127.0.0.1-127.0.0.8");
		count = 8;
	} else {
		snprintf(sources, sizeof(sources), "auto");
	}
	const char *at_most = port_space_doubt(&a->check->ports) ? "at most " : "";
	snprintf(options, sizeof(options), "--sources %s ", sources);
	if (!run_command(a, first_holder(a), options, command, sizeof(command), &identity, &why)) {
		/* It may choose its sources itself; the shim cannot. */
	} else if (!rc && count > 1) {
		advisor_add(a, command,
			    "Use more sources: each gives %s%u %s more to this destination. This host has "
			    "%u that "
			    "lead "
			    "there:",
			    at_most, a->space->count.capacity,
			    one_or_many(a->space->count.capacity, "port", "ports"), count);
	} else if (interface_of(&key->source, name, sizeof(name), &prefix)) {
		advisor_add(
			a, command,
			"Add a source: each gives %s%u %s more to this destination. After `%sip address add "
			"ADDRESS/%u dev %s`, with an address that is free in that network:",
			at_most, a->space->count.capacity,
			one_or_many(a->space->count.capacity, "port", "ports"), a->prefix, prefix, name);
	}
	arena_release(&arena);
}

static void on_range(struct advisor *a)
{
	uint32_t wide = WIDE_HIGH - WIDE_LOW + 1;
	char command[300], reserved[RESERVED_TEXT], reserve[RESERVED_TEXT + 64] = "";

	if (!advisor_is_tight(a) || a->space->count.range * 10 >= wide * 9)
		return;
	unsigned added = reserve_list(&a->check->ports, WIDE_LOW, WIDE_HIGH, reserved, sizeof(reserved));
	if (added && *reserved)
		snprintf(reserve, sizeof(reserve), "net.ipv4.ip_local_reserved_ports=%s ", reserved);
	snprintf(command, sizeof(command), "%snet.ipv4.ip_local_port_range=\"%d %d\"", reserve, WIDE_LOW,
		 WIDE_HIGH);
	advisor_sysctl(a, command,
		       "Widen the range from %u to %u ports, for all destinations%s:", a->space->count.range,
		       wide, added ? ", and reserve the ports that are listened on" : "");
}

static void on_odd(struct advisor *a)
{
	const struct port_range *range = &a->check->ports.range;
	char command[120];

	if (a->space->count.plain == a->space->count.headroom || a->space->count.headroom > 1)
		return;
	snprintf(command, sizeof(command), "net.ipv4.ip_local_port_range=\"%u %u\"",
		 range->low + (range->low % 2 == range->high % 2), range->high);
	advisor_sysctl(a, command,
		       "Make the range an even number of ports: of an odd one a plain connect() misses one:");
}

unsigned check_advise(const struct check *check, const struct checked *space,
		      struct advice advice[ADVICE_MAX])
{
	struct advisor a = { .check = check, .space = space, .advice = advice };

	netns_prefix(check->options.netns, a.prefix, sizeof(a.prefix));
	netns_option(check->options.netns, a.option, sizeof(a.option));
	on_binders(&a);
	advise_on_states(&a);
	on_doubt(&a);
	on_knee(&a);
	on_sources(&a);
	on_range(&a);
	on_odd(&a);
	return a.count;
}
