// SPDX-License-Identifier: Apache-2.0
/* host_answer - the requests and answers of twin-host, in each protocol.
 *
 * An answer's body is a token, `<TAG STATE>`, over and over: TAG is the request's, STATE what earlier
 * requests left on the connection (SELECT, MULTI), 0 on a new one. */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { TOKENS_MOST = 40, TOKENS_MANY = 300, BODY_MOST = 12000, HEAD_MOST = 512, METHOD_MOST = 8 };

struct request {
	char method[METHOD_MOST], argument[64];
	size_t length, body; /* of the whole, and of the body in it */
};

/* Return: the length of the body. */
static size_t make_body(struct visit *visit, char *body)
{
	char token[96];
	size_t length = (size_t)snprintf(token, sizeof(token), "<%s %u>", visit->tag, visit->state), used = 0;
	unsigned most = one_in(visit, 50) ? TOKENS_MANY : TOKENS_MOST;

	for (unsigned i = 0, n = 1 + (unsigned)rand_r(&visit->seed) % most;
	     i < n && used + length < BODY_MOST; i++) {
		memcpy(body + used, token, length);
		used += length;
	}
	return used;
}

/* HTTP */

static bool http_request(const struct visit *visit, struct request *request)
{
	const char *end = strstr(visit->buffer, "\r\n\r\n");
	const char *length = strcasestr(visit->buffer, "\r\nContent-Length:");
	char path[64] = "";

	if (!end)
		return false;
	request->body = length && length < end ? (size_t)atoi(length + 17) : 0;
	request->length = (size_t)(end - visit->buffer) + 4;
	if (sscanf(visit->buffer, "%7s %63s", request->method, path) < 1)
		strcpy(request->method, "GET");
	snprintf(request->argument, sizeof(request->argument), "%s", *path == '/' ? path + 1 : path);
	if (manners.unread)
		return true;
	request->length += request->body;
	return visit->size >= request->length;
}

static size_t put_chunks(struct visit *visit, char *out, const char *body, size_t size)
{
	size_t used = 0;

	while (size) {
		size_t piece = 1 + (size_t)rand_r(&visit->seed) % size;
		used += (size_t)sprintf(out + used, "%zx\r\n", piece);
		memcpy(out + used, body, piece);
		used += piece;
		used += (size_t)sprintf(out + used, "\r\n");
		body += piece;
		size -= piece;
		if (used > HOST_BUFFER - HEAD_MOST && size > 1) {
			/* The rest in one piece. */
			used += (size_t)sprintf(out + used, "%zx\r\n", size);
			memcpy(out + used, body, size);
			used += size;
			used += (size_t)sprintf(out + used, "\r\n");
			size = 0;
		}
	}
	return used + (size_t)sprintf(out + used, "0\r\n\r\n");
}

static enum framing choose_framing(struct visit *visit)
{
	unsigned framing;

	do
		framing = (unsigned)rand_r(&visit->seed) % FRAMINGS;
	while (!manners.framings[framing]);
	return (enum framing)framing;
}

static bool answer_http(struct visit *visit, const struct request *request)
{
	static __thread char out[2 * HOST_BUFFER + HEAD_MOST], body[BODY_MOST + 96];
	bool none = !strcmp(request->method, "HEAD");
	const char *status = "200 OK";
	enum framing framing = choose_framing(visit);

	snprintf(visit->tag, sizeof(visit->tag), "%s", request->argument);
	if (!strncmp(visit->tag, "204-", 4) || !strncmp(visit->tag, "304-", 4)) {
		status = *visit->tag == '2' ? "204 No Content" : "304 Not Modified";
		none = true;
	}
	if (none)
		framing = LENGTH;
	size_t size = make_body(visit, body);
	visit->ends |= framing == TO_THE_END || framing == HTTP_1_0;
	size_t used = (size_t)sprintf(out, "HTTP/1.%d %s\r\nX-Tag: %s\r\n", framing != HTTP_1_0, status,
				      visit->tag);
	if (visit->ends && manners.announces)
		used += (size_t)sprintf(out + used, "Connection: close\r\n");
	if (framing == LENGTH && strncmp(status, "204", 3))
		used += (size_t)sprintf(out + used, "Content-Length: %zu\r\n", size);
	if (framing == CHUNKED)
		used += (size_t)sprintf(out + used, "Transfer-Encoding: chunked\r\n");
	used += (size_t)sprintf(out + used, "\r\n");
	if (framing == CHUNKED) {
		used += put_chunks(visit, out + used, body, size);
	} else if (!none || one_in(visit, manners.bodies)) {
		memcpy(out + used, body, size);
		used += size;
	}
	return say(visit, out, used);
}

