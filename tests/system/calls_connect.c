// SPDX-License-Identifier: Apache-2.0
/* calls_connect - the cases about connect(): results, errors, progress, families, other kinds of socket */
#include "calls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static void succeeds(void)
{
	int listening = server(), fd = tcp(AF_INET, 0);

	printf("fds %d %d\n", listening, fd);
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	show_name(fd, false);
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	so_error(fd);
	CALL(fcntl(fd, F_GETFL));
	CALL(fcntl(fd, F_GETFD));
	CALL(send(fd, "x", 1, 0));
	CALL(close(fd));
	CALL(close(fd));
}

static void refused(void)
{
	server();
	int fd = tcp(AF_INET, SOCK_CLOEXEC);
	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
	so_error(fd);
	CALL(fcntl(fd, F_GETFD));
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	show_name(fd, false);
}

/* The kernel goes on showing the port of a connection that failed, or was taken apart. */
static void name_afterwards(void)
{
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	int fd = tcp(AF_INET, 0);

	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
	show_name(fd, false);
	server();
	fd = tcp(AF_INET, 0);
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(connect(fd, &nowhere, sizeof(nowhere)));
	show_name(fd, true);
}

static void refused_then_bound(void)
{
	server();
	int fd = tcp(AF_INET, 0);
	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
	CALL(bind(fd, ipv4("127.0.0.77", 0), V4_SIZE));
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	show_name(fd, true);
}

static void refused_later(void)
{
	int fd = tcp(AF_INET, SOCK_NONBLOCK);

	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
	wait_writable(fd);
	so_error(fd);
	so_error(fd);
	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
	wait_writable(fd);
	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
}

static void unreachable(void)
{
	server();
	int fd = tcp(AF_INET, 0);
	CALL(connect(fd, ipv4("192.0.2.1", 80), V4_SIZE));
	show_name(fd, true);
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	fd = tcp(AF_INET, SOCK_NONBLOCK);
	CALL(connect(fd, ipv4("192.0.2.1", 80), V4_SIZE));
	CALL(connect(fd, ipv4("255.255.255.255", 80), V4_SIZE));
	CALL(connect(fd, ipv4("224.0.0.1", 80), V4_SIZE));
	fd = tcp(AF_INET6, 0);
	CALL(connect(fd, ipv6("2001:db8::1", 80), V6_SIZE));
}

static void in_progress(void)
{
	server();
	int fd = tcp(AF_INET, SOCK_NONBLOCK);
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	wait_writable(fd);
	so_error(fd);
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(fcntl(fd, F_GETFL));
	show_name(fd, false);
}

static void already(void)
{
	silent_server();
	int fd = tcp(AF_INET, SOCK_NONBLOCK);
	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
	so_error(fd);
	show_name(fd, false);
	CALL(bind(fd, ipv4("127.0.0.1", 0), V4_SIZE));
	CALL(listen(fd, 1));
	CALL(shutdown(fd, SHUT_RDWR));
	CALL(close(fd));
}

static void show_address(int fd)
{
	struct sockaddr_in name = { 0 };
	socklen_t size = sizeof(name);
	char text[INET_ADDRSTRLEN];

	getsockname(fd, (struct sockaddr *)&name, &size);
	printf("bound to %s\n", inet_ntop(AF_INET, &name.sin_addr, text, sizeof(text)));
}

/* The socket may be connected again (inet_shutdown(), net/ipv4/af_inet.c). */
static void shut_under_way(void)
{
	static const int ways[] = { SHUT_RD, SHUT_WR, SHUT_RDWR };

	server();
	silent_server();
	for (unsigned i = 0; i < 3; i++) {
		int fd = tcp(AF_INET, SOCK_NONBLOCK);
		CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
		CALL(shutdown(fd, ways[i]));
		show_address(fd);
		CALL(shutdown(fd, ways[i]));
		CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
		wait_writable(fd);
		so_error(fd);
		show_name(fd, false);
		CALL(close(fd));
	}
}

static void on_alarm(int number)
{
	(void)number;
}

static void interrupted(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval soon = { .it_value.tv_usec = 50000, .it_interval.tv_usec = 50000 };
	int server_fd = silent_server(), fd = tcp(AF_INET, 0);

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	close(server_fd);
}

static void send_timeout(void)
{
	struct timeval limit = { .tv_usec = 50000 };

	silent_server();
	int fd = tcp(AF_INET, 0);
	CALL(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)));
	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
}

static void bad_arguments(void)
{
	int fd = tcp(AF_INET, 0), file = open("/dev/null", O_RDWR);

	CALL(connect(-1, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
	CALL(connect(9999, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
	CALL(connect(file, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), 1));
	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), 4));
	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), 0));
	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), (socklen_t)-1));
	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), 200));
	CALL(connect(fd, NULL, V4_SIZE));
	CALL(connect(fd, (const struct sockaddr *)16, V4_SIZE));
	CALL(connect(fd, ipv4("127.0.0.1", 0), V4_SIZE));
	int v6 = tcp(AF_INET6, 0);
	CALL(connect(v6, ipv6("::1", CLOSED_PORT), 24));
	CALL(connect(v6, ipv6("::1", CLOSED_PORT), 20));
	CALL(connect(v6, NULL, V6_SIZE));
}

