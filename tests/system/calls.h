// SPDX-License-Identifier: Apache-2.0
/* calls - what the files of the program `calls` share */
#ifndef CALLS_H
#define CALLS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#define OPEN_PORT   5000
#define CLOSED_PORT 5999

/** CALL() - makes a call and prints it with its result, and errno if it failed or errno if it changed on
 * success */
#define CALL(expression) report(#expression, (prepare(), (long)(expression)))

struct call_case {
	const char *name;
	void (*run)(void);
};

extern const struct call_case connect_cases[], bind_cases[], fd_cases[], held_cases[], number_cases[];

void prepare(void);
long report(const char *text, long value);

/** server() - a listening socket on 127.0.0.1:OPEN_PORT */
int server(void);

/** silent_server() - a listener on 127.0.0.1:CLOSED_PORT whose queue is full: further SYNs get no answer */
int silent_server(void);

/** tcp() - a socket; flags such as SOCK_NONBLOCK */
int tcp(int family, int flags);

const struct sockaddr *ipv4(const char *ip, unsigned port);
const struct sockaddr *ipv6(const char *ip, unsigned port);
#define V4_SIZE ((socklen_t)sizeof(struct sockaddr_in))
#define V6_SIZE ((socklen_t)sizeof(struct sockaddr_in6))

/** show_name() - prints getsockname(): family, whether there is a port, and the address if the program chose
 * it Return: the port.
 */
unsigned show_name(int fd, bool address_too);

/** kernel_port() - the local port as the kernel knows it, past any interposed getsockname() */
unsigned kernel_port(int fd);

/** wait_writable() - polls for POLLOUT. Return: revents, which is printed too */
int wait_writable(int fd);

int so_error(int fd);
void close_all(void);

#endif
