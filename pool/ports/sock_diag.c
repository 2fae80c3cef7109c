// SPDX-License-Identifier: Apache-2.0
/* sock_diag - the kernel's list of TCP sockets over netlink. */
#include "pool/ports/sock_diag.h"

#include "pool/base/kernel.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <string.h>

/* The kernel fills at most 32 KiB at once, and only if an earlier recv() showed that much room
 * (netlink_dump(), net/netlink/af_netlink.c). */
enum { REPLY_SIZE = 65536 };

/* INET_DIAG_REQ_BYTECODE: "destination is this address (and port)": one conditional jump, that goes to the
 * end when it holds and beyond it when not (inet_diag_bc_run(), net/ipv4/inet_diag.c). */
struct condition {
	struct rtattr attribute;
	struct inet_diag_bc_op op;
	/* a struct inet_diag_hostcond: no member of that type, as it ends in an array without a length */
	uint8_t host[sizeof(struct inet_diag_hostcond)];
	uint8_t address[16];
};

/* The older request covers both families in one walk over the kernel's tables, which takes three quarters of
 * the time of two; the newer one is there for a kernel that has no other. */
union request {
	struct {
		struct nlmsghdr header;
		struct inet_diag_req body;
		struct condition condition;
	} both;
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 body;
		struct condition condition;
	} one;
};

struct pass {
	struct kernel_view *view;
	socket_visitor *visit;
	void *context;
};

/* Return: bytes of the condition that are used */
static size_t fill_condition(struct condition *condition, const struct endpoint *to)
{
	if (!to)
		return 0;
	bool v4 = address_is_v4(&to->ip);
	size_t address = v4 ? 4 : 16, length = sizeof(condition->op) + sizeof(condition->host) + address;

	condition->attribute = (struct rtattr){ .rta_type = INET_DIAG_REQ_BYTECODE,
						.rta_len = (unsigned short)RTA_LENGTH(length) };
	condition->op = (struct inet_diag_bc_op){ .code = INET_DIAG_BC_D_COND,
						  .yes = (unsigned char)length,
						  .no = (unsigned short)(length + 4) };
	/* An AF_INET condition holds for IPv4-mapped sockets as well. */
	struct inet_diag_hostcond host = { .family = v4 ? AF_INET : AF_INET6,
					   .prefix_len = (uint8_t)(address * 8),
					   .port = to->port ? to->port : -1 };

	memcpy(condition->host, &host, sizeof(host));
	memcpy(condition->address, v4 ? &to->ip.v6.s6_addr[12] : to->ip.v6.s6_addr, address);
	return RTA_LENGTH(length);
}

/* @family: AF_UNSPEC for both */
static long send_request(int fd, int family, const struct kernel_filter *filter)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	union request request = { 0 };
	size_t length;

	if (family == AF_UNSPEC) {
		length = sizeof(request.both.header) + sizeof(request.both.body) +
			 fill_condition(&request.both.condition, filter->destination);
		request.both.body.idiag_ext = filter->quiet ? 1 << (INET_DIAG_INFO - 1) : 0;
		request.both.body.idiag_states = filter->states ? filter->states : ~0u;
	} else {
		length = sizeof(request.one.header) + sizeof(request.one.body) +
			 fill_condition(&request.one.condition, filter->destination);
		request.one.body.sdiag_family = (uint8_t)family;
		request.one.body.sdiag_protocol = filter->udp ? IPPROTO_UDP : IPPROTO_TCP;
		request.one.body.idiag_ext = filter->quiet ? 1 << (INET_DIAG_INFO - 1) : 0;
		request.one.body.idiag_states = filter->states ? filter->states : ~0u;
	}
	request.both.header =
		(struct nlmsghdr){ .nlmsg_len = (uint32_t)length,
				   .nlmsg_type = family == AF_UNSPEC ? TCPDIAG_GETSOCK : SOCK_DIAG_BY_FAMILY,
				   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP };
	return kernel.sendto(fd, &request, length, 0, &to, sizeof(to));
}

static struct endpoint endpoint_of(uint8_t family, const uint32_t *address_be, uint16_t port_be)
{
	struct endpoint e = { .port = ntohs(port_be) };

	if (family == AF_INET)
		e.ip = address_from_v4(address_be[0]);
	else
		memcpy(&e.ip, address_be, sizeof(e.ip));
	return e;
}