/* An address that is neither null nor small, and still not readable: LTP and fuzzers do this. */
static void unreadable_address(void)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct sockaddr *at_page, *at_end = (const void *)(page + 4096 - 8);
	int fd = tcp(AF_INET, 0);

	memcpy(page + 4096 - 8, ipv4("127.0.0.1", CLOSED_PORT), 8);
	CALL(mprotect(page + 4096, 4096, PROT_NONE));
	CALL(connect(fd, at_end, V4_SIZE));
	CALL(bind(fd, at_end, V4_SIZE));
	CALL(sendto(fd, "x", 1, MSG_FASTOPEN, at_end, V4_SIZE));
	/* Other memory: that an address was once read from a page is remembered (docs/users/shim.md,
	 * exceptions). */
	at_page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CALL(connect(fd, at_page, V4_SIZE));
	CALL(bind(fd, at_page, V4_SIZE));
	CALL(sendto(fd, "x", 1, MSG_FASTOPEN, at_page, V4_SIZE));
}

static void listening_socket(void)
{
	int fd = server();

	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
}

static void families(void)
{
	struct sockaddr strange = { .sa_family = 4095 };
	int fd = tcp(AF_INET, 0), v6 = tcp(AF_INET6, 0), on = 1;

	server();
	CALL(connect(fd, ipv6("::1", CLOSED_PORT), V6_SIZE));
	CALL(connect(v6, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(connect(fd, &strange, sizeof(strange)));
	int mapped = tcp(AF_INET6, 0);
	CALL(connect(mapped, ipv6("::ffff:127.0.0.1", OPEN_PORT), V6_SIZE));
	show_name(mapped, false);
	CALL(connect(mapped, ipv6("::ffff:127.0.0.1", OPEN_PORT), V6_SIZE));
	int only = tcp(AF_INET6, 0);
	CALL(setsockopt(only, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)));
	CALL(connect(only, ipv6("::ffff:127.0.0.1", OPEN_PORT), V6_SIZE));
	int any = tcp(AF_INET, 0);
	CALL(connect(any, ipv4("0.0.0.0", OPEN_PORT), V4_SIZE));
	CALL(connect(tcp(AF_INET6, 0), ipv6("::1", CLOSED_PORT), V6_SIZE));
}

/* What the kernel refuses for its family alone says nothing of the sources that later connections go from. */
static void other_family(void)
{
	int listening = tcp(AF_INET6, 0), v4 = tcp(AF_INET, 0), v6 = tcp(AF_INET6, 0);

	server();
	CALL(bind(listening, ipv6("fd00::1", OPEN_PORT), V6_SIZE));
	CALL(listen(listening, 5));
	CALL(connect(v4, ipv6("fd00::1", OPEN_PORT), V6_SIZE));
	CALL(connect(tcp(AF_INET6, 0), ipv6("fd00::1", OPEN_PORT), V6_SIZE));
	CALL(connect(v4, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(connect(v6, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(connect(v6, ipv4("127.0.0.1", OPEN_PORT), V6_SIZE));
	CALL(connect(v6, ipv6("fd00::1", OPEN_PORT), V6_SIZE));
	show_name(v6, false);
}

static void disconnect(void)
{
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

	server();
	int fd = tcp(AF_INET, 0);
	CALL(connect(fd, &nowhere, sizeof(nowhere)));
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(connect(fd, &nowhere, sizeof(nowhere)));
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	show_name(fd, false);
}

static void udp(void)
{
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
	show_name(fd, true);
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(connect(fd, &nowhere, sizeof(nowhere)));
	CALL(bind(fd, ipv4("127.0.0.1", 0), V4_SIZE));
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	CALL(bind(fd, ipv4("127.0.0.1", 0), V4_SIZE));
	printf("the kernel gave it %s port\n", kernel_port(fd) ? "a" : "no");
	CALL(bind(fd, ipv4("127.0.0.1", 0), V4_SIZE));
	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
	show_name(fd, true);
	CALL(send(fd, "x", 1, 0));
}

static void unix_sockets(void)
{
	struct sockaddr_un missing = { .sun_family = AF_UNIX, .sun_path = "/nonexistent/socket" };
	struct sockaddr_un abstract = { .sun_family = AF_UNIX, .sun_path = "\0headroom-calls" };
	socklen_t size = offsetof(struct sockaddr_un, sun_path) + 15;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), listening = socket(AF_UNIX, SOCK_STREAM, 0), pair[2];

	CALL(connect(fd, (struct sockaddr *)&missing, sizeof(missing)));
	CALL(connect(fd, (struct sockaddr *)&abstract, size));
	CALL(bind(listening, (struct sockaddr *)&abstract, size));
	CALL(listen(listening, 1));
	CALL(connect(fd, (struct sockaddr *)&abstract, size));
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	CALL(connect(pair[0], (struct sockaddr *)&abstract, size));
	show_name(pair[0], false);
}

static void in_epoll(void)
{
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET, .data.u64 = 0x1234567890 };

	server();
	int fd = tcp(AF_INET, SOCK_NONBLOCK), epoll = epoll_create1(0);
	CALL(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	do /* EPOLLHUP of a socket not yet connected may come first. */
		event.events = 0;
	while (epoll_wait(epoll, &event, 1, 60000) == 1 && !(event.events & EPOLLOUT));
	printf("writable: %d\n", (event.events & EPOLLOUT) != 0);
	printf("data %llx\n", (unsigned long long)event.data.u64);
	so_error(fd);
	CALL(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

static void fast_open(void)
{
	struct iovec part = { .iov_base = "hello", .iov_len = 5 };
	int listening = server(), queue = 16, on = 1, fd = tcp(AF_INET, 0);
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	CALL(setsockopt(listening, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue)));
	CALL(sendto(fd, "hello", 5, MSG_FASTOPEN, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	show_name(fd, false);
	CALL(sendto(fd, "hello", 5, MSG_FASTOPEN, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	fd = tcp(AF_INET, 0);
	message.msg_name = (void *)ipv4("127.0.0.1", OPEN_PORT);
	message.msg_namelen = V4_SIZE;
	CALL(sendmsg(fd, &message, MSG_FASTOPEN));
	fd = tcp(AF_INET, 0);
	CALL(sendto(fd, "hello", 5, MSG_NOSIGNAL, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(sendto(fd, "hello", 5, MSG_FASTOPEN, NULL, 0));
	CALL(sendto(fd, "hello", 5, MSG_FASTOPEN, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
	fd = tcp(AF_INET, 0);
	CALL(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on)));
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(send(fd, "hello", 5, 0));
}

static void *connect_once(void *unused)
{
	int fd = tcp(AF_INET, 0);

	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(close(fd));
	return unused;
}

static void smallest_stack(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	server();
	pthread_attr_init(&attributes);
	CALL(pthread_attr_setstacksize(&attributes, 16384 + 4096)); /* PTHREAD_STACK_MIN and printf's share */
	if (pthread_create(&thread, &attributes, connect_once, NULL) ==
	    0) /* not printed: the thread prints now */
		CALL(pthread_join(thread, NULL));
}

static void own_options(void)
{
	unsigned range = 40010 | 40011u << 16, seen = 1;
	socklen_t size = sizeof(seen);
	int on = 1;

	server();
	for (int i = 0; i < 3; i++) {
		int fd = tcp(AF_INET, 0);
		CALL(setsockopt(fd, IPPROTO_IP, 51 /* IP_LOCAL_PORT_RANGE */, &range, sizeof(range)));
		CALL(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)));
		CALL(bind(fd, ipv4("127.0.0.1", 0), V4_SIZE));
		show_name(fd, true);
		CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
		CALL(getsockopt(fd, IPPROTO_IP, 51, &seen, &size));
		printf("  range %x\n", seen);
	}
}

static void options_read_back(void)
{
	unsigned range = 1, no_port = 1;
	socklen_t size = sizeof(range);

	server();
	int fd = tcp(AF_INET, 0);
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(getsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &no_port, &size));
	CALL(getsockopt(fd, IPPROTO_IP, 51 /* IP_LOCAL_PORT_RANGE */, &range, &size));
	printf("no_port %u, range %x\n", no_port, range);
}

const struct call_case connect_cases[] = {
	{ "connect-succeeds", succeeds },
	{ "connect-refused", refused },
	{ "connect-name-afterwards", name_afterwards },
	{ "connect-refused-then-bound", refused_then_bound },
	{ "connect-refused-later", refused_later },
	{ "connect-unreachable", unreachable },
	{ "connect-in-progress", in_progress },
	{ "connect-already", already },
	{ "connect-shut-under-way", shut_under_way },
	{ "connect-interrupted", interrupted },
	{ "connect-send-timeout", send_timeout },
	{ "connect-bad-arguments", bad_arguments },
	{ "connect-unreadable-address", unreadable_address },
	{ "connect-on-listener", listening_socket },
	{ "connect-families", families },
	{ "connect-other-family", other_family },
	{ "connect-disconnect", disconnect },
	{ "connect-udp", udp },
	{ "connect-unix", unix_sockets },
	{ "connect-in-epoll", in_epoll },
	{ "connect-fast-open", fast_open },
	{ "connect-smallest-stack", smallest_stack },
	{ "connect-own-options", own_options },
	{ "connect-options-read-back", options_read_back },
	{ NULL, NULL },
};
