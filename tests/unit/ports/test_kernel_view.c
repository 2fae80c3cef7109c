// SPDX-License-Identifier: Apache-2.0
/* test_kernel_view - what is asked of sock_diag, what is made of its answers, and /proc where it is refused.
 */
#include "pool/ports/kernel_view.h"
#include "pool/ports/proc_net_tcp.h"
#include "tests/unit/check.h"
#include "tests/unit/fake/kernel.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

enum { REPLIES = 8, SEEN = 16 };

/* What recv() on the netlink socket answers, one after the other. */
static struct {
	long error;
	_Alignas(struct nlmsghdr) char data[512];
	size_t size;
} replies[REPLIES];
static unsigned reply_count, replies_given;
static _Alignas(struct nlmsghdr) char asked[3][256];
static unsigned requests;
static struct socket_seen seen[SEEN];
static unsigned seen_count;
static struct kernel_view view;

static long scripted_recv(int fd, void *data, size_t size, int flags)
{
	(void)fd, (void)flags;
	if (replies_given == reply_count)
		return -EPROTO;
	unsigned i = replies_given++;
	if (replies[i].error)
		return replies[i].error;
	check(size >= replies[i].size);
	memcpy(data, replies[i].data, replies[i].size);
	return (long)replies[i].size;
}

static long recording_sendto(int fd, const void *data, size_t size, int flags, const void *sa,
			     socklen_t length)
{
	(void)fd, (void)flags, (void)sa, (void)length;
	check(requests < 3 && size <= sizeof(asked[0]));
	memcpy(asked[requests++], data, size);
	return (long)size;
}

static void start(void)
{
	fake_start();
	kernel.recv = scripted_recv;
	kernel.sendto = recording_sendto;
}

TestSuite(kernel_view, .init = start, .fini = fake_stop);

static void put_message(unsigned reply, uint16_t type, uint16_t flags, const void *body, size_t size)
{
	struct nlmsghdr header = { .nlmsg_len = (uint32_t)NLMSG_LENGTH(size),
				   .nlmsg_type = type,
				   .nlmsg_flags = flags };
	char *at = replies[reply].data + replies[reply].size;
	memcpy(at, &header, sizeof(header));
	memcpy(at + NLMSG_HDRLEN, body, size);
	replies[reply].size += NLMSG_ALIGN(header.nlmsg_len);
	if (reply_count <= reply)
		reply_count = reply + 1;
}

static void put_done(unsigned reply, int result)
{
	put_message(reply, NLMSG_DONE, 0, &result, sizeof(result));
}

static void put_socket(unsigned reply, const char *from, const char *to, uint8_t state)
{
	struct endpoint a = at(from), b = at(to);
	bool v4 = address_is_v4(&a.ip);
	struct inet_diag_msg m = {
		.idiag_family = v4 ? AF_INET : AF_INET6,
		.idiag_state = state,
		.idiag_inode = 77,
		.idiag_uid = 5,
		.id = { .idiag_sport = htons(a.port), .idiag_dport = htons(b.port), .idiag_if = 3 }
	};
	memcpy(m.id.idiag_src, v4 ? &a.ip.words_be[3] : a.ip.words_be, v4 ? 4 : 16);
	memcpy(m.id.idiag_dst, v4 ? &b.ip.words_be[3] : b.ip.words_be, v4 ? 4 : 16);
	put_message(reply, SOCK_DIAG_BY_FAMILY, 0, &m, sizeof(m));
}

static void keep(const struct socket_seen *one, void *context)
{
	check(context == seen && seen_count < SEEN);
	seen[seen_count++] = *one;
}

static int look(const struct kernel_filter *filter)
{
	return kernel_view_read(&view, filter, keep, seen);
}

static void check_socket(unsigned i, const char *from, const char *to, unsigned state)
{
	char text[ENDPOINT_TEXT_MAX];
	check(i < seen_count);
	check_text(endpoint_format(&seen[i].source, text), from);
	check_text(endpoint_format(&seen[i].destination, text), to);
	check_number(seen[i].state, state);
}

