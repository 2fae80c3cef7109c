// SPDX-License-Identifier: Apache-2.0
/* ports - `headroom ports`: the port space of this host: range, reserved, blocked and by whom. */
#include "cli/ports/ports.h"

#include "cli/ports/each_netns.h"
#include "cli/ports/holders.h"
#include "cli/ports/verdict.h"
#include "cli/shared/netns.h"
#include "cli/shared/verb_options.h"
#include "cli/shared/verbs.h"
#include "cli/shared/view_complaints.h"

#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: headroom ports [OPTION...]\n"
	"\n"
	"Shows the port space of this network namespace: the range that connect() picks\n"
	"from, the reserved ports, which ports are blocked and by whom, and how many\n"
	"connections that leaves.\n"
	"\n"
	"      --probe       ask about ports the kernel does not tell of: exact numbers\n"
	"      --by WHAT     who blocks ports: by process, unit, container or user;\n"
	"                    default: more than three of a kind are one\n"
	"      --pid PID     look into the network namespace of a process\n"
	"      --container C the same of a container: ID, name or hostname\n"
	"      --netns NAME  look into a network namespace: a name of ip-netns(8), or a\n"
	"                    path\n"
	"      --all-netns   one network namespace of this host after the other\n"
	"      --json        for programs; see headroom-ports(1)\n"
	"  -h, --help        this text\n"
	"\n"
	"Exit status: 0 fine; 1 no port is left for connect(), or 80 % are lost; 2 usage\n"
	"or environment error; 3 the kernel does not tell.\n";

struct asked {
	struct ports *ports;
	struct netns_asked netns;
	bool all_netns;
};

static int take_option(void *context, int option)
{
	struct asked *asked = context;

	switch (option) {
	case 'p':
		asked->ports->probe = true;
		return STATUS_FINE;
	case 'b':
		if (group_by_parse(optarg, &asked->ports->by))
			return STATUS_USAGE;
		return asked->ports->by != GROUP_BY_SOURCE
			       ? STATUS_FINE
			       : complain("--by", "a blocked port is lost to every source");
	case 'A':
		asked->all_netns = true;
		return STATUS_FINE;
	case 'j':
		asked->ports->json = true;
		return STATUS_FINE;
	default:
		return netns_take(&asked->netns, option, optarg);
	}
}

static int take_options(struct asked *asked, int argc, char **argv)
{
	static const struct option known[] = { { "probe", no_argument, NULL, 'p' },
					       { "json", no_argument, NULL, 'j' },
					       { "by", required_argument, NULL, 'b' },
					       NETNS_OPTIONS,
					       { "all-netns", no_argument, NULL, 'A' },
					       { "help", no_argument, NULL, 'h' },
					       { NULL, 0, NULL, 0 } };
	static const struct verb_options all = { .verb = "ports",
						 .usage = usage,
						 .letters = ":h",
						 .known = known,
						 .take = take_option,
						 .no_words = true };

	return verb_options_take(&all, argc, argv, asked);
}

static void count(struct ports *ports)
{
	const struct port_range *range = &ports->space.range;

	ports->size = (uint32_t)range->high - range->low + 1;
	ports->reserved = ports->blocked_all = ports->usable = ports->doubtful = 0;
	memset(ports->blocked, 0, sizeof(ports->blocked));
	for (unsigned port = range->low; port <= range->high; port++) {
		const struct port_note *note = &ports->space.ports[port];
		ports->reserved += note->reserved;
		if (!note->reserved && note->blocked) {
			ports->blocked[note->blocked]++;
			ports->blocked_all++;
		}
		ports->usable += port_space_usable(&ports->space, port);
		ports->doubtful += port_space_doubtful(&ports->space, port);
	}
}

static void found(const struct process *process, const struct wanted_socket *socket, void *context)
{
	struct ports *ports = context;
	/* Of several that share a listener the first to be found stands for all. */
	if (!ports->owners[socket->tag].process.pid)
		ports->owners[socket->tag].process = *process;
}

static void find_owners(struct ports *ports)
{
	struct wanted_socket *wanted = calloc(65536, sizeof(*wanted));
	size_t used = 0;

	if (!wanted)
		return;
	for (unsigned port = ports->space.range.low; port <= ports->space.range.high; port++)
		if (ports->space.ports[port].blocked)
			wanted[used++] = (struct wanted_socket){ .inode = ports->space.ports[port].inode,
								 .tag = port };
	int rc = process_table_find(wanted, used, &ports->search, found, ports);
	if (rc)
		complain("/proc", "%s: processes are not shown", strerror(-rc));
	free(wanted);
}

