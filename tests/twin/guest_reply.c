// SPDX-License-Identifier: Apache-2.0
/* guest_reply - what twin-guest asks, and whether an answer is the one to it: byte by byte. */
#include "guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static size_t add(struct exchange *x, const char *text)
{
	size_t size = strlen(text);

	memcpy(x->text + x->text_size, text, size);
	return x->text_size += size;
}

/* A body that would be a request if nobody read it. */
static void make_http(struct exchange *x, const char *tag, bool other)
{
	static const char *const kinds[] = { "HEAD", "DELETE", "GET", "POST", "PUT" };
	const char *method = other ? kinds[draw(x, habits.bodies ? 5 : 3)] : "GET";
	char evil[128] = "";

	x->get = !strcmp(method, "GET") || !strcmp(method, "HEAD");
	x->none = *method == 'H';
	/* 204 is for DELETE, 304 for a GET that was not the usual one. */
	const char *before = !strcmp(method, "DELETE")         ? "204-"
			     : other && !strcmp(method, "GET") ? "304-"
							       : "";
	x->none |= *before;
	snprintf(x->tag, sizeof(x->tag), "%s%.40s", before, tag);
	if (*method == 'P')
		snprintf(evil, sizeof(evil), "GET /evil-%s HTTP/1.1\r\n\r\n", tag);
	x->text_size += (size_t)snprintf(x->text + x->text_size, TEXT_MOST - x->text_size,
					 "%s /%s HTTP/1.1\r\nHost: twin\r\n", method, x->tag);
	if (*method == 'P')
		x->text_size += (size_t)snprintf(x->text + x->text_size, TEXT_MOST - x->text_size,
						 "Content-Length: %zu\r\n", strlen(evil));
	add(x, "\r\n");
	add(x, evil);
}

static void make_redis(struct exchange *x, const char *tag, bool other)
{
	snprintf(x->tag, sizeof(x->tag), "%s", tag);
	if (other && draw(x, 2)) {
		x->state = draw(x, 2) ? 5 : 99;
		add(x, x->state == 5 ? "*2\r\n$6\r\nSELECT\r\n$1\r\n5\r\n" : "*1\r\n$5\r\nMULTI\r\n");
	}
	x->text_size +=
		(size_t)snprintf(x->text + x->text_size, TEXT_MOST - x->text_size,
				 "*2\r\n$3\r\n%s\r\n$%zu\r\n%s\r\n", other ? "TTL" : "GET", strlen(tag), tag);
}

void request_make(struct exchange *x)
{
	char tag[TAG_MOST];
	bool other = habits.others && !draw(x, habits.others);

	snprintf(tag, sizeof(tag), "%s", x->tag);
	x->text_size = x->sent = x->size = 0;
	x->get = x->none = false;
	if (habits.protocol == HTTP) {
		make_http(x, tag, other);
	} else if (habits.protocol == REDIS) {
		make_redis(x, tag, other);
	} else {
		x->text_size = (size_t)snprintf(x->text, TEXT_MOST, "%s %s%s",
						habits.protocol == RAW ? "ask" : "get", tag,
						habits.protocol == RAW ? "\n" : "\r\n");
	}
	x->leaves = habits.leaves && !draw(x, habits.leaves);
}

static bool judged(struct exchange *x, enum outcome outcome)
{
	x->outcome = outcome;
	return true;
}

/* Is @body our token, over and over? Then the answer is good. */
static bool judge_body(struct exchange *x, const char *body, size_t size)
{
	char token[TAG_MOST + 16];
	size_t length = (size_t)snprintf(token, sizeof(token), "<%s %u>", x->tag, x->state);

	for (size_t at = 0; at < size; at += length) {
		if (size - at >= length && !memcmp(body + at, token, length))
			continue;
		return judged(x, size - at > 1 && body[at] == '<' ? MIXED : DAMAGED);
	}
	return judged(x, size ? GOOD : DAMAGED);
}

