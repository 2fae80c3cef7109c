// SPDX-License-Identifier: Apache-2.0
/* tag_replies - what the server tag answers, rightly or as badly as it is asked to. */
#include "tag.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { LATE_MS = 20, ID_MAX = 64 };

struct request {
	char mode[24], id[ID_MAX], method[16];
};

static void read_request(const struct peer *peer, struct request *request)
{
	const char *at = peer->buffer;

	memset(request, 0, sizeof(*request));
	if (peer->kind == TAG_HTTP)
		sscanf(at, "%15s /%23[^/ ]/%63[^ \r\n]", request->method, request->mode, request->id);
	else if (peer->kind == TAG_REDIS)
		sscanf(at, "*%*u\r\n$%*u\r\n%15[A-Z]\r\n$%*u\r\n%23[^/\r]/%63[^ \r\n]", request->method,
		       request->mode, request->id);
	else
		sscanf(at, "%15s %23[^/]/%63[^ \r\n]", request->method, request->mode, request->id);
}

static bool is(const struct request *request, const char *mode)
{
	return !strcmp(request->mode, mode);
}

/* Return: its length */
static size_t token(const struct peer *peer, const struct request *request, char *out, size_t size)
{
	return (size_t)snprintf(out, size, "<%s %u %u>", request->id, peer->number, peer->state);
}

static size_t http_reply(const struct peer *peer, const struct request *request, char *out, size_t size)
{
	char tag[128], head[256] = "";
	size_t length = token(peer, request, tag, sizeof(tag));
	const char *status = is(request, "204")   ? "204 No Content"
			     : is(request, "304") ? "304 Not Modified"
			     : is(request, "101")
				     ? "101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tag"
				     : "200 OK";
	if (is(request, "close"))
		snprintf(head, sizeof(head), "Connection: close\r\n");
	if (is(request, "100"))
		snprintf(out, size,
			 "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
	else
		*out = '\0';
	size_t used = strlen(out);
	if (!strcmp(request->method, "CONNECT"))
		used += (size_t)snprintf(out + used, size - used, "HTTP/1.1 200 OK\r\n\r\n%s\n", tag);
	else if (is(request, "204") || is(request, "304") || is(request, "101") ||
		 !strcmp(request->method, "HEAD"))
		used += (size_t)snprintf(
			out + used, size - used, "HTTP/1.1 %s\r\n%sX-Tag: %s\r\n\r\n", status,
			strcmp(request->method, "HEAD") ? "" : "Content-Length: 100\r\n", tag);
	else if (is(request, "chunked"))
		used += (size_t)snprintf(out + used, size - used,
					 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"
					 "2;e=1\r\n..\r\n%zx\r\n%s\r\n0\r\nX: 1\r\nY: 2\r\n\r\n",
					 length, tag);
	else if (is(request, "endless"))
		used += (size_t)snprintf(out + used, size - used, "HTTP/1.1 200 OK\r\n\r\n%s\n", tag);
	else
		used += (size_t)snprintf(out + used, size - used,
					 "HTTP/1.%s 200 OK\r\n%sContent-Length: %zu\r\n\r\n%s\n",
					 is(request, "http10") ? "0" : "1", head,
					 length + 1 + (is(request, "shorter") ? 40 : 0), tag);
	return used;
}

static size_t redis_reply(struct peer *peer, const struct request *request, char *out, size_t size)
{
	char tag[128];
	size_t length = token(peer, request, tag, sizeof(tag));

	if (!strcmp(request->method, "SELECT") || !strcmp(request->method, "MULTI") ||
	    !strcmp(request->method, "SUBSCRIBE")) {
		peer->state++;
		return (size_t)snprintf(out, size, "+OK %s\r\n", tag);
	}
	if (is(request, "nested"))
		return (size_t)snprintf(out, size,
					"*3\r\n:1\r\n*2\r\n$-1\r\n*1\r\n+x\r\n*2\r\n*-1\r\n$%zu\r\n%s\r\n",
					length, tag);
	if (is(request, "push"))
		return (size_t)snprintf(out, size, ">2\r\n+invalidate\r\n*1\r\n+k\r\n$%zu\r\n%s\r\n", length,
					tag);
	if (is(request, "error"))
		return (size_t)snprintf(out, size, "-ERR %s\r\n", tag);
	return (size_t)snprintf(out, size, "$%zu\r\n%s\r\n", length + (is(request, "shorter") ? 40 : 0), tag);
}

static size_t memcached_reply(const struct peer *peer, const struct request *request, char *out, size_t size)
{
	char tag[128];
	size_t length = token(peer, request, tag, sizeof(tag));

	if (is(request, "error"))
		return (size_t)snprintf(out, size, "SERVER_ERROR %s\r\n", tag);
	return (size_t)snprintf(out, size, "VALUE %s/%s 0 %zu\r\n%s\r\nEND\r\n", request->mode, request->id,
				length + (is(request, "shorter") ? 40 : 0), tag);
}

static size_t reply_to(struct peer *peer, const struct request *request, char *out, size_t size)
{
	switch (peer->kind) {
	case TAG_HTTP:
		return http_reply(peer, request, out, size);
	case TAG_REDIS:
		return redis_reply(peer, request, out, size);
	case TAG_MEMCACHED:
		return memcached_reply(peer, request, out, size);
	default:
		return token(peer, request, out, size - 1) + (size_t)sprintf(strchr(out, '>'), ">\n") - 1;
	}
}

/* Connections that wait for another to ask for it before they close. */
static atomic_uint releases;

static bool after_reply(struct peer *peer, const struct request *request, const char *reply, size_t size)
{
	struct linger now = { .l_onoff = 1 };

	if (is(request, "late"))
		tag_wait(LATE_MS);
	if (is(request, "late") || is(request, "twice"))
		tag_send(peer, reply, size);
	if (is(request, "408")) {
		tag_wait(LATE_MS);
		tag_send(peer,
			 "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
			 76);
		return false;
	}
	if (is(request, "pushlate")) {
		tag_wait(LATE_MS);
		tag_send(peer, ">2\r\n+m\r\n+<push 0 0>\r\n", 21);
	}
	if (is(request, "release"))
		atomic_fetch_add(&releases, 1);
	for (unsigned before = releases;
	     !strncmp(request->mode, "held", 4) && before == atomic_load(&releases);)
		tag_wait(1);
	if (is(request, "half"))
		shutdown(peer->fd, SHUT_WR);
	if (is(request, "idleclose") || is(request, "idlereset"))
		tag_wait(LATE_MS);
	if (is(request, "heldreset") || is(request, "reset") || is(request, "idlereset"))
		setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	return !(is(request, "close") || is(request, "sayless") || is(request, "reset") ||
		 is(request, "idleclose") || is(request, "idlereset") || is(request, "endless") ||
		 is(request, "shorter") || is(request, "http10") || !strncmp(request->mode, "held", 4));
}

bool tag_answer(struct peer *peer)
{
	struct request request;
	char reply[1024];

	read_request(peer, &request);
	size_t size = reply_to(peer, &request, reply, sizeof(reply));
	if (is(&request, "slow"))
		tag_wait(LATE_MS * 2);
	if (is(&request, "refuse"))
		return false;
	peer->bytewise = is(&request, "bytes");
	if (is(&request, "longer")) {
		/* In one piece: what is too much is there with what was announced. */
		size += (size_t)snprintf(reply + size, sizeof(reply) - size, "<more 0 0>\r\n");
	}
	tag_send(peer, reply, size);
	return after_reply(peer, &request, reply, size);
}
