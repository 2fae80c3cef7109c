// SPDX-License-Identifier: Apache-2.0
/* host - the server of tests/twin/reuse: it names in each answer the request it belongs to, and has the
 * manners it is told to have.
 *
 * usage: twin-host ADDRESS PORT PROTOCOL [NAME=VALUE]...
 *
 * PROTOCOL: http, redis, memcached, raw. The names are those of struct manners; `framing` takes any of the
 * letters l (Content-Length), c (chunks), e (to the end), o (HTTP/1.0), `cut` whole, bytewise or pieces. At
 * SIGTERM it writes `accepted N answered N`. */
#include "host.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS_MOST = 400, STACK = 131072, US_IN_S = 1000000 };

struct manners manners = { .workers = 200 };

/* What a reload looks at: the connections that are idle between two requests; and those that were let in. */
struct seat {
	pthread_mutex_t lock;
	int idle_fd;
	int inside_fd; /* by `door` */
};

static struct seat seats[WORKERS_MOST];
static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
static int listener;
static atomic_uint accepted, answered;

static void wait_us(unsigned us)
{
	struct timespec t = { .tv_sec = us / US_IN_S, .tv_nsec = us % US_IN_S * 1000l };

	if (us)
		nanosleep(&t, NULL);
}

bool one_in(struct visit *visit, unsigned chance)
{
	return chance && (unsigned)rand_r(&visit->seed) % chance == 0;
}

static unsigned up_to(struct visit *visit, unsigned most)
{
	return most ? (unsigned)rand_r(&visit->seed) % (most + 1) : 0;
}

bool say(struct visit *visit, const char *bytes, size_t size)
{
	size_t all = size;

	while (size) {
		size_t piece = manners.cut == BYTEWISE && size < 200 ? 1
			       : manners.cut == PIECES && size > 1   ? 1 + up_to(visit, (unsigned)size - 1)
			       : size == all && manners.cut == HALVES && size > 1 ? size / 2
										  : size;
		ssize_t sent = send(visit->fd, bytes, piece, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		bytes += sent;
		size -= (size_t)sent;
		if (size && manners.cut == PIECES && one_in(visit, 4))
			wait_us(up_to(visit, 300));
	}
	return true;
}

/* Between two requests a reload may close it. Return: events, 0 when it was idle for too long. */
static int wait_for_bytes(struct visit *visit, struct seat *seat, unsigned us)
{
	struct pollfd p = { .fd = visit->fd, .events = POLLIN };
	struct timespec most = { .tv_sec = us / US_IN_S, .tv_nsec = us % US_IN_S * 1000l };
	bool idle = visit->answers && !visit->size;

	if (idle && manners.reload_ms) {
		pthread_mutex_lock(&seat->lock);
		seat->idle_fd = visit->fd;
		pthread_mutex_unlock(&seat->lock);
	}
	int rc = ppoll(&p, 1, us ? &most : NULL, NULL);
	if (idle && manners.reload_ms) {
		pthread_mutex_lock(&seat->lock);
		seat->idle_fd = -1;
		pthread_mutex_unlock(&seat->lock);
	}
	return rc;
}

/* Return: false at the end. */
static bool more(struct visit *visit, struct seat *seat)
{
	if (visit->size == sizeof(visit->buffer) - 1)
		return false;
	if ((manners.idle_us && visit->answers) || manners.reload_ms) {
		if (!wait_for_bytes(visit, seat, visit->answers ? manners.idle_us : 0))
			return false;
	}
	ssize_t got =
		recv(visit->fd, visit->buffer + visit->size, sizeof(visit->buffer) - 1 - visit->size, 0);
	if (got <= 0)
		return false;
	visit->size += (size_t)got;
	visit->buffer[visit->size] = '\0';
	return true;
}

static void depart(struct visit *visit)
{
	static const struct linger reset = { .l_onoff = 1 };

	if (manners.reset)
		setsockopt(visit->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(visit->fd);
}

/* Who has gone is none of the clients any more, however late its thread comes to see that. So who is turned
 * away is one that the client has open beside as many others, and no thing of chance. (TCP_INFO waits for the
 * thread that is at work on the socket, and has what came meanwhile; poll() does not.) */
static bool has_gone(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) || info.tcpi_state != TCP_ESTABLISHED;
}

/* Return: false if the server is full. */
static bool let_in(struct seat *seat, int fd)
{
	unsigned inside = 0;

	pthread_mutex_lock(&door);
	for (unsigned i = 0; i < manners.workers; i++)
		inside += seats[i].inside_fd >= 0;
	for (unsigned i = 0; i < manners.workers && inside >= manners.clients; i++)
		inside -= seats[i].inside_fd >= 0 && has_gone(seats[i].inside_fd);
	bool room = inside < manners.clients;
	if (room)
		seat->inside_fd = fd;
	pthread_mutex_unlock(&door);
	return room;
}

static void let_out(struct seat *seat)
{
	pthread_mutex_lock(&door);
	seat->inside_fd = -1;
	pthread_mutex_unlock(&door);
}

static void serve(struct visit *visit, struct seat *seat)
{
	if (manners.clients && !let_in(seat, visit->fd)) {
		static const char full[] = "-ERR max number of clients reached\r\n";
		send(visit->fd, full, sizeof(full) - 1, MSG_NOSIGNAL);
	} else {
		while (more(visit, seat)) {
			wait_us(up_to(visit, manners.delay_us));
			unsigned before = visit->answers;
			bool stays = host_answer(visit);
			atomic_fetch_add(&answered, visit->answers - before);
			if (!stays) {
				wait_us(up_to(visit, manners.close_us));
				break;
			}
		}
	}
	if (manners.clients)
		let_out(seat);
	depart(visit);
}

static void *work(void *argument)
{
	struct seat *seat = argument;
	struct visit *visit = calloc(1, sizeof(*visit));
	int on = 1;

	for (;;) {
		int fd = accept(listener, NULL, NULL);
		if (fd < 0)
			continue;
		if (!manners.nagle)
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		unsigned number = atomic_fetch_add(&accepted, 1) + 1;
		visit->fd = fd;
		visit->seed = number * 2654435761u;
		visit->answers = visit->state = 0;
		visit->size = 0;
		visit->ends = false;
		serve(visit, seat);
	}
	return NULL;
}

/* Closes what is idle, as a server does that gets a new configuration. */
static void *reload(void *unused)
{
	(void)unused;
	for (;;) {
		wait_us(manners.reload_ms * 1000);
		for (unsigned i = 0; i < manners.workers; i++) {
			pthread_mutex_lock(&seats[i].lock);
			if (seats[i].idle_fd >= 0)
				shutdown(seats[i].idle_fd, SHUT_RDWR);
			pthread_mutex_unlock(&seats[i].lock);
		}
	}
	return NULL;
}

static void set(const char *name, const char *value)
{
	const struct {
		const char *name;
		unsigned *number;
	} numbers[] = {
		{ "delay_us", &manners.delay_us },   { "bodies", &manners.bodies },
		{ "second", &manners.second },       { "second_us", &manners.second_us },
		{ "after", &manners.after },         { "by_chance", &manners.by_chance },
		{ "close_us", &manners.close_us },   { "idle_us", &manners.idle_us },
		{ "workers", &manners.workers },     { "clients", &manners.clients },
		{ "reload_ms", &manners.reload_ms },
	};

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		if (!strcmp(name, numbers[i].name)) {
			*numbers[i].number = (unsigned)strtoul(value, NULL, 10);
			return;
		}
	}
	if (!strcmp(name, "unread"))
		manners.unread = *value == '1';
	else if (!strcmp(name, "reset"))
		manners.reset = *value == '1';
	else if (!strcmp(name, "announces"))
		manners.announces = *value == '1';
	else if (!strcmp(name, "cut"))
		manners.cut = *value == 'b'   ? BYTEWISE
			      : *value == 'p' ? PIECES
			      : *value == 'h' ? HALVES
					      : WHOLE;
	else if (!strcmp(name, "nagle"))
		manners.nagle = *value == '1';
	else if (!strcmp(name, "framing"))
		for (unsigned i = 0; i < FRAMINGS; i++)
			manners.framings[i] = strchr(value, "lceo"[i]);
	else
		errx(2, "no manner: %s", name);
}