/* Return: where the text that has no chunks in it any more ends; 0: not whole yet. */
static size_t dechunk(char *body, size_t size)
{
	size_t at = 0, out = 0;

	for (;;) {
		const char *line = memchr(body + at, '\n', size - at);
		if (!line)
			return 0;
		size_t piece = strtoul(body + at, NULL, 16), begin = (size_t)(line - body) + 1;
		if (begin + piece + 2 > size)
			return 0;
		if (!piece)
			return out;
		memmove(body + out, body + begin, piece);
		out += piece;
		at = begin + piece + 2;
	}
}

static bool http_whole(struct exchange *x, bool ended)
{
	static __thread char copy[REPLY_MOST];
	char tag[TAG_MOST] = "";

	if (*x->reply == '-')
		return judged(x, FULL);
	if (x->size >= 9 && strncmp(x->reply, "HTTP/1.", 7))
		return judged(x, *x->reply == '<' ? MIXED : DAMAGED);
	const char *end = strstr(x->reply, "\r\n\r\n");
	if (!end)
		return false;
	size_t head = (size_t)(end - x->reply) + 4;
	const char *named = strcasestr(x->reply, "\r\nX-Tag: ");
	if (!named || sscanf(named + 9, "%47s", tag) != 1)
		return judged(x, DAMAGED);
	if (strcmp(tag, x->tag))
		return judged(x, MIXED);
	if (x->none)
		return judged(x, GOOD);
	const char *length = strcasestr(x->reply, "\r\nContent-Length: ");
	if (length && length < end) {
		size_t size = strtoul(length + 18, NULL, 10);
		return x->size >= head + size && judge_body(x, x->reply + head, size);
	}
	const char *chunked = strcasestr(x->reply, "\r\nTransfer-Encoding:");
	if (chunked && chunked < end) {
		memcpy(copy, x->reply + head, x->size - head);
		size_t size = dechunk(copy, x->size - head);
		return size && judge_body(x, copy, size);
	}
	return ended && judge_body(x, x->reply + head, x->size - head);
}

static bool redis_whole(struct exchange *x)
{
	const char *at = x->reply;

	if (*at == '-')
		return judged(x, FULL);
	/* What SELECT and MULTI were answered. */
	while (x->size - (size_t)(at - x->reply) >= 5 && !strncmp(at, "+OK\r\n", 5))
		at += 5;
	size_t left = x->size - (size_t)(at - x->reply);
	if (!left || *at == '+')
		return false;
	if (*at != '$')
		return judged(x, *at == '<' ? MIXED : DAMAGED);
	const char *line = memchr(at, '\n', left);
	if (!line)
		return false;
	size_t size = strtoul(at + 1, NULL, 10), begin = (size_t)(line - at) + 1;
	return left >= begin + size + 2 && judge_body(x, at + begin, size);
}

static bool memcached_whole(struct exchange *x)
{
	char tag[TAG_MOST] = "";
	size_t size = 0;
	const char *line = memchr(x->reply, '\n', x->size);

	if (!line)
		return false;
	if (!strncmp(x->reply, "-ERR", 4))
		return judged(x, FULL);
	if (sscanf(x->reply, "VALUE %47s 0 %zu", tag, &size) != 2)
		return judged(x, *x->reply == '<' ? MIXED : DAMAGED);
	if (strcmp(tag, x->tag))
		return judged(x, MIXED);
	size_t begin = (size_t)(line - x->reply) + 1;
	return x->size >= begin + size + 7 && judge_body(x, x->reply + begin, size);
}

bool reply_whole(struct exchange *x, bool ended)
{
	const char *line;

	switch (habits.protocol) {
	case HTTP:
		return http_whole(x, ended);
	case REDIS:
		return redis_whole(x);
	case MEMCACHED:
		return memcached_whole(x);
	default:
		line = memchr(x->reply, '\n', x->size);
		if (line && !strncmp(x->reply, "-ERR", 4))
			return judged(x, FULL);
		return line && judge_body(x, x->reply, (size_t)(line - x->reply));
	}
}
