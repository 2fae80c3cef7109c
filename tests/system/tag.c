// SPDX-License-Identifier: Apache-2.0
/* tag - a server whose every reply names the request it answers; and that misbehaves as a request asks it to.
 *
 * usage: tag PORT [IDLE_MS]
 *
 * It speaks HTTP/1.1, RESP, the text protocol of memcached, and lines ("raw"), by the first byte it gets. A
 * request is for MODE/ID (HTTP: /MODE/ID); the reply holds `<ID connection state>`, where state is what
 * earlier requests left on this connection: SELECT, MULTI. The modes are in tag_replies.c. With IDLE_MS a
 * connection is closed after so long without a request. "PORT greeting" is a server that speaks first. */
#include "tag.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int idle_ms = -1;
static bool greets;

void tag_send(struct peer *peer, const char *bytes, size_t size)
{
	while (size) {
		size_t piece = peer->bytewise ? 1 : size;
		ssize_t sent = send(peer->fd, bytes, piece, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		bytes += sent;
		size -= (size_t)sent;
	}
}

void tag_wait(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	nanosleep(&t, NULL);
}

/* More bytes of a request. Return: false at the end. */
static bool more(struct peer *peer)
{
	struct pollfd p = { .fd = peer->fd, .events = POLLIN };

	if (peer->size == sizeof(peer->buffer) - 1)
		return false;
	if (idle_ms >= 0 && !peer->size && poll(&p, 1, idle_ms) == 0)
		return false;
	ssize_t got = recv(peer->fd, peer->buffer + peer->size, sizeof(peer->buffer) - 1 - peer->size, 0);
	if (got <= 0)
		return false;
	peer->size += (size_t)got;
	peer->buffer[peer->size] = '\0';
	return true;
}

/* Return: length of the first request in the buffer, 0 if it is not whole yet. */
static size_t whole_request(const struct peer *peer)
{
	const char *end;

	if (peer->kind == TAG_HTTP) {
		end = strstr(peer->buffer, "\r\n\r\n");
		return end ? (size_t)(end - peer->buffer) + 4 : 0;
	}
	if (peer->kind == TAG_REDIS) {
		int words = atoi(peer->buffer + 1);
		const char *at = strstr(peer->buffer, "\r\n");
		for (int i = 0; at && i < words; i++) {
			const char *line = at[2] == '$' ? strstr(at + 2, "\r\n") : NULL;
			size_t length = line ? (size_t)atoi(at + 3) : 0;
			if (!line || (size_t)(line + 2 - peer->buffer) + length + 2 > peer->size)
				return 0;
			at = line + 2 + length;
		}
		return at ? (size_t)(at - peer->buffer) + 2 : 0;
	}
	end = strchr(peer->buffer, '\n');
	return end ? (size_t)(end - peer->buffer) + 1 : 0;
}

static enum tag_kind kind_of(char first)
{
	switch (first) {
	case '*':
		return TAG_REDIS;
	case 'g':
		return TAG_MEMCACHED;
	case 'r':
		return TAG_RAW;
	default:
		return TAG_HTTP;
	}
}

static void *serve(void *argument)
{
	struct peer *peer = argument;
	bool open = true;

	if (greets)
		tag_send(peer, "<greeting 0 0>\r\n", 16);
	while (open && more(peer)) {
		size_t length;
		peer->kind = kind_of(*peer->buffer);
		while (open && (length = whole_request(peer))) {
			char after = peer->buffer[length];
			peer->buffer[length] = '\0';
			open = tag_answer(peer);
			peer->buffer[length] = after;
			peer->size -= length;
			memmove(peer->buffer, peer->buffer + length, peer->size + 1);
		}
	}
	close(peer->fd);
	free(peer);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6,
				    .sin6_port = htons((uint16_t)atoi(argc > 1 ? argv[1] : "0")) };
	int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	unsigned count = 0;
	pthread_attr_t attributes;

	greets = argc > 2 && !strcmp(argv[2], "greeting");
	if (argc > 2 && !greets)
		idle_ms = atoi(argv[2]);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&any, sizeof(any)) || listen(listener, 4096))
		err(1, "port %s", argc > 1 ? argv[1] : "");
	puts("ready");
	fflush(stdout);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, 65536);
	for (;;) {
		struct peer *peer = calloc(1, sizeof(*peer));
		pthread_t thread;
		int fd = accept(listener, NULL, NULL);
		if (fd < 0 || !peer) {
			free(peer);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		peer->fd = fd;
		peer->number = ++count;
		if (pthread_create(&thread, &attributes, serve, peer)) {
			close(fd);
			free(peer);
		}
	}
}