static void count_addresses(struct ports *ports)
{
	struct ifaddrs *all;
	struct endpoint local;

	if (getifaddrs(&all))
		return;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		if (!i->ifa_addr ||
		    !endpoint_from_sockaddr(i->ifa_addr, sizeof(struct sockaddr_in6), &local) ||
		    address_is_loopback(&local.ip) || IN6_IS_ADDR_LINKLOCAL(&local.ip.v6))
			continue;
		*(address_is_v4(&local.ip) ? &ports->local_v4 : &ports->local_v6) += 1;
	}
	freeifaddrs(all);
}

bool ports_next_run(const struct ports *ports, unsigned from, struct port_run *run)
{
	const struct port_note *notes = ports->space.ports;
	unsigned high = ports->space.range.high;

	while (from <= high && !notes[from].blocked)
		from++;
	if (from > high)
		return false;
	*run = (struct port_run){ .first = from,
				  .last = from,
				  .by = notes[from].blocked,
				  .state = notes[from].state,
				  .owner = &ports->owners[from].process };
	while (run->last < high && notes[run->last + 1].blocked == run->by &&
	       notes[run->last + 1].state == run->state &&
	       notes[run->last + 1].reserved == notes[from].reserved &&
	       ports->owners[run->last + 1].process.pid == run->owner->pid)
		run->last++;
	return true;
}

enum verdict ports_verdict(const struct ports *ports)
{
	struct room room = { .range = ports->size,
			     .reserved = ports->reserved,
			     .blocked = ports->blocked_all,
			     .left = ports->usable,
			     .doubtful = ports->doubtful };
	return room_verdict(&room, LOST_PERCENT);
}

static int look(struct ports *ports)
{
	struct port_asking asking = { .limit_ns = VERDICT_ASK_NS };

	if (!port_space_start(&ports->space))
		return range_complain();
	int rc = kernel_view_read(&ports->view, NULL, port_space_visit, &ports->space);
	if (rc)
		return view_complain_failed(rc);
	view_complain(&ports->view);
	ports->space.bound_only_hidden = ports->view.no_bound_only;
	count(ports);
	if (ports->probe)
		ports->asked = port_space_ask(&ports->space, NULL);
	else if (ports_verdict(ports) == VERDICT_UNKNOWN)
		ports->asked = port_space_ask(&ports->space, &asking);
	count(ports);
	asked_complain(ports->asked, ports->doubtful, ports->probe);
	find_owners(ports);
	holders_complain(&ports->search);
	udp_view_read(&ports->udp, &ports->space);
	udp_view_find(&ports->udp);
	count_addresses(ports);
	return STATUS_FINE;
}

static int look_and_show(const struct ports *options)
{
	struct ports *ports = calloc(1, sizeof(*ports));

	if (!ports)
		return complain(NULL, "no memory");
	ports->probe = options->probe;
	ports->json = options->json;
	ports->by = options->by;
	ports->netns = options->netns;
	int status = look(ports);
	if (!status) {
		(ports->json ? ports_json : ports_report)(ports);
		status = verdict_status(
			verdict_worse(ports_verdict(ports), udp_view_verdict(&ports->udp, LOST_PERCENT)));
	}
	udp_view_end(&ports->udp);
	free(ports);
	return status;
}

static int show_one(const char *name, void *context)
{
	printf("network namespace: %s\n", name);
	int status = look_and_show(context);
	putchar('\n');
	return status;
}

int verb_ports(int argc, char **argv)
{
	struct ports *options = calloc(1, sizeof(*options));
	struct asked asked = { .ports = options };

	if (!options)
		return complain(NULL, "no memory");
	options->netns = &asked.netns;
	options->by = GROUP_BY_WORKERS;
	int status = take_options(&asked, argc, argv);
	if (!status && asked.all_netns && (asked.netns.what || options->json))
		status = complain("--all-netns", "is for people, and for all namespaces");
	if (!status)
		status = netns_enter(&asked.netns);
	if (!status)
		status = asked.all_netns ? each_netns(show_one, options, true) : look_and_show(options);
	free(options);
	return status;
}
