// SPDX-License-Identifier: Apache-2.0
/* calls_bind - the cases about bind(), listen(), accept() and getsockname(), deferral above all */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

static void has_port(void)
{
	server();
	int fd = tcp(AF_INET, 0);
	show_name(fd, true);
	CALL(bind(fd, ipv4("127.0.0.1", 0), V4_SIZE));
	unsigned first = show_name(fd, true);
	printf("the same again: %d\n", show_name(fd, true) == first);
	printf("the kernel agrees: %d\n", kernel_port(fd) == first);
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	printf("kept by connect(): %d\n", show_name(fd, true) == first);
}

static void any_address(void)
{
	server();
	int fd = tcp(AF_INET, 0);
	CALL(bind(fd, ipv4("0.0.0.0", 0), V4_SIZE));
	unsigned first = show_name(fd, true);
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	printf("kept by connect(): %d\n", show_name(fd, false) == first);
	fd = tcp(AF_INET, SOCK_NONBLOCK);
	CALL(bind(fd, ipv4("0.0.0.0", 0), V4_SIZE));
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	wait_writable(fd);
	show_name(fd, false);
}

static void then_connect(void)
{
	server();
	int fd = tcp(AF_INET, 0);
	CALL(bind(fd, ipv4("127.0.0.9", 0), V4_SIZE));
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	unsigned first = show_name(fd, true);
	printf("the kernel agrees: %d\n", kernel_port(fd) == first);
	fd = tcp(AF_INET, 0);
	CALL(bind(fd, ipv4("127.0.0.9", 0), V4_SIZE));
	CALL(connect(fd, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	show_name(fd, true);
}

static void then_listen(void)
{
	int fd = tcp(AF_INET, 0), client = tcp(AF_INET, 0);

	CALL(bind(fd, ipv4("127.0.0.1", 0), V4_SIZE));
	CALL(listen(fd, 5));
	unsigned port = show_name(fd, true);
	printf("the kernel agrees: %d\n", kernel_port(fd) == port);
	CALL(connect(client, ipv4("127.0.0.1", port), V4_SIZE));
	int accepted = (int)CALL(accept(fd, NULL, NULL));
	printf("accepted on it: %d\n", show_name(accepted, true) == port);
	CALL(bind(tcp(AF_INET, 0), ipv4("127.0.0.1", port), V4_SIZE));
	CALL(bind(fd, ipv4("127.0.0.1", 0), V4_SIZE));
	CALL(connect(fd, ipv4("127.0.0.1", port), V4_SIZE));
}

static void listen_without_bind(void)
{
	int fd = tcp(AF_INET, 0);

	CALL(listen(fd, 5));
	show_name(fd, true);
	CALL(listen(fd, 10));
	CALL(listen(-1, 5));
	CALL(listen(socket(AF_INET, SOCK_DGRAM, 0), 5));
}

static void twice(void)
{
	int fd = tcp(AF_INET, 0);

	CALL(bind(fd, ipv4("127.0.0.1", 0), V4_SIZE));
	CALL(bind(fd, ipv4("127.0.0.1", 0), V4_SIZE));
	CALL(bind(fd, ipv4("127.0.0.2", CLOSED_PORT), V4_SIZE));
	show_name(fd, true);
	fd = tcp(AF_INET, 0);
	CALL(bind(fd, ipv4("127.0.0.1", CLOSED_PORT), V4_SIZE));
	CALL(bind(fd, ipv4("127.0.0.1", 0), V4_SIZE));
	fd = tcp(AF_INET6, 0);
	CALL(bind(fd, ipv6("::1", 0), V6_SIZE));
	CALL(bind(fd, ipv6("::1", 0), V6_SIZE));
}

static void explicit_port(void)
{
	int on = 1, fd = tcp(AF_INET, 0);

	server();
	CALL(bind(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(bind(fd, ipv4("127.0.0.9", 40033), V4_SIZE));
	printf("port %u\n", show_name(fd, true));
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	printf("port %u\n", show_name(fd, true));
	fd = tcp(AF_INET, 0);
	CALL(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	CALL(bind(fd, ipv4("127.0.0.9", 40033), V4_SIZE));
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
}

static void bad_arguments(void)
{
	int fd = tcp(AF_INET, 0), file = open("/dev/null", O_RDWR), v6 = tcp(AF_INET6, 0);

	CALL(bind(-1, ipv4("127.0.0.1", 0), V4_SIZE));
	CALL(bind(9999, ipv4("127.0.0.1", 0), V4_SIZE));
	CALL(bind(file, ipv4("127.0.0.1", 0), V4_SIZE));
	CALL(bind(fd, ipv4("127.0.0.1", 0), 1));
	CALL(bind(fd, ipv4("127.0.0.1", 0), 8));
	CALL(bind(fd, ipv4("127.0.0.1", 0), 200));
	CALL(bind(fd, NULL, V4_SIZE));
	CALL(bind(fd, (const struct sockaddr *)16, V4_SIZE));
	CALL(bind(fd, ipv4("192.0.2.1", 0), V4_SIZE));
	CALL(bind(fd, ipv6("::1", 0), V6_SIZE));
	CALL(bind(v6, ipv4("127.0.0.1", 0), V4_SIZE));
	CALL(bind(v6, ipv6("2001:db8::1", 0), V6_SIZE));
	CALL(bind(v6, ipv6("::1", 0), 24));
	CALL(getsockname(-1, NULL, NULL));
	CALL(getsockname(file, NULL, NULL));
	CALL(getsockname(fd, NULL, NULL));
	CALL(getsockname(fd, (struct sockaddr *)16, &(socklen_t){ 16 }));
	CALL(getsockname(fd, (struct sockaddr *)&(struct sockaddr_storage){ 0 },
			 &(socklen_t){ (socklen_t)-1 }));
	CALL(bind(fd, ipv4("127.0.0.1", 0), V4_SIZE));
	CALL(getsockname(fd, NULL, &(socklen_t){ 16 }));
	show_name(fd, true);
}

static void short_name(void)
{
	unsigned char bytes[16] = "................";
	socklen_t size = 5;
	int fd = tcp(AF_INET, 0);

	CALL(bind(fd, ipv4("127.0.0.1", 0), V4_SIZE));
	CALL(getsockname(fd, (struct sockaddr *)bytes, &size));
	printf("size %u, beyond it %c, port's first byte %s\n", size, bytes[5], bytes[2] ? "set" : "zero");
}

static void ipv6_addresses(void)
{
	server();
	int fd = tcp(AF_INET6, 0);
	CALL(bind(fd, ipv6("::1", 0), V6_SIZE));
	unsigned first = show_name(fd, true);
	printf("the kernel agrees: %d\n", kernel_port(fd) == first);
	fd = tcp(AF_INET6, 0);
	CALL(bind(fd, ipv6("::ffff:127.0.0.9", 0), V6_SIZE));
	show_name(fd, true);
	CALL(connect(fd, ipv6("::ffff:127.0.0.1", OPEN_PORT), V6_SIZE));
	show_name(fd, true);
	fd = tcp(AF_INET6, 0);
	CALL(bind(fd, ipv6("::ffff:127.0.0.9", 0), V6_SIZE));
	CALL(connect(fd, ipv6("::ffff:127.0.0.1", OPEN_PORT), V6_SIZE));
	show_name(fd, true);
	fd = tcp(AF_INET6, 0);
	CALL(bind(fd, ipv6("::", 0), V6_SIZE));
	CALL(listen(fd, 5));
	unsigned port = show_name(fd, true);
	CALL(connect(tcp(AF_INET, 0), ipv4("127.0.0.1", port), V4_SIZE));
}

static void own_no_port(void)
{
	int on = 1, off = 0, fd = tcp(AF_INET, 0);

	server();
	CALL(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)));
	CALL(bind(fd, ipv4("127.0.0.9", 0), V4_SIZE));
	show_name(fd, true);
	CALL(bind(fd, ipv4("127.0.0.8", 0), V4_SIZE));
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	show_name(fd, true);
	fd = tcp(AF_INET, 0);
	CALL(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)));
	CALL(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &off, sizeof(off)));
	CALL(bind(fd, ipv4("127.0.0.9", 0), V4_SIZE));
	show_name(fd, true);
}

