/* SPDX-License-Identifier: Apache-2.0 */
/* parse_address - an address and a port as programs and worlds write them. */
#include "parse_address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

bool parse_address(const char *text, struct sockaddr_storage *address, socklen_t *length)
{
	char host[80];
	memset(address, 0, sizeof *address);
	const char *colon = strrchr(text, ':');
	if (!colon || (size_t)(colon - text) >= sizeof host)
		return false;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	struct sockaddr_in *v4 = (void *)address;
	struct sockaddr_in6 *v6 = (void *)address;
	uint16_t port = htons((uint16_t)atoi(colon + 1));
	if (!strcmp(host, "unspec")) {
		v4->sin_family = AF_UNSPEC;
		v4->sin_port = port;
		*length = sizeof *v4;
		return true;
	}
	if (*host != '[') {
		v4->sin_family = AF_INET;
		v4->sin_port = port;
		*length = sizeof *v4;
		return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
	}
	host[strlen(host) - 1] = '\0';
	char *device = strchr(host, '%');
	if (device) {
		*device++ = '\0';
		v6->sin6_scope_id = if_nametoindex(device);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = port;
	*length = sizeof *v6;
	return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1;
}
