// SPDX-License-Identifier: Apache-2.0
/* surroundings - the ports and addresses of the network namespace in which a cgroup's processes are. */
#include "cli/attach/surroundings.h"

#include "cli/shared/complain.h"
#include "pool/ports/range.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
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

	for (unsigned i = 0; i < plan->source_count; i++)
		if (!is_local(&plan->sources[i]) && !count++) {
			struct address source;
			memcpy(&source, &plan->sources[i], sizeof(source));
			address_format(&source, first);
		}
	if (count)
		complain("--sources",
			 "%u of %u are no addresses of this network, %s first: passed over until they are",
			 count, plan->source_count, first);
}

int surroundings_take(struct attach_plan *plan, const struct attach_target *target)
{
	struct port_range range;
	int back = go_where(attach_target_process(target->path));
	bool read = port_range_read(&range);

	warn_of_foreign(plan);
	if (back >= 0) {
		if (setns(back, CLONE_NEWNET))
			complain("attach", "cannot go back to the own network namespace: %s",
				 strerror(errno));
		close(back);
	}
	if (!read)
		return complain("attach", "/proc/sys/net/ipv4/ip_local_port_range cannot be read");
	plan->config.low = range.low;
	plan->config.high = range.high;
	plan->config.capacity = port_range_capacity(&range);
	return STATUS_FINE;
}
