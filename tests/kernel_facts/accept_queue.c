// SPDX-License-Identifier: Apache-2.0
/* accept_queue - sock_diag tells, for one listener asked for by its address and without privileges, how many
 * connections it has not accepted
 *
 * As the length of the receive queue (tcp_diag_get_info(), net/ipv4/tcp_diag.c). The listener is found as for
 * a SYN (inet_diag_find_one_icsk(), net/ipv4/inet_diag.c): one on all addresses, too, and of IPv6 for IPv4.
 */
#include "netns.h"
#include "probe.h"
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <unistd.h>

enum { PORT = 4431, WAITING = 3 };

static long waiting_at(const char *ip)
{
	union endpoint to = endpoint(ip, PORT);
	bool v4 = to.any.sa_family == AF_INET;
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 body;
	} request = { .header = { .nlmsg_len = sizeof(request),
				  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
				  .nlmsg_flags = NLM_F_REQUEST },
		      .body = { .sdiag_family = (uint8_t)to.any.sa_family,
				.sdiag_protocol = IPPROTO_TCP,
				.idiag_states = ~0u,
				.id = { .idiag_sport = htons(PORT),
					.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } } } };
	struct {
		struct nlmsghdr header;
		union {
			struct inet_diag_msg socket;
			struct nlmsgerr error;
		};
		char more[512];
	} reply = { 0 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (v4)
		memcpy(request.body.id.idiag_src, &to.v4.sin_addr, 4);
	else
		memcpy(request.body.id.idiag_src, &to.v6.sin6_addr, 16);
	if (fd < 0 || send(fd, &request, sizeof(request), 0) < 0)
		give_up("ask sock_diag");
	/* The answer is there when the call that asks returns. */
	if (recv(fd, &reply, sizeof(reply), MSG_DONTWAIT) < 0)
		give_up("the answer");
	close(fd);
	return reply.header.nlmsg_type == NLMSG_ERROR ? reply.error.error : (long)reply.socket.idiag_rqueue;
}

static void meet(const char *listens, const char *to)
{
	note("a listener at %s, asked for by %s", listens, to);
	int fd = listener(listens, PORT);
	expect_count("nobody waits", (unsigned)waiting_at(to), 0);
	for (int i = 0; i < WAITING; i++)
		connect_to(new_socket(&(struct attempt){ .to = to, .blocking = true }), to, PORT);
	expect_count("waiting", (unsigned)waiting_at(to), WAITING);
	close(accept(fd, NULL, NULL));
	expect_count("after one was accepted", (unsigned)waiting_at(to), WAITING - 1);
	close(fd);
	release_all();
}

int main(void)
{
	netns_enter();
	meet("127.0.0.1", "127.0.0.1");
	meet("0.0.0.0", "127.0.0.1");
	if (have_ipv6()) {
		meet("::1", "::1");
		meet("::", "127.0.0.1");
	}
	expect_error("nobody listens", (int)-waiting_at("127.0.0.1"), ENOENT);
	return verdict();
}
