// SPDX-License-Identifier: Apache-2.0
/* binding - bind a socket to a source without taking a port. */
#include "binding.h"

#include "hot.h"
#include "kernel.h"

HOT long binding_set_no_port(int fd, int on)
{
	return kernel.setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
}

HOT long binding_to(int fd, int family, const struct address *source)
{
	struct sockaddr_storage sa;
	struct endpoint local = { .ip = *source };
	return kernel.bind(fd, &sa, endpoint_to_sockaddr(&local, family, &sa));
}
