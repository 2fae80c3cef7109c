// SPDX-License-Identifier: Apache-2.0
/* nat - is the source or the destination of a connection another one to the server? */
#include "cli/doctor/nat.h"

#include "pool/routes/route.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { ADDRESS_WORD = 64 };

/* The two directions of an entry: "src= dst= sport= dport=", as sent and as answered. */
struct tuple {
	char src[ADDRESS_WORD], dst[ADDRESS_WORD];
	unsigned sport, dport;
};

static bool take_tuple(const char **at, struct tuple *out)
{
	const char *found = strstr(*at, "src=");

	if (!found || sscanf(found, "src=%63s dst=%63s sport=%u dport=%u", out->src, out->dst, &out->sport,
			     &out->dport) != 4)
		return false;
	*at = found + 4;
	return true;
}

static void compare(const struct tuple *sent, const struct tuple *answered, char *out)
{
	if (strcmp(sent->src, answered->dst))
		snprintf(out, NAT_TEXT_MAX,
			 "leaves as %s: its ports are what ends, for all behind it together", answered->dst);
	else if (sent->sport != answered->dport)
		snprintf(out, NAT_TEXT_MAX, "its port is rewritten, %u to %u", sent->sport, answered->dport);
	else if (strcmp(sent->dst, answered->src) || sent->dport != answered->sport)
		snprintf(out, NAT_TEXT_MAX, "goes to %s:%u: counts are those of the address asked for",
			 answered->src, answered->sport);
}

void nat_rewritten(int fd, const struct endpoint *to, char *out)
{
	struct sockaddr_storage at;
	socklen_t length = sizeof(at);
	struct endpoint local;
	struct tuple sent, answered;
	char source[ADDRESS_TEXT_MAX], target[ADDRESS_TEXT_MAX], *line = NULL;
	size_t size = 0;

	*out = '\0';
	FILE *tracked = fopen("/proc/net/nf_conntrack", "re");
	if (!tracked)
		return;
	if (!getsockname(fd, (struct sockaddr *)&at, &length) &&
	    endpoint_from_sockaddr(&at, length, &local)) {
		address_format(&local.ip, source);
		address_format(&to->ip, target);
		while (getline(&line, &size, tracked) > 0) {
			const char *rest = line;
			if (strstr(line, " tcp ") && take_tuple(&rest, &sent) && sent.sport == local.port &&
			    sent.dport == to->port && !strcmp(sent.src, source) &&
			    !strcmp(sent.dst, target) && take_tuple(&rest, &answered)) {
				compare(&sent, &answered, out);
				break;
			}
		}
	}
	free(line);
	fclose(tracked);
}

/* RFC 1918, RFC 6598, RFC 3927, RFC 4193. */
static bool is_private(const struct address *address)
{
	static const struct {
		const char *net;
		unsigned bits;
	} nets[] = { { "10.0.0.0", 104 },   { "172.16.0.0", 108 },  { "192.168.0.0", 112 },
		     { "100.64.0.0", 106 }, { "169.254.0.0", 112 }, { "fc00::", 7 } };
	struct address net;

	for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++)
		if (address_parse(nets[i].net, strlen(nets[i].net), &net) &&
		    address_prefix_match(address, &net, nets[i].bits))
			return true;
	return address_is_loopback(address) || address_is_link_local(address);
}

void nat_between(struct findings *findings, const struct endpoint *to, bool reached)
{
	struct address source;
	char text[ADDRESS_TEXT_MAX];

	if (!reached || is_private(&to->ip) || route_source(to, NULL, &source) || !is_private(&source))
		return;
	finding_add(
		findings, FINDING_NOTE, "nat", "headroom explain nat",
		"%s is private and the server is not: NAT is between, and its ports end for all behind it "
		"together, whatever the sources here",
		address_format(&source, text));
}
