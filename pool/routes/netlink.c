// SPDX-License-Identifier: Apache-2.0
/* netlink - a socket to ask the kernel by (rtnetlink(7)). */
#include "pool/routes/netlink.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/restraint.h"
#include "pool/routes/network.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

COLD long netlink_open(int family)
{
	if (restraint_filtered())
		return -EPERM;
	long fd = kernel_private_fd(kernel.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, family));
	if (fd >= 0 && network_left() && !network_is_home((int)fd)) {
		kernel.close((int)fd);
		return -EXDEV;
	}
	return fd;
}

COLD bool netlink_address(const struct rtattr *attribute, struct address *out)
{
	uint32_t v4_be;

	if (RTA_PAYLOAD(attribute) == sizeof(v4_be)) {
		memcpy(&v4_be, RTA_DATA(attribute), sizeof(v4_be));
		*out = address_from_v4(v4_be);
	} else if (RTA_PAYLOAD(attribute) == sizeof(*out)) {
		memcpy(out, RTA_DATA(attribute), sizeof(*out));
	} else {
		return false;
	}
	return true;
}
