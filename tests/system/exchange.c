// SPDX-License-Identifier: Apache-2.0
/* exchange - opens, asks, reads, closes, again and again; fails at a byte that is not of its own exchange.
 *
 * usage: exchange ADDRESS PORT PROTOCOL COUNT [MODES [THREADS [FORKS [STYLE]]]]
 *
 * PROTOCOL: http, redis, memcached, raw. MODES: comma-separated, of tag_replies.c; each exchange takes one at
 * random, or `MODE:METHOD` (HEAD, SELECT ...). Of a mode that begins with `?` the exchange may fail; with `!`
 * the client does not wait for the reply but closes. STYLE: any of the letters b blocking, n non-blocking,
 * e epoll registered before connect() and left at close(); each exchange takes one. Each process writes
 * `done EXCHANGES failed FAILED raced RACED connections DISTINCT`; connections by the server's numbers, RACED
 * are those that ended before a byte of the reply. Exit status 1: a byte of another exchange; 3: an exchange
 * failed otherwise. */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MODES_MAX = 64, REPLY_MAX = 4096, PATIENCE_MS = 60000, SEEN = 1 << 24 };

static struct sockaddr_storage to;
static socklen_t to_size;
static const char *protocol, *styles = "b";
static char modes[MODES_MAX][32];
static unsigned mode_count;
static unsigned long count;
static atomic_ulong done, failed, raced, wrong, connections;
static atomic_uchar seen[SEEN / 8];

struct exchange {
	int fd, epoll;
	char style;
	bool may_fail, leaves;
	char mode[32], method[16], id[40];
	char reply[REPLY_MAX];
	size_t size;
	const char *problem;
	int error;
};

static int wait_for(const struct exchange *x, short events)
{
	struct epoll_event event;
	struct pollfd p = { .fd = x->fd, .events = events };

	if (x->style != 'e')
		return poll(&p, 1, PATIENCE_MS);
	/* Events of this socket only: another that is reported here was left by an earlier exchange. */
	int rc;
	do
		rc = epoll_wait(x->epoll, &event, 1, PATIENCE_MS);
	while (rc < 0 && errno == EINTR);
	if (rc == 1 && event.data.ptr != x) {
		printf("an event of another exchange\n");
		atomic_fetch_add(&wrong, 1);
	}
	/* The edge of the one may have been reported with the other. */
	return rc <= 0 ? rc : poll(&p, 1, PATIENCE_MS);
}

static bool fail(struct exchange *x, const char *problem)
{
	x->error = errno;
	x->problem = problem;
	return false;
}

static bool open_connection(struct exchange *x)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = x };
	int error = 0;
	socklen_t size = sizeof(error);

	x->fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | (x->style == 'b' ? 0 : SOCK_NONBLOCK), 0);
	if (x->fd < 0)
		return fail(x, "socket");
	if (x->style == 'e' && epoll_ctl(x->epoll, EPOLL_CTL_ADD, x->fd, &event))
		return fail(x, "epoll_ctl");
	if (!connect(x->fd, (struct sockaddr *)&to, to_size))
		return true;
	if (errno != EINPROGRESS || x->style == 'b')
		return fail(x, "connect");
	struct pollfd p = { .fd = x->fd, .events = POLLOUT };
	if (poll(&p, 1, PATIENCE_MS) != 1)
		return fail(x, "poll");
	if (getsockopt(x->fd, SOL_SOCKET, SO_ERROR, &error, &size) || error) {
		errno = error;
		return fail(x, "SO_ERROR");
	}
	return true;
}

