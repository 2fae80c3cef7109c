// SPDX-License-Identifier: Apache-2.0
/* probe.h - sockets to ask the kernel with, and the one line a platform program prints */
#ifndef PLATFORM_PROBE_H
#define PLATFORM_PROBE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/socket.h>

/* Absent from the headers of glibc before 2.38 and Linux before 6.3 and 4.2; linux/in.h has the numbers. */
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

#define PORT_RANGE(low, high) ((uint32_t)(low) | (uint32_t)(high) << 16)
/* Both ends lie outside any sysctl range and are ignored: "whatever the namespace's range is". */
#define WHOLE_RANGE PORT_RANGE(1, 65535)

/* How long to wait for something that does happen. */
#define DEADLINE_MS 60000

union endpoint {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/**
 * struct attempt - how to make an outgoing connection
 * @to: remote IP
 * @port: remote port
 * @from: source to bind, NULL for none
 * @plain_bind: bind the source as programs always did, without IP_BIND_ADDRESS_NO_PORT
 * @reuse_address: with SO_REUSEADDR
 * @port_range: value of IP_LOCAL_PORT_RANGE, 0 to leave it alone
 * @udp: a datagram socket
 * @blocking: leave the socket blocking
 * @protocol: third argument of socket()
 */
struct attempt {
	const char *to;
	uint16_t port;
	const char *from;
	bool plain_bind;
	bool reuse_address;
	uint32_t port_range;
	bool udp;
	bool blocking;
	int protocol;
};

/**
 * struct filled - what fill() saw
 * @count: connections made before the first failure
 * @error: errno of that failure
 * @call: the call that failed: "bind" or "connect"
 */
struct filled {
	unsigned count;
	int error;
	const char *call;
};

union endpoint endpoint(const char *ip, uint16_t port);
socklen_t endpoint_size(const union endpoint *e);

int new_socket(const struct attempt *a);
int bind_to(int fd, const char *ip, uint16_t port, bool no_port);
int connect_to(int fd, const char *ip, uint16_t port);
int listener(const char *ip, uint16_t port);
void connected_pair(const char *ip, uint16_t port, int pair[2]);
struct filled fill(struct attempt a);
int open_fd(unsigned index);
void release_all(void);
void abort_close(int fd);

uint16_t local_port(int fd);
bool source_is(int fd, const char *ip);
bool have_ipv6(void);
void need_kernel(unsigned major, unsigned minor, const char *what);
void need_port_range_option(void);
void await_events(int fd, short events);
unsigned sockets_listed(uint16_t near_port, uint16_t far_port, unsigned state);
unsigned time_waits_left(uint16_t near_port, uint16_t far_port);

void expect(const char *what, bool holds);
void expect_count(const char *what, unsigned found, unsigned expected);
void expect_error(const char *what, int found, int expected);
void expect_filled(const char *what, struct filled found, unsigned expected);
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
int verdict(void);
noreturn void skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
noreturn void give_up(const char *what);

#endif