Test(kernel_view, sockets_of_both_families_are_visited)
{
	put_socket(0, "10.0.0.1:40000", "10.0.0.9:80", STATE_ESTABLISHED);
	put_socket(0, "10.0.0.1:40001", "10.0.0.9:80", STATE_TIME_WAIT);
	put_socket(1, "127.0.0.1:40002", "0.0.0.0:0", STATE_CLOSE);
	put_socket(2, "[fd00::1]:40003", "[fd00::9]:80", STATE_CLOSE_WAIT);
	put_socket(2, "[fe80::1]:40004", "[fe80::9]:80", STATE_SYN_SENT);
	put_done(2, 0);
	check_number(look(NULL), 0);
	check_number(view.sockets, 5);
	check_number(view.way, VIEW_SOCK_DIAG);
	check(!view.interrupted);
	check_socket(0, "10.0.0.1:40000", "10.0.0.9:80", STATE_ESTABLISHED);
	check_socket(1, "10.0.0.1:40001", "10.0.0.9:80", STATE_TIME_WAIT);
	check_socket(2, "127.0.0.1:40002", "0.0.0.0:0", STATE_BOUND_ONLY);
	check_socket(3, "[fd00::1]:40003", "[fd00::9]:80", STATE_CLOSE_WAIT);
	check_socket(4, "[fe80::1]:40004", "[fe80::9%3]:80", STATE_SYN_SENT);
	check_number(seen[0].inode, 77);
	check_number(seen[0].uid, 5);
	check_number(seen[0].interface, 3);
	check_number(seen[0].quiet_ms, SOCKET_QUIET_UNKNOWN);
	check_number(requests, 1);
	check_number(fake_open_fds(), 0);
}

Test(kernel_view, a_destination_is_chosen_by_the_kernel)
{
	struct endpoint to = at("10.0.0.9:443");
	struct kernel_filter filter = { .destination = &to, .states = 1u << STATE_TIME_WAIT };
	struct inet_diag_req body;
	struct inet_diag_bc_op op;
	struct inet_diag_hostcond condition;

	put_done(0, 0);
	check_number(look(&filter), 0);
	check_number(requests, 1);
	memcpy(&body, asked[0] + NLMSG_HDRLEN, sizeof(body));
	check_number(body.idiag_states, 1u << STATE_TIME_WAIT);
	memcpy(&op, asked[0] + NLMSG_HDRLEN + sizeof(body) + 4, sizeof(op));
	memcpy(&condition, asked[0] + NLMSG_HDRLEN + sizeof(body) + 4 + sizeof(op), sizeof(condition));
	check_number(op.code, INET_DIAG_BC_D_COND);
	check_number(op.yes, 16);
	check_number(op.no, 20);
	check_number(condition.family, AF_INET);
	check_number(condition.prefix_len, 32);
	check_number(condition.port, 443);
}

Test(kernel_view, a_kernel_without_the_older_request_is_asked_for_each_family)
{
	struct nlmsgerr error = { .error = -EINVAL };
	struct inet_diag_req_v2 body;

	put_message(0, NLMSG_ERROR, 0, &error, sizeof(error));
	put_socket(1, "10.0.0.1:40000", "10.0.0.9:80", STATE_ESTABLISHED);
	put_done(1, 0);
	put_socket(2, "[fd00::1]:40003", "[fd00::9]:80", STATE_CLOSE_WAIT);
	put_done(2, 0);
	check_number(look(NULL), 0);
	check_number(view.way, VIEW_SOCK_DIAG);
	check_number(seen_count, 2);
	check_number(requests, 3);
	memcpy(&body, asked[1] + NLMSG_HDRLEN, sizeof(body));
	check_number(body.sdiag_family, AF_INET);
	check_number(body.sdiag_protocol, IPPROTO_TCP);
	memcpy(&body, asked[2] + NLMSG_HDRLEN, sizeof(body));
	check_number(body.sdiag_family, AF_INET6);
}

Test(kernel_view, an_interrupted_dump_is_known)
{
	int fine = 0;
	put_message(0, NLMSG_DONE, NLM_F_DUMP_INTR, &fine, sizeof(fine));
	put_done(1, 0);
	check_number(look(NULL), 0);
	check(view.interrupted);
}