#if !defined(__GLIBC__) /* musl has none */
#define bindresvport(fd, address) bind(fd, (const struct sockaddr *)(address), sizeof(*(address)))
#endif

/* libc binds by itself. */
static void reserved_port(void)
{
	int fd = tcp(AF_INET, 0), deferred = tcp(AF_INET, 0);
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 8) };

	server();
	CALL(bindresvport(fd, &own));
	CALL(bindresvport(fd, &own));
	show_name(fd, true);
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	show_name(fd, true);
	CALL(bind(deferred, ipv4("127.0.0.8", 0), V4_SIZE));
	CALL(bindresvport(deferred, &own));
	CALL(connect(deferred, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	show_name(deferred, true);
}

static void option_read_back(void)
{
	int value = 7, fd = tcp(AF_INET, 0);
	socklen_t size = sizeof(value);

	CALL(bind(fd, ipv4("127.0.0.9", 0), V4_SIZE));
	CALL(getsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &value, &size));
	printf("value %d\n", value);
	value = 1;
	CALL(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &value, sizeof(value)));
	show_name(fd, true);
	CALL(getsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &value, &size));
	printf("value %d\n", value);
}

static void reuse(void)
{
	int on = 1, a = tcp(AF_INET, 0), b = tcp(AF_INET, 0);

	CALL(setsockopt(a, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)));
	CALL(setsockopt(b, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)));
	CALL(bind(a, ipv4("127.0.0.9", 0), V4_SIZE));
	unsigned port = kernel_port(a);
	printf("%s port at once\n", port ? "a" : "no");
	CALL(bind(b, ipv4("127.0.0.9", port), V4_SIZE));
	CALL(listen(a, 5));
	CALL(listen(b, 5));
	int c = tcp(AF_INET, 0);
	CALL(setsockopt(c, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	CALL(bind(c, ipv4("127.0.0.9", 0), V4_SIZE));
	show_name(c, true);
}

/* Options set between bind() and listen(), which the port given late must honour. */
static void options_after_bind(void)
{
	int on = 1, a = tcp(AF_INET, 0), b = tcp(AF_INET, 0);

	CALL(bind(a, ipv4("127.0.0.9", 0), V4_SIZE));
	CALL(setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	CALL(setsockopt(a, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)));
	CALL(setsockopt(a, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	unsigned port = show_name(a, true);
	CALL(setsockopt(b, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)));
	CALL(bind(b, ipv4("127.0.0.9", port), V4_SIZE));
}

static void accepting(void)
{
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);
	int listening = server(), fd = tcp(AF_INET, 0);

	CALL(accept(fd, NULL, NULL));
	CALL(accept(-1, NULL, NULL));
	CALL(connect(fd, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	int accepted = (int)CALL(accept4(listening, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC));
	printf("peer family %d, size %u\n", peer.ss_family, size);
	printf("port %u\n", show_name(accepted, true));
	CALL(fcntl(accepted, F_GETFD));
	CALL(getpeername(tcp(AF_INET, 0), (struct sockaddr *)&peer, &size));
	CALL(getpeername(fd, (struct sockaddr *)&peer, &size));
	printf("peer port %u\n", ntohs(((struct sockaddr_in *)&peer)->sin_port));
	CALL(connect(accepted, ipv4("127.0.0.1", OPEN_PORT), V4_SIZE));
	CALL(bind(accepted, ipv4("127.0.0.1", 0), V4_SIZE));
	CALL(shutdown(accepted, SHUT_WR));
	CALL(close(accepted));
	CALL(recv(fd, &peer, 1, 0));
}

static void other_kinds(void)
{
	struct sockaddr_un autobind = { .sun_family = AF_UNIX };
	int raw = socket(AF_INET, SOCK_RAW, 253), fd = socket(AF_UNIX, SOCK_STREAM, 0);

	CALL(bind(fd, (struct sockaddr *)&autobind, sizeof(sa_family_t)));
	CALL(bind(fd, (struct sockaddr *)&autobind, sizeof(sa_family_t)) <= 0);
	CALL(bind(raw, ipv4("127.0.0.1", 0), V4_SIZE) <= 0);
	CALL(close(raw) <= 0);
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	CALL(bind(fd, ipv6("::1", 0), V6_SIZE));
	printf("the kernel gave it %s port\n", kernel_port(fd) ? "a" : "no");
	fd = socket(AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */);
	if (fd >= 0) {
		CALL(bind(fd, ipv4("127.0.0.1", 0), V4_SIZE));
		show_name(fd, true);
	}
}

const struct call_case bind_cases[] = {
	{ "bind-has-port", has_port },
	{ "bind-any-address", any_address },
	{ "bind-then-connect", then_connect },
	{ "bind-then-listen", then_listen },
	{ "bind-listen-without", listen_without_bind },
	{ "bind-twice", twice },
	{ "bind-explicit-port", explicit_port },
	{ "bind-bad-arguments", bad_arguments },
	{ "bind-short-name", short_name },
	{ "bind-ipv6", ipv6_addresses },
	{ "bind-own-no-port", own_no_port },
	{ "bind-option-read-back", option_read_back },
	{ "bind-reserved-port", reserved_port },
	{ "bind-reuse", reuse },
	{ "bind-options-after", options_after_bind },
	{ "bind-accept", accepting },
	{ "bind-other-kinds", other_kinds },
	{ NULL, NULL },
};
