// SPDX-License-Identifier: Apache-2.0
/* binding - bind a socket to a source without taking a port. */
#include "pool/socket/binding.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"

HOT long binding_set_no_port(int fd, int on)
{
	return kernel.setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
}

HOT long binding_set_range(int fd, uint32_t ends)
{
	return kernel.setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &ends, sizeof(ends));
}

HOT long binding_to(int fd, int family, const struct address *source)
{
	struct sockaddr_storage sa;
	struct endpoint local = { .ip = *source };
	return kernel.bind(fd, &sa, endpoint_to_sockaddr(&local, family, &sa));
}

COLD static bool is_v6only(int fd)
{
	int on = 0;
	socklen_t length = sizeof(on);
	return kernel.getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, &length) == 0 && on;
}

HOT long binding_to_ours(int fd, int family, const struct address *source)
{
	static const int off;
	bool sets = unlikely(family == AF_INET6) && !address_is_v4(source) && !is_v6only(fd);
	long rc = binding_to(fd, family, source);

	if (unlikely(sets) && !rc)
		kernel.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	return rc;
}