static void open_listener(const char *address, uint16_t port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	bool v6 = strchr(address, ':');
	int on = 1;

	listener = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (inet_pton(v6 ? AF_INET6 : AF_INET, address,
		      v6 ? (void *)&any.sin6_addr : (void *)&any4.sin_addr) != 1 ||
	    bind(listener, v6 ? (void *)&any : (void *)&any4, v6 ? sizeof(any) : sizeof(any4)) ||
	    listen(listener, 4096))
		err(1, "%s %u", address, port);
}

int main(int argc, char **argv)
{
	static const char *const protocols[] = { "http", "redis", "memcached", "raw" };
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t end;
	int number;

	if (argc < 4)
		errx(2, "usage: twin-host ADDRESS PORT PROTOCOL [NAME=VALUE]...");
	while (manners.protocol < RAW && strcmp(argv[3], protocols[manners.protocol]))
		manners.protocol++;
	manners.framings[LENGTH] = true;
	for (int i = 4; i < argc; i++) {
		char *value = strchr(argv[i], '=');
		if (!value)
			errx(2, "NAME=VALUE: %s", argv[i]);
		*value = '\0';
		set(argv[i], value + 1);
	}
	open_listener(argv[1], (uint16_t)atoi(argv[2]));
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &end, NULL);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	if (manners.workers > WORKERS_MOST)
		manners.workers = WORKERS_MOST;
	for (unsigned i = 0; i < manners.workers; i++) {
		pthread_mutex_init(&seats[i].lock, NULL);
		seats[i].idle_fd = seats[i].inside_fd = -1;
		if (pthread_create(&thread, &attributes, work, &seats[i]))
			err(1, "pthread_create");
	}
	if (manners.reload_ms && pthread_create(&thread, &attributes, reload, NULL))
		err(1, "pthread_create");
	puts("ready");
	fflush(stdout);
	sigwait(&end, &number);
	printf("accepted %u answered %u\n", accepted, answered);
	return 0;
}
