// SPDX-License-Identifier: Apache-2.0
/* advice_states - what to do about connections that hang, or that nobody closes, going by their states. */
#include "cli/check/advisor.h"

#include "pool/base/kernel.h"
#include "pool/base/printable.h"

#include <stdio.h>
#include <stdlib.h>

enum { MANY = 10 };

/* As far as they matter: some, and a tenth of what is in use. */
static bool matter(const struct advisor *a, uint32_t number)
{
	return number >= MANY && number * 10 >= a->space->count.in_use;
}

static int sysctl_number(const char *name, int otherwise)
{
	char path[100], text[32];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	return kernel_read_file(path, text, sizeof(text)) > 0 ? atoi(text) : otherwise;
}

static void on_nat(struct advisor *a)
{
	const struct conntrack *tracked = &a->check->conntrack;
	uint32_t waiting = a->space->count.by_state[STATE_SYN_SENT];
	char command[PREFIX_MAX + 100];

	if (!waiting || !tracked->known || (!tracked->insert_failed && !conntrack_is_full(tracked)))
		return;
	if (conntrack_is_full(tracked)) {
		snprintf(command, sizeof(command), "net.netfilter.nf_conntrack_max=%llu",
			 2 * (unsigned long long)tracked->most);
		advisor_sysctl(a, command,
			       "Connections hang as the table of tracked connections is full: %llu of %llu. "
			       "Raise it:",
			       (unsigned long long)tracked->count, (unsigned long long)tracked->most);
		return;
	}
	snprintf(command, sizeof(command), "%snft list ruleset", a->prefix);
	advisor_add(
		a, command,
		"Connections hang as NAT on this host finds no port for them: conntrack counts %llu "
		"insert_failed. The range of its masquerade or snat rule is full: widen it, or give it more "
		"addresses:",
		(unsigned long long)tracked->insert_failed);
}

static const char *connections_are(uint32_t count)
{
	return one_or_many(count, "connection is", "connections are");
}

static void on_syn_sent(struct advisor *a)
{
	uint32_t waiting = a->space->count.by_state[STATE_SYN_SENT];
	int retries = sysctl_number("tcp_syn_retries", 6);

	if (a->space->count.unanswered < UNANSWERED_MANY && !matter(a, waiting))
		return;
	advisor_sysctl(a, "net.ipv4.tcp_syn_retries=2",
		       "%u %s for an answer to a SYN, %u in vain so far: the destination is down, or a "
		       "firewall drops "
		       "them. Each holds its port for %d s. Mend that, give connect() "
		       "a time limit in the program, or let the kernel give up after 7 s:",
		       waiting, one_or_many(waiting, "connection waits", "connections wait"),
		       a->space->count.unanswered, (1 << (retries + 1)) - 1);
}

static void on_close_wait(struct advisor *a)
{
	uint32_t waiting = a->space->count.by_state[STATE_CLOSE_WAIT];
	char command[PREFIX_MAX + 100];

	if (!matter(a, waiting))
		return;
	snprintf(command, sizeof(command), "headroom check --leaks%s", a->option);
	advisor_add(
		a, command,
		"%u %s in CLOSE_WAIT: closed by the peer, and not by the program. See which program forgets:",
		waiting, connections_are(waiting));
}

/* With a process it is shut down one way only; without, the kernel waits for the peer's FIN. */
static void on_fin_wait2(struct advisor *a)
{
	uint32_t waiting = a->space->count.by_state[STATE_FIN_WAIT2];

	if (!matter(a, waiting))
		return;
	if (a->space->fin_wait2_held * 2 >= waiting)
		advisor_add(a, "",
			    "%u %s in FIN_WAIT2: shut down by the program, and the peer does not close. The "
			    "port is "
			    "taken until the program calls close().",
			    waiting, connections_are(waiting));
	else
		advisor_sysctl(
			a, "net.ipv4.tcp_fin_timeout=15",
			"%u %s in FIN_WAIT2: closed here, and the server does not close its side. Each "
			"holds its port for %d s. Let the server close when the client has, or wait less:",
			waiting, connections_are(waiting), sysctl_number("tcp_fin_timeout", 60));
}

static void on_time_wait(struct advisor *a)
{
	const struct tuple_count *count = &a->space->count;
	const struct port_space *ports = &a->check->ports;
	uint32_t waiting = count->by_state[STATE_TIME_WAIT] - count->reusable;

	if (!waiting || waiting * 2 < count->in_use || !advisor_is_tight(a))
		return;
	advisor_add(a, "",
		    "%u %s in TIME_WAIT, 60 s each, as this side closes first. Keep connections open "
		    "(keepalive, a pool), or let the server close first.",
		    waiting, one_or_many(waiting, "port is", "ports are"));
	if (ports->timestamps && !tuple_reusable(&a->space->now.key, ports))
		advisor_sysctl(a, "net.ipv4.tcp_tw_reuse=1",
			       "Let connect() take over a TIME_WAIT after %g s instead of 60:",
			       port_range_reuse_ms(&ports->range) / 1e3);
}

void advise_on_states(struct advisor *a)
{
	on_nat(a);
	on_syn_sent(a);
	on_close_wait(a);
	on_fin_wait2(a);
	on_time_wait(a);
}