Test(kernel_view, a_kernel_without_ipv6_has_ipv4)
{
	struct nlmsgerr invalid = { .error = -EINVAL }, missing = { .error = -ENOENT };
	put_message(0, NLMSG_ERROR, 0, &invalid, sizeof(invalid));
	put_done(1, 0);
	put_message(2, NLMSG_ERROR, 0, &missing, sizeof(missing));
	check_number(look(NULL), 0);
	check_number(view.way, VIEW_SOCK_DIAG);
}

Test(kernel_view, signals_do_not_end_it)
{
	replies[0].error = -EINTR;
	reply_count = 1;
	put_done(1, 0);
	put_done(2, 0);
	check_number(look(NULL), 0);
	check_number(view.way, VIEW_SOCK_DIAG);
}

static const char table[] =
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	"   0: 0100000A:9C40 0900000A:01BB 01 00000010:00000020 00:00000000 00000000  1000        0 12345 1 "
	"0000000000000000 20 4 30 10 -1\n"
	"   1: 0100000A:9C41 0900000A:0050 06 00000000:00000000 03:00000BB8 00000000     0        0 0 3 "
	"0000000000000000\n";
static const char table6[] =
	"  sl  local_address                         remote_address\n"
	"   0: 0000000000000000FFFF00000100000A:9C42 0000000000000000FFFF00000900000A:01BB 08 "
	"00000000:00000000 00:00000000 00000000     0        0 99 1\n";

Test(kernel_view, where_sock_diag_is_refused_proc_has_them)
{
	fake_fail(CALL_SOCKET, EPERM);
	fake_file("/proc/net/tcp", table);
	fake_file("/proc/net/tcp6", table6);
	check_number(look(NULL), 0);
	check_number(view.way, VIEW_PROC);
	check_number(view.refused, -EPERM);
	check(view.no_bound_only);
	check_number(seen_count, 3);
	check_socket(0, "10.0.0.1:40000", "10.0.0.9:443", STATE_ESTABLISHED);
	check_number(seen[0].inode, 12345);
	check_number(seen[0].uid, 1000);
	check_number(seen[0].send_queue, 16);
	check_number(seen[0].receive_queue, 32);
	check_socket(1, "10.0.0.1:40001", "10.0.0.9:80", STATE_TIME_WAIT);
	check_number(seen[1].expires_ms, 30000);
	check_socket(2, "10.0.0.1:40002", "10.0.0.9:443", STATE_CLOSE_WAIT);
	check_number(fake_open_fds(), 0);
}

Test(kernel_view, proc_is_filtered_here)
{
	struct endpoint to = at("10.0.0.9:443");
	struct kernel_filter filter = { .destination = &to, .states = 1u << STATE_ESTABLISHED };
	fake_fail(CALL_SOCKET, EPERM);
	fake_file("/proc/net/tcp", table);
	check_number(look(&filter), 0);
	check_number(seen_count, 1);
	check_number(seen[0].source.port, 40000);
}

Test(kernel_view, without_either_the_refusal_is_reported)
{
	fake_fail(CALL_SOCKET, EPERM);
	check_number(look(NULL), -EPERM);
	check_number(view.sockets, 0);
}

Test(kernel_view, what_was_seen_before_a_failure_is_not_seen_twice)
{
	put_socket(0, "10.0.0.1:40000", "10.0.0.9:80", STATE_ESTABLISHED);
	put_done(1, -ENOMEM);
	fake_file("/proc/net/tcp", table);
	check_number(look(NULL), -ENOMEM);
	check_number(seen_count, 1);
}

Test(kernel_view, lines_that_are_no_sockets_are_passed_over)
{
	static const char *const lines[] = { "",
					     "  sl  local_address",
					     "   0: x",
					     "   0: 0100000A",
					     "   0: 0100000A:9C40",
					     "   0: 0100:9C40 0900:0050 01" };
	struct socket_seen one;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		check(!proc_net_tcp_line(lines[i], &one));
}

Test(kernel_view, releases_are_numbers)
{
	check(kernel_release_at_least("6.8.0-31-generic", 6, 8));
	check(kernel_release_at_least("6.18", 6, 8));
	check(kernel_release_at_least("7.0-rc1", 6, 8));
	check(!kernel_release_at_least("6.7.12", 6, 8));
	check(!kernel_release_at_least("5.15.0", 6, 8));
	check(!kernel_release_at_least("", 6, 8));
}
