// SPDX-License-Identifier: Apache-2.0
/* netns.c - a network namespace of its own for each platform program
 *
 * No ip(8), no sysctl(8), no shell: a program here needs nothing but the kernel it asks about. Whatever
 * the machine does not allow (namespaces in a container, a read-only /proc/sys) is a reason to skip, never
 * a failure, for it says nothing about the assumption.
 */
#include "netns.h"
#include "probe.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/**
 * netns_sysctl() - write one file below /proc/sys/net
 * @name: such as "ipv4/ip_local_port_range"
 * @value: what to write
 */
void netns_sysctl(const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		skip("cannot write %s: %s", path, strerror(errno));
	close(fd);
}

/**
 * netns_set_port_range() - the namespace's ip_local_port_range
 * @low: first port
 * @high: last port, in the range as well
 */
void netns_set_port_range(unsigned low, unsigned high)
{
	char value[32];

	snprintf(value, sizeof(value), "%u %u", low, high);
	netns_sysctl("ipv4/ip_local_port_range", value);
}

static struct ifreq request_for(const char *interface)
{
	struct ifreq request = { 0 };

	strncpy(request.ifr_name, interface, sizeof(request.ifr_name) - 1);
	return request;
}

static void interface_ioctl(int family, unsigned long call, void *argument, const char *what)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, call, argument))
		skip("cannot %s: %s", what, strerror(errno));
	close(fd);
}

/**
 * netns_link_up() - set an interface up
 * @interface: its name
 */
void netns_link_up(const char *interface)
{
	struct ifreq request = request_for(interface);

	interface_ioctl(AF_INET, SIOCGIFFLAGS, &request, "read the interface's flags");
	request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
	interface_ioctl(AF_INET, SIOCSIFFLAGS, &request, "set the interface up");
}

/**
 * netns_add_address4() - the IPv4 address of an interface
 * @interface: its name
 * @ip: the address
 * @mask: its network mask
 */
void netns_add_address4(const char *interface, const char *ip, const char *mask)
{
	struct ifreq request = request_for(interface);
	union endpoint e = endpoint(ip, 0);

	memcpy(&request.ifr_addr, &e.v4, sizeof(e.v4));
	interface_ioctl(AF_INET, SIOCSIFADDR, &request, "add an IPv4 address");
	e = endpoint(mask, 0);
	memcpy(&request.ifr_netmask, &e.v4, sizeof(e.v4));
	interface_ioctl(AF_INET, SIOCSIFNETMASK, &request, "set the network mask");
}

static bool can_bind(const union endpoint *e)
{
	int fd = socket(e->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool bound = fd >= 0 && !bind(fd, &e->any, endpoint_size(e));

	close(fd);
	return bound;
}

/**
 * netns_add_address6() - one more IPv6 address on an interface
 * @interface: its name
 * @ip: the address
 * @prefix_length: 0 to 128
 *
 * Returns once it can be bound: even on loopback an address is tentative until a kernel worker has ended
 * its duplicate address detection (addrconf_dad_work()).
 */
void netns_add_address6(const char *interface, const char *ip, unsigned prefix_length)
{
	static const struct timespec pause = { .tv_nsec = 1000000 };
	union endpoint e = endpoint(ip, 0);
	struct in6_ifreq request = {
		.ifr6_addr = e.v6.sin6_addr,
		.ifr6_prefixlen = prefix_length,
		.ifr6_ifindex = (int)if_nametoindex(interface),
	};

	interface_ioctl(AF_INET6, SIOCSIFADDR, &request, "add an IPv6 address");
	for (int waited_ms = 0; !can_bind(&e); waited_ms++) {
		if (waited_ms >= DEADLINE_MS)
			give_up(ip);
		nanosleep(&pause, NULL);
	}
}

/**
 * netns_configure() - one rtnetlink request, answered
 * @request: with NLM_F_ACK
 * @what: what it does, for the reason to skip
 */
void netns_configure(struct nlmsghdr *request, const char *what)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr answer;
		char more[512];
	} reply = { 0 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0 || send(fd, request, request->nlmsg_len, 0) < 0 || recv(fd, &reply, sizeof(reply), 0) < 0)
		give_up("rtnetlink");
	if (reply.header.nlmsg_type != NLMSG_ERROR || reply.answer.error)
		skip("cannot %s: %s", what, strerror(-reply.answer.error));
	close(fd);
}

/**
 * netns_enter() - move this process into a new network namespace with loopback up and a range of 100 ports
 *
 * Root may do without a user namespace; in a container root often may not, so both ways are tried. No uid
 * is mapped: CAP_NET_ADMIN over the new namespace is all the set-up needs.
 */
void netns_enter(void)
{
	if ((geteuid() != 0 || unshare(CLONE_NEWNET)) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		skip("no network namespace allowed here: %s", strerror(errno));
	netns_link_up("lo");
	netns_set_port_range(RANGE_LOW, RANGE_HIGH);
	/* A segment that one processor delivers late is answered with RST, which ends a TIME_WAIT (RFC 1337).
	 */
	netns_sysctl("ipv4/tcp_rfc1337", "1");
}