/* The time since the last acknowledgement: any segment of the peer but a SYN carries one, its FIN too. */
static uint32_t quiet_of(const struct nlmsghdr *header)
{
	size_t left = header->nlmsg_len - NLMSG_LENGTH(sizeof(struct inet_diag_msg));
	const char *first = (const char *)NLMSG_DATA(header) + sizeof(struct inet_diag_msg);
	const size_t at = offsetof(struct tcp_info, tcpi_last_ack_recv);
	uint32_t quiet;

	for (const struct rtattr *a = (const void *)first; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == INET_DIAG_INFO && RTA_PAYLOAD(a) >= at + sizeof(quiet)) {
			memcpy(&quiet, (const char *)RTA_DATA(a) + at, sizeof(quiet));
			return quiet;
		}
	return SOCKET_QUIET_UNKNOWN;
}

static void take_message(struct pass *pass, const struct nlmsghdr *header)
{
	const struct inet_diag_msg *m = NLMSG_DATA(header);

	if ((header->nlmsg_type != SOCK_DIAG_BY_FAMILY && header->nlmsg_type != TCPDIAG_GETSOCK) ||
	    header->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return;
	struct socket_seen seen = {
		.source = endpoint_of(m->idiag_family, m->id.idiag_src, m->id.idiag_sport),
		.destination = endpoint_of(m->idiag_family, m->id.idiag_dst, m->id.idiag_dport),
		.interface = m->id.idiag_if,
		.uid = m->idiag_uid,
		.inode = m->idiag_inode,
		.expires_ms = m->idiag_timer ? m->idiag_expires : 0,
		.receive_queue = m->idiag_rqueue,
		.send_queue = m->idiag_wqueue,
		.quiet_ms = header->nlmsg_len > NLMSG_LENGTH(sizeof(*m)) ? quiet_of(header)
									 : SOCKET_QUIET_UNKNOWN,
		/* What bind() alone gave a port is listed as closed (inet_diag_dump_icsk(),
		   net/ipv4/inet_diag.c). */
		.state = m->idiag_state == STATE_CLOSE ? STATE_BOUND_ONLY : m->idiag_state,
		.retransmits = m->idiag_retrans,
		.family = m->idiag_family,
	};
	if (IN6_IS_ADDR_LINKLOCAL(&seen.destination.ip.v6))
		seen.destination.scope = seen.interface;
	pass->view->sockets++;
	pass->visit(&seen, pass->context);
}

/* Return: 1 for more to come, 0 at the end, or a negative errno */
static int take_reply(struct pass *pass, const char *reply, size_t left)
{
	for (const struct nlmsghdr *h = (const void *)reply; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
		if (h->nlmsg_flags & NLM_F_DUMP_INTR)
			pass->view->interrupted = true;
		if (h->nlmsg_type == NLMSG_DONE) {
			/* It carries the dump's result (netlink_dump_done(), net/netlink/af_netlink.c). */
			int result = 0;
			if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(result)))
				memcpy(&result, NLMSG_DATA(h), sizeof(result));
			return result < 0 ? result : 0;
		}
		if (h->nlmsg_type == NLMSG_ERROR) {
			const struct nlmsgerr *error = NLMSG_DATA(h);
			return error->error < 0 ? error->error : -EPROTO;
		}
		take_message(pass, h);
	}
	return 1;
}

static int read_family(struct pass *pass, int family, const struct kernel_filter *filter)
{
	_Alignas(struct nlmsghdr) char reply[REPLY_SIZE];
	int interrupted = 0;

	long fd = kernel_private_fd(kernel.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
	if (fd < 0)
		return (int)fd;
	long result = send_request((int)fd, family, filter);
	for (result = result < 0 ? result : 1; result > 0;) {
		/* What comes is queued before the call that asks for it returns (netlink_dump(),
		 * net/netlink/af_netlink.c): where nothing is, nothing will come. */
		long got = kernel.recv((int)fd, reply, sizeof(reply), MSG_DONTWAIT);
		if (got == -EINTR && interrupted++ < KERNEL_EINTR_MAX)
			continue;
		result = got > 0 ? take_reply(pass, reply, (size_t)got) : got ? got : -EPROTO;
	}
	kernel.close((int)fd);
	return (int)result;
}

int sock_diag_read(struct kernel_view *view, const struct kernel_filter *filter, socket_visitor *visit,
		   void *context)
{
	struct pass pass = { .view = view, .visit = visit, .context = context };

	/* The older request is of TCP only. */
	int rc = filter->udp ? -EOPNOTSUPP : read_family(&pass, AF_UNSPEC, filter);
	if (!rc || view->sockets)
		return rc;
	rc = read_family(&pass, AF_INET, filter);
	if (rc)
		return rc;
	rc = read_family(&pass, AF_INET6, filter);
	/* A kernel without IPv6 has no such list; there are no sockets that it would have shown. */
	return rc == -ENOENT ? 0 : rc;
}
