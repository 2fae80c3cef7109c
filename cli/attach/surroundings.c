// SPDX-License-Identifier: Apache-2.0
/* surroundings - the ports and addresses of the network namespace in which a cgroup's processes are. */
#include "cli/attach/surroundings.h"

#include "cli/attach/other_links.h"
#include "cli/shared/complain.h"
#include "pool/base/printable.h"
#include "pool/ports/range.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Return: an fd of the namespace before, to go back to; -1 if it was not left. */
static int go_where(int pid)
{
	char path[64];

	if (!pid)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	int there = open(path, O_RDONLY | O_CLOEXEC);
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	bool gone = there >= 0 && here >= 0 && !setns(there, CLONE_NEWNET);
	if (there >= 0)
		close(there);
	if (!gone && here >= 0)
		close(here);
	return gone ? here : -1;
}

static bool is_local(const struct attach_address *source)
{
	struct endpoint e = { 0 };
	struct sockaddr_storage name;

	memcpy(&e.ip, source, sizeof(e.ip));
	int family = address_is_v4(&e.ip) ? AF_INET : AF_INET6;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return true;
	socklen_t length = endpoint_to_sockaddr(&e, family, &name);
	bool local = !bind(fd, (struct sockaddr *)&name, length) || errno != EADDRNOTAVAIL;
	close(fd);
	return local;
}

static void warn_of_foreign(const struct attach_plan *plan)
{
	char first[ADDRESS_TEXT_MAX] = "";
	unsigned count = 0;

	for (unsigned i = 0; i < plan->config.sources; i++)
		if (!is_local(&plan->sources[i]) && !count++) {
			struct address source;
			memcpy(&source, &plan->sources[i], sizeof(source));
			address_format(&source, first);
		}
	if (count)
		complain("--sources", "%u of %u %s, %s first: passed over until %s", count,
			 plan->config.sources,
			 one_or_many(count, "is no address of this network",
				     "are no addresses of this network"),
			 first, one_or_many(count, "it is", "they are"));
}

static void warn_of_unplaced(const struct attach_plan *plan)
{
	if (plan->unplaced)
		complain(
			"attach",
			"%u %s of other links: there is no room for more than %d rules; write rules for them",
			plan->unplaced, one_or_many(plan->unplaced, "prefix", "prefixes"), ATTACH_RULES_MAX);
}

static void take_reserved(unsigned long first, unsigned long last, void *plan)
{
	for (unsigned long port = first; port <= last && port <= UINT16_MAX; port++)
		((struct attach_plan *)plan)->reserved[port / 64] |= 1ull << port % 64;
}

static bool parse_range(const char *text, uint16_t *low, uint16_t *high)
{
	char *end;
	unsigned long first = strtoul(text, &end, 10), last;

	if (end == text || *end != '-' || end[1] < '0' || end[1] > '9' || *text < '0' || *text > '9')
		return false;
	last = strtoul(end + 1, &end, 10);
	*low = (uint16_t)first;
	*high = (uint16_t)last;
	return !*end && first <= last && last <= UINT16_MAX;
}

unsigned surroundings_overlap(const struct attach_config *config)
{
	int first = config->low > config->own_low ? config->low : config->own_low;
	int last = config->high < config->own_high ? config->high : config->own_high;

	return last >= first ? (unsigned)(last - first + 1) : 0;
}

static int take_own_ports(struct attach_plan *plan, const char *text, bool force)
{
	enum { FIRST_UNPRIVILEGED = 1024 }; /* below, bind() needs CAP_NET_BIND_SERVICE of the program */
	struct attach_config *config = &plan->config;
	unsigned common;

	if (!text)
		return STATUS_FINE;
	if (!parse_range(text, &config->own_low, &config->own_high))
		return complain("--own-ports", "`%s` is not a range of ports, LO-HI", text);
	if (config->own_low < FIRST_UNPRIVILEGED)
		return complain("--own-ports", "%u: ports below 1024 are for servers", config->own_low);
	common = surroundings_overlap(config);
	if (common && !force)
		return complain("--own-ports",
				"%u of these ports %s in the ephemeral range %u-%u: while one is used here, "
				"connect() "
				"of every other program in this network passes it over; --force takes them "
				"all the same",
				common, one_or_many(common, "is", "are"), config->low, config->high);
	port_range_each_reserved(take_reserved, plan);
	for (unsigned port = config->own_low; port <= config->own_high; port++)
		config->own_capacity += !(plan->reserved[port / 64] >> port % 64 & 1);
	if (!config->own_capacity)
		return complain("--own-ports", "all of these ports are in ip_local_reserved_ports");
	return STATUS_FINE;
}

static bool take_range(struct attach_config *config)
{
	struct port_range range;

	if (!port_range_read(&range))
		return false;
	config->low = range.low;
	config->high = range.high;
	config->capacity = port_range_capacity(&range);
	config->range_reserved = range.reserved;
	config->time_wait_reuse = range.time_wait_reuse;
	config->reuse_delay_ms = range.reuse_delay_ms;
	config->waits_bound = range.waits_bound;
	return true;
}

static int look_around(struct attach_plan *plan, const char *own_ports, bool force)
{
	if (!take_range(&plan->config))
		return complain("attach", "/proc/sys/net/ipv4/ip_local_port_range cannot be read");
	int status = take_own_ports(plan, own_ports, force);
	if (!status) {
		warn_of_foreign(plan);
		other_links_part(plan);
		warn_of_unplaced(plan);
	}
	return status;
}

/* Return: false if this thread could not go back from where go_where() took it */
static bool come_back(int back)
{
	bool done = back < 0 || !setns(back, CLONE_NEWNET);

	if (!done)
		complain("attach", "cannot go back to the own network namespace: %s", strerror(errno));
	if (back >= 0)
		close(back);
	return done;
}

int surroundings_take(struct attach_plan *plan, const struct attach_target *target, const char *own_ports,
		      bool force)
{
	int back = go_where(attach_target_process(target->path));
	int status = look_around(plan, own_ports, force);

	return come_back(back) ? status : STATUS_USAGE;
}

bool surroundings_look_again(struct attach_plan *plan)
{
	int pid = attach_target_process(plan->config.target), back = go_where(pid);
	bool taken = back >= 0 && take_range(&plan->config);

	if (taken)
		other_links_part(plan);
	return back >= 0 && come_back(back) && taken;
}