static bool ask(struct exchange *x)
{
	char text[256], argument[96];
	int size, length = snprintf(argument, sizeof(argument), "%s/%s", x->mode, x->id);

	if (!strcmp(protocol, "http"))
		size = snprintf(text, sizeof(text), "%s /%s HTTP/1.1\r\nHost: tag\r\n\r\n",
				*x->method ? x->method : "GET", argument);
	else if (!strcmp(protocol, "redis"))
		size = snprintf(text, sizeof(text), "*2\r\n$%zu\r\n%s\r\n$%d\r\n%s\r\n",
				*x->method ? strlen(x->method) : 3, *x->method ? x->method : "GET", length,
				argument);
	else
		size = snprintf(text, sizeof(text), "%s %s%s", !strcmp(protocol, "raw") ? "raw" : "get",
				argument, !strcmp(protocol, "raw") ? "\n" : "\r\n");
	for (int at = 0; at < size;) {
		ssize_t rc = send(x->fd, text + at, (size_t)(size - at), MSG_NOSIGNAL);
		if (rc < 0 && errno == EAGAIN && x->style != 'b' && wait_for(x, POLLOUT) > 0)
			continue;
		if (rc < 0)
			return fail(x, "send");
		at += (int)rc;
	}
	return true;
}

static bool ends_with(const struct exchange *x, const char *end)
{
	size_t length = strlen(end);
	return x->size >= length && !memcmp(x->reply + x->size - length, end, length);
}

/* Is the reply whole, by what the mode makes of it? */
static bool whole(const struct exchange *x)
{
	char token[48];

	snprintf(token, sizeof(token), "<%s ", x->id);
	if (!strstr(x->reply, token))
		return false;
	if (!strcmp(protocol, "memcached") && strcmp(x->mode, "error") && strcmp(x->mode, "shorter"))
		return strstr(x->reply, "\r\nEND\r\n");
	if (!strcmp(x->mode, "chunked"))
		return ends_with(x, "\r\n\r\n");
	return ends_with(x, "\n");
}

/* Every `<ID connection state>` that came must be ours, and of a connection without a state. */
static void judge(struct exchange *x)
{
	for (const char *at = x->reply; (at = strchr(at, '<')); at++) {
		unsigned connection = 0, state = 0;
		char id[40] = "";
		if (!strchr(at, '>') || sscanf(at, "<%39s %u %u>", id, &connection, &state) != 3)
			continue;
		bool more = !strcmp(id, "more") || !strcmp(id, "push") || !strcmp(id, "greeting");
		if (!more && (strcmp(id, x->id) || state)) {
			printf("asked %s %s, got `%.*s`, state %u\n", x->mode, x->id, 40, at, state);
			atomic_fetch_add(&wrong, 1);
		}
		if (connection < SEEN && !more) {
			unsigned char bit = (unsigned char)(1u << connection % 8);
			if (!(atomic_fetch_or(&seen[connection / 8], bit) & bit))
				atomic_fetch_add(&connections, 1);
		}
	}
}

static bool read_reply(struct exchange *x)
{
	while (!whole(x)) {
		ssize_t rc = recv(x->fd, x->reply + x->size, sizeof(x->reply) - 1 - x->size, 0);
		if (rc < 0 && errno == EAGAIN && x->style != 'b') {
			errno = ETIMEDOUT;
			if (wait_for(x, POLLIN) <= 0)
				return fail(x, "no reply");
			continue;
		}
		if (rc <= 0) {
			errno = rc ? errno : 0;
			return fail(x, x->size ? "the end in a reply" : "the end before a reply");
		}
		x->size += (size_t)rc;
		x->reply[x->size] = '\0';
	}
	return true;
}

static void choose(struct exchange *x, unsigned *seed, unsigned long number)
{
	const char *mode = modes[(unsigned)rand_r(seed) % mode_count];

	x->may_fail = *mode == '?';
	x->leaves = *mode == '!';
	mode += x->may_fail || x->leaves;
	snprintf(x->mode, sizeof(x->mode), "%.*s", (int)strcspn(mode, ":"), mode);
	*x->method = '\0';
	if (strchr(mode, ':'))
		snprintf(x->method, sizeof(x->method), "%s", strchr(mode, ':') + 1);
	snprintf(x->id, sizeof(x->id), "%d.%u.%lu", getpid(), *seed, number);
	x->style = styles[(unsigned)rand_r(seed) % strlen(styles)];
	x->size = 0;
	*x->reply = '\0';
	x->problem = NULL;
}

