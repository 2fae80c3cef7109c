// SPDX-License-Identifier: Apache-2.0
/* host - is the port space of this network namespace sane, and what does this machine have? */
#include "cli/doctor/host.h"

#include "cli/attach/reached.h"
#include "cli/ports/conntrack.h"
#include "pool/base/kernel.h"
#include "pool/base/printable.h"
#include "pool/ports/range.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Fewer than the default range by much; so few TIME_WAITs that some end early. */
enum { PORTS_FEW = 16000, PER_CENT_RESERVED = 20 };

static void look_at_range(struct findings *findings, const struct port_range *range)
{
	uint32_t capacity = port_range_capacity(range), all = capacity + range->reserved;

	if (capacity < PORTS_FEW)
		finding_add(
			findings, FINDING_NOTE, "range",
			"sysctl net.ipv4.ip_local_port_range='15000 64999', where no service listens there",
			"%u-%u: few ports, %u for each source and destination", range->low, range->high,
			capacity);
	else
		finding_add(findings, FINDING_OK, "range", NULL,
			    "%u-%u: %u %s for each source and destination", range->low, range->high, capacity,
			    one_or_many(capacity, "port", "ports"));
	if (range->low < 1024)
		finding_add(findings, FINDING_BAD, "range", "begin it above 1023",
			    "it has ports below 1024, which services want");
	if (range->reserved * 100ull > all * (uint64_t)PER_CENT_RESERVED)
		finding_add(findings, FINDING_NOTE, "reserved", "headroom ports",
			    "%u of its ports %s reserved (ip_local_reserved_ports)", range->reserved,
			    one_or_many(range->reserved, "is", "are"));
}

static void look_at_waits(struct findings *findings, const struct port_range *range)
{
	if (range->time_wait_reuse == 1)
		finding_add(findings, FINDING_OK, "timewait", NULL,
			    "tcp_tw_reuse 1: a TIME_WAIT is taken over after %u ms, where both sides have "
			    "timestamps",
			    port_range_reuse_ms(range));
	else
		finding_add(findings, FINDING_NOTE, "timewait",
			    "sysctl net.ipv4.tcp_tw_reuse=1, where this side closes first",
			    "tcp_tw_reuse %u: a port is in TIME_WAIT for 60 s%s", range->time_wait_reuse,
			    range->time_wait_reuse ? ", but on loopback" : "");
	if (range->time_wait_reuse && port_range_reuse_ms(range) > 1000)
		finding_add(findings, FINDING_NOTE, "timewait", "sysctl net.ipv4.tcp_tw_reuse_delay=1000",
			    "tcp_tw_reuse_delay is %u ms", port_range_reuse_ms(range));
	if (range->waits_bound && range->waits_bound - 1 < port_range_capacity(range))
		finding_add(findings, FINDING_NOTE, "timewait", "sysctl net.ipv4.tcp_max_tw_buckets=262144",
			    "tcp_max_tw_buckets is %u: past it connections end without a TIME_WAIT, and late "
			    "segments can meet a new one",
			    range->waits_bound - 1);
}

static void look_at_tracking(struct findings *findings)
{
	struct conntrack nat;

	conntrack_read(&nat);
	if (!nat.known) {
		finding_add(findings, FINDING_OK, "conntrack", NULL, "connections are not tracked here");
		return;
	}
	if (conntrack_is_full(&nat))
		finding_add(findings, FINDING_BAD, "conntrack",
			    "sysctl net.netfilter.nf_conntrack_max=1048576",
			    "%llu of %llu connections: new ones are dropped, or will be soon",
			    (unsigned long long)nat.count, (unsigned long long)nat.most);
	else
		finding_add(findings, FINDING_OK, "conntrack", NULL, "%llu of %llu connections",
			    (unsigned long long)nat.count, (unsigned long long)nat.most);
	if (nat.insert_failed)
		finding_add(findings, FINDING_NOTE, "nat", "headroom explain nat",
			    "%llu %s not made since the start as NAT had no port left (insert_failed)",
			    (unsigned long long)nat.insert_failed,
			    one_or_many(nat.insert_failed, "connection was", "connections were"));
}

void doctor_ports(struct findings *findings)
{
	struct port_range range;

	if (!port_range_read(&range)) {
		finding_add(findings, FINDING_UNKNOWN, "range", "let /proc/sys be seen",
			    "/proc/sys/net/ipv4/ip_local_port_range does not show");
		return;
	}
	look_at_range(findings, &range);
	look_at_waits(findings, &range);
	look_at_tracking(findings);
}

static void look_at_option(struct findings *findings, const char *release)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint32_t any = 0;

	if (fd >= 0 && !setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &any, sizeof(any)))
		finding_add(findings, FINDING_OK, "kernel", NULL, "Linux %s: the shim removes the knee",
			    release);
	else
		finding_add(
			findings, FINDING_NOTE, "kernel", "name sources: spreading puts the knee off",
			"Linux %s has no IP_LOCAL_PORT_RANGE (6.3, 6.1.37): the shim cannot remove the knee",
			release);
	if (fd >= 0)
		close(fd);
}

void doctor_machine(struct findings *findings)
{
	char reason[ATTACHED_REASON_MAX], preload[512];
	struct utsname system = { 0 };

	uname(&system);
	look_at_option(findings, system.release);
	if (attached_process(0, reason) == ATTACHED_CANNOT)
		finding_add(findings, FINDING_NOTE, "attach", NULL, "not here: %s", reason);
	else
		finding_add(findings, FINDING_OK, "attach", NULL, "can be used here");
	if (kernel_read_file("/etc/ld.so.preload", preload, sizeof(preload)) > 0 &&
	    strstr(preload, "libheadroom"))
		finding_add(findings, FINDING_NOTE, "preload", "name it for the programs that need it",
			    "/etc/ld.so.preload has the shim in every program of this machine");
	if (geteuid())
		finding_add(findings, FINDING_NOTE, "rights", "ask as root",
			    "programs of other users do not show");
}
