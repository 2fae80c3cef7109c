// SPDX-License-Identifier: Apache-2.0
/* backlog - the connections that a server of this host has not accepted yet, whoever made them. */
#include "pool/socket/backlog.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/routes/netlink.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

struct request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
};

/* The attributes that follow are of no use. */
struct reply {
	struct nlmsghdr header;
	union {
		struct inet_diag_msg socket;
		struct nlmsgerr error;
	};
};

/* The listener that a SYN to this address would meet (inet_diag_find_one_icsk(), net/ipv4/inet_diag.c). */
static struct request request_for(const struct endpoint *to)
{
	bool v4 = address_is_v4(&to->ip);
	struct request request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST },
		.body = { .sdiag_family = v4 ? AF_INET : AF_INET6,
			  .sdiag_protocol = IPPROTO_TCP,
			  .idiag_states = ~0u,
			  .id = { .idiag_sport = htons(to->port),
				  .idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } } },
	};

	if (v4)
		request.body.id.idiag_src[0] = to->ip.words_be[3];
	else
		memcpy(request.body.id.idiag_src, &to->ip, sizeof(to->ip));
	return request;
}

/* Of a listener the receive queue is what waits to be accepted (tcp_diag_get_info(), net/ipv4/tcp_diag.c). */
static long waiting_in(const struct reply *reply, long size)
{
	enum { LISTENS = 10 }; /* TCP_LISTEN (net/tcp_states.h) */

	if (size >= (long)NLMSG_LENGTH(sizeof(reply->error)) && reply->header.nlmsg_type == NLMSG_ERROR)
		return reply->error.error ?: -EPROTO;
	if (size < (long)NLMSG_LENGTH(sizeof(reply->socket)) ||
	    reply->header.nlmsg_type != SOCK_DIAG_BY_FAMILY || reply->socket.idiag_state != LISTENS)
		return -ENOENT;
	return reply->socket.idiag_rqueue;
}

COLD long backlog_ask(const struct endpoint *to)
{
	struct sockaddr_nl kernel_itself = { .nl_family = AF_NETLINK };
	struct request request = request_for(to);
	struct reply reply;
	long fd = netlink_open(NETLINK_SOCK_DIAG);

	if (fd < 0)
		return fd;
	long rc = kernel.sendto((int)fd, &request, sizeof(request), 0, &kernel_itself, sizeof(kernel_itself));
	if (rc >= 0)
		rc = kernel.recv((int)fd, &reply, sizeof(reply), MSG_DONTWAIT);
	kernel.close((int)fd);
	return rc < 0 ? rc : waiting_in(&reply, rc);
}
