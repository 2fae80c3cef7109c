// SPDX-License-Identifier: Apache-2.0
/* target - the destinations that HOST:PORT names. */
#include "cli/check/target.h"

#include "cli/shared/complain.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

enum { HOST_MAX = 256 };

/* HOST:PORT, ADDRESS:PORT or [ADDRESS]:PORT. Return: false after a complaint */
static bool split(const char *text, char *host, unsigned *port)
{
	const char *colon = strrchr(text, ':');
	const char *bracket = strchr(text, ']');
	bool half_bracketed = *text == '[' && (!bracket || bracket + 1 != colon);
	char *end;

	if (!colon || colon == text || !colon[1] || half_bracketed)
		return complain(text, "expected HOST:PORT, such as 10.0.0.9:443 or [fd00::9]:443"), false;
	errno = 0;
	unsigned long number = strtoul(colon + 1, &end, 10);
	if (*end || colon[1] < '0' || colon[1] > '9') {
		const struct servent *service = getservbyname(colon + 1, "tcp");
		if (!service)
			return complain(text, "`%s` is neither a port nor the name of a service", colon + 1),
			       false;
		number = ntohs((uint16_t)service->s_port);
	}
	if (errno || number < 1 || number > 65535)
		return complain(text, "port %s is not between 1 and 65535", colon + 1), false;
	*port = (unsigned)number;
	size_t length = (size_t)(colon - text);
	bool brackets = *text == '[' && text[length - 1] == ']';
	if (!brackets && memchr(text, ':', length))
		return complain(text, "an IPv6 address needs brackets: [%.*s]:%lu", (int)length, text,
				number),
		       false;
	text += brackets;
	length -= brackets ? 2 : 0;
	if (!length || length >= HOST_MAX)
		return complain(text, "is not a host name"), false;
	memcpy(host, text, length);
	host[length] = '\0';
	return true;
}

static bool known(const struct check *check, const struct endpoint *endpoint)
{
	for (unsigned i = 0; i < check->target_count; i++)
		if (endpoint_equal(&check->targets[i].endpoint, endpoint))
			return true;
	return false;
}

int check_target_add(struct check *check, const char *text)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	char host[HOST_MAX];
	struct endpoint endpoint;
	unsigned port;

	if (!split(text, host, &port))
		return STATUS_USAGE;
	int rc = getaddrinfo(host, NULL, &hints, &found);
	if (rc)
		return complain(text, "%s", rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
	for (const struct addrinfo *a = found; a; a = a->ai_next) {
		if (!endpoint_from_sockaddr(a->ai_addr, a->ai_addrlen, &endpoint))
			continue;
		endpoint.port = (uint16_t)port;
		/* connect() to the unset address is to this host (inet(7), tcp_v6_connect()). */
		if (address_is_unset(&endpoint.ip))
			endpoint.ip = a->ai_family == AF_INET
					      ? address_from_v4(htonl(INADDR_LOOPBACK))
					      : (struct address){ .v6 = IN6ADDR_LOOPBACK_INIT };
		if (known(check, &endpoint))
			continue;
		if (check->target_count == TARGETS_MAX) {
			freeaddrinfo(found);
			return complain(text, "more than %d destinations at once", TARGETS_MAX);
		}
		check->targets[check->target_count++] = (struct target){ .name = text, .endpoint = endpoint };
	}
	freeaddrinfo(found);
	return STATUS_FINE;
}