static void *work(void *argument)
{
	unsigned seed = (unsigned)(uintptr_t)argument + (unsigned)getpid() * 64;
	struct exchange *x = calloc(1, sizeof(*x));

	x->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned long i = 0; i < count; i++) {
		choose(x, &seed, i);
		bool good = open_connection(x) && ask(x) && (x->leaves || read_reply(x));
		judge(x);
		if (x->fd >= 0)
			close(x->fd);
		atomic_fetch_add(&done, 1);
		if (good)
			continue;
		bool race = !x->size && (!x->error || x->error == ECONNRESET || x->error == EPIPE);
		atomic_fetch_add(x->may_fail || !race ? &failed : &raced, 1);
		if (!x->may_fail && !race) {
			printf("%s %s style %c: %s (%s) after `%s`\n", x->mode, x->id, x->style, x->problem,
			       strerror(x->error), x->reply);
			atomic_fetch_add(&wrong, 1 << 16);
		}
	}
	close(x->epoll);
	free(x);
	return NULL;
}

static void report(void)
{
	printf("done %lu failed %lu raced %lu connections %lu\n", done, failed, raced, connections);
}

static int run(unsigned threads)
{
	pthread_t thread[64];

	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, work, (void *)(uintptr_t)(i + 1)))
			err(2, "pthread_create");
	for (unsigned i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	report();
	return wrong % (1 << 16) ? 1 : wrong ? 3 : 0;
}

/* With forks, each child begins while its parent's threads are at work. */
static int run_forked(unsigned threads, unsigned forks)
{
	pthread_t thread;
	int worst = 0, status;

	if (!forks)
		return run(threads);
	if (pthread_create(&thread, NULL, work, (void *)(uintptr_t)63))
		err(2, "pthread_create");
	for (unsigned i = 0; i < forks; i++) {
		pid_t pid = fork();
		if (!pid) {
			done = failed = raced = wrong = connections = 0;
			memset((void *)seen, 0, sizeof(seen));
			exit(run(threads));
		}
		if (i % 2 && waitpid(pid, &status, 0) == pid && status)
			worst = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	}
	pthread_join(thread, NULL);
	while (wait(&status) > 0)
		if (status)
			worst = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	report();
	return wrong % (1 << 16) ? 1 : wrong ? 3 : worst;
}

int main(int argc, char **argv)
{
	struct sockaddr_in *to4 = (void *)&to;
	struct sockaddr_in6 *to6 = (void *)&to;
	char list[512] = "ok";

	if (argc < 5)
		errx(2, "usage: exchange ADDRESS PORT PROTOCOL COUNT [MODES [THREADS [FORKS [STYLE]]]]");
	bool v6 = strchr(argv[1], ':');
	to.ss_family = v6 ? AF_INET6 : AF_INET;
	to_size = v6 ? sizeof(*to6) : sizeof(*to4);
	*(v6 ? &to6->sin6_port : &to4->sin_port) = htons((uint16_t)atoi(argv[2]));
	if (inet_pton(to.ss_family, argv[1], v6 ? (void *)&to6->sin6_addr : (void *)&to4->sin_addr) != 1)
		errx(2, "%s is no address", argv[1]);
	protocol = argv[3];
	count = strtoul(argv[4], NULL, 10);
	if (argc > 5)
		snprintf(list, sizeof(list), "%s", argv[5]);
	for (char *mode = strtok(list, ","); mode && mode_count < MODES_MAX; mode = strtok(NULL, ","))
		snprintf(modes[mode_count++], sizeof(modes[0]), "%s", mode);
	if (argc > 8)
		styles = argv[8];
	setvbuf(stdout, NULL, _IOLBF, 0);
	return run_forked(argc > 6 ? (unsigned)atoi(argv[6]) : 1, argc > 7 ? (unsigned)atoi(argv[7]) : 0);
}
