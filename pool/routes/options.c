// SPDX-License-Identifier: Apache-2.0
/* options - socket options that the kernel looks at when it chooses the route, and so the source. */
#include "pool/routes/options.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"

#include <linux/in6.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>

#ifndef IP_UNICAST_IF
#define IP_UNICAST_IF 50
#endif
#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif
/* linux/in6.h; glibc's headers leave them out. */
#ifndef IPV6_FLOWINFO_SEND
#define IPV6_FLOWINFO_SEND 33
#endif
#ifndef IPV6_UNICAST_IF
#define IPV6_UNICAST_IF 76
#endif

enum { ECN_BITS = 3 };

struct option {
	int level, name;
	bool sized; /* set when it has a length at all */
};

static const struct option options[] = {
	{ SOL_SOCKET, SO_MARK, false },
	{ SOL_SOCKET, SO_BINDTODEVICE, false },
	{ SOL_SOCKET, SO_BINDTOIFINDEX, false },
	{ SOL_SOCKET, SO_DONTROUTE, false },
	{ IPPROTO_IP, IP_TRANSPARENT, false },
	{ IPPROTO_IP, IP_UNICAST_IF, false },
	{ IPPROTO_IP, IP_OPTIONS, true },
	{ IPPROTO_IPV6, IPV6_TRANSPARENT, false },
	{ IPPROTO_IPV6, IPV6_UNICAST_IF, false },
	{ IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, false },
	{ IPPROTO_IPV6, IPV6_FLOWINFO_SEND, false },
	{ IPPROTO_IPV6, IPV6_PKTINFO, false },
	{ IPPROTO_IPV6, IPV6_RTHDR, true },
};
enum { OPTION_COUNT = sizeof(options) / sizeof(options[0]) };

bool routing_option(int level, int name)
{
	/* Most of what programs set is of TCP, and every option that they set comes here. */
	if (level == IPPROTO_TCP)
		return false;
	for (unsigned i = 0; i < OPTION_COUNT; i++)
		if (options[i].level == level && options[i].name == name)
			return true;
	return false;
}

/* What a new socket shows are the preferences it has by default (RFC 5014, section 5; do_ipv6_getsockopt(),
 * net/ipv6/ipv6_sockglue.c). */
static bool prefers(const void *value, socklen_t length)
{
	enum { PREFERENCES = IPV6_PREFER_SRC_TMP | IPV6_PREFER_SRC_PUBLIC | IPV6_PREFER_SRC_COA };
	int number = 0;

	memcpy(&number, value, length < sizeof(number) ? length : sizeof(number));
	return number & PREFERENCES;
}

static bool holds_something(const void *value, socklen_t length)
{
	for (socklen_t i = 0; i < length; i++)
		if (((const char *)value)[i])
			return true;
	return false;
}

static bool is_set(const struct option *option, const void *value, socklen_t length)
{
	if (!value || !length)
		return false;
	if (option->sized)
		return true;
	if (option->level == SOL_SOCKET && option->name == SO_BINDTODEVICE)
		return *(const char *)value;
	if (option->level == IPPROTO_IPV6 && option->name == IPV6_ADDR_PREFERENCES)
		return prefers(value, length);
	/* The kernel reads no more, whatever length it is given. That one is a struct in6_pktinfo (ipv6(7)).
	 */
	socklen_t most = option->level == IPPROTO_IPV6 && option->name == IPV6_PKTINFO
				 ? sizeof(struct in6_addr) + sizeof(int)
				 : sizeof(int);
	return holds_something(value, length < most ? length : most);
}

bool routing_option_set(int level, int name, const void *value, socklen_t length)
{
	for (unsigned i = 0; i < OPTION_COUNT; i++)
		if (options[i].level == level && options[i].name == name)
			return is_set(&options[i], value, length);
	return false;
}

COLD bool routing_options_of(int fd)
{
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		char value[64] = "";
		socklen_t length =
			options[i].sized || options[i].name == SO_BINDTODEVICE ? sizeof(value) : sizeof(int);
		if (!kernel.getsockopt(fd, options[i].level, options[i].name, value, &length) &&
		    is_set(&options[i], value, length))
			return true;
	}
	return false;
}

bool traffic_class_option(int level, int name)
{
	return (level == IPPROTO_IP && name == IP_TOS) || (level == IPPROTO_IPV6 && name == IPV6_TCLASS);
}

COLD uint8_t traffic_class(int fd, int family)
{
	int value = 0;
	socklen_t length = sizeof(value);
	bool v4 = family == AF_INET;

	if (kernel.getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &value, &length))
		return 0;
	return (uint8_t)(value & ~ECN_BITS);
}