/* Redis */

static bool redis_request(const struct visit *visit, struct request *request)
{
	int words = atoi(visit->buffer + 1);
	const char *at = strstr(visit->buffer, "\r\n");

	for (int i = 0; at && i < words; i++) {
		const char *line = at[2] == '$' ? strstr(at + 2, "\r\n") : NULL;
		size_t length = line ? (size_t)atoi(at + 3) : 0;
		if (!line || (size_t)(line + 2 - visit->buffer) + length + 2 > visit->size)
			return false;
		if (i < 2)
			snprintf(i ? request->argument : request->method,
				 i ? sizeof(request->argument) : sizeof(request->method), "%.*s", (int)length,
				 line + 2);
		at = line + 2 + length;
	}
	request->length = at ? (size_t)(at - visit->buffer) + 2 : 0;
	return at;
}

static bool answer_redis(struct visit *visit, const struct request *request)
{
	static __thread char out[HOST_BUFFER], body[BODY_MOST + 96];

	if (!strcmp(request->method, "SELECT") || !strcmp(request->method, "MULTI")) {
		visit->state = *request->method == 'S' ? (unsigned)atoi(request->argument) : 99;
		return say(visit, "+OK\r\n", 5);
	}
	snprintf(visit->tag, sizeof(visit->tag), "%s", request->argument);
	size_t size = make_body(visit, body), used = (size_t)sprintf(out, "$%zu\r\n", size);
	memcpy(out + used, body, size);
	used += size;
	used += (size_t)sprintf(out + used, "\r\n");
	return say(visit, out, used);
}

/* memcached and raw: a line */

static bool line_request(const struct visit *visit, struct request *request)
{
	const char *end = strchr(visit->buffer, '\n');

	if (!end)
		return false;
	*request->argument = '\0';
	sscanf(visit->buffer, "%7s %63[^ \r\n]", request->method, request->argument);
	request->length = (size_t)(end - visit->buffer) + 1;
	return true;
}

static bool answer_line(struct visit *visit, const struct request *request)
{
	static __thread char out[HOST_BUFFER], body[BODY_MOST + 96];
	size_t used = 0;

	snprintf(visit->tag, sizeof(visit->tag), "%s", request->argument);
	size_t size = make_body(visit, body);
	if (manners.protocol == MEMCACHED)
		used = (size_t)sprintf(out, "VALUE %s 0 %zu\r\n", visit->tag, size);
	memcpy(out + used, body, size);
	used += size;
	used += (size_t)sprintf(out + used, manners.protocol == MEMCACHED ? "\r\nEND\r\n" : "\n");
	return say(visit, out, used);
}

static bool read_request(const struct visit *visit, struct request *request)
{
	*request = (struct request){ 0 };
	switch (manners.protocol) {
	case HTTP:
		return http_request(visit, request);
	case REDIS:
		return redis_request(visit, request);
	default:
		return line_request(visit, request);
	}
}

static bool answer(struct visit *visit, const struct request *request)
{
	switch (manners.protocol) {
	case HTTP:
		return answer_http(visit, request);
	case REDIS:
		return answer_redis(visit, request);
	default:
		return answer_line(visit, request);
	}
}

bool host_answer(struct visit *visit)
{
	struct request request;

	while (visit->size && read_request(visit, &request)) {
		visit->size -= request.length;
		memmove(visit->buffer, visit->buffer + request.length, visit->size + 1);
		visit->answers++;
		visit->ends |= (manners.after && visit->answers >= manners.after) ||
			       one_in(visit, manners.by_chance);
		if (!answer(visit, &request))
			return false;
		if (one_in(visit, manners.second)) {
			usleep((unsigned)rand_r(&visit->seed) % (manners.second_us + 1));
			if (!answer(visit, &request))
				return false;
		}
		if (visit->ends)
			return false;
	}
	return true;
}
