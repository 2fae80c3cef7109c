// SPDX-License-Identifier: Apache-2.0
/* guard_http - the guard of HTTP/1.1 connections. */
#ifndef HEADROOM_POOL_GUARD_HTTP_H
#define HEADROOM_POOL_GUARD_HTTP_H

#include "request_queue.h"

#include <http_parser.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guard;

/* The longest header name or word that is looked at, and the NUL. */
enum { HTTP_WORD_MAX = 24 };

/* One direction. http-parser reads the heads; lines, chunks and bodies are followed here. */
struct http_stream {
	struct http_parser parser;
	uint64_t left;                /* bytes of the body or chunk still to come */
	uint32_t lines_size;          /* bytes of the head, chunk line or trailer so far */
	uint8_t place;                /* enum http_place */
	uint8_t line;                 /* enum http_line: of the line being read */
	uint8_t digits;               /* of the chunk's size so far */
	uint8_t header;               /* enum http_header: whose value is being read */
	uint8_t finding;              /* enum guard_reason: what the head's headers rule out */
	bool encoded;                 /* there is a Transfer-Encoding */
	uint8_t name_size, word_size; /* HTTP_WORD_MAX: too long to be of interest */
	bool in_value;                /* of a header */
	bool early;                   /* the reply began before its request was complete */
	char name[HTTP_WORD_MAX], word[HTTP_WORD_MAX];
};

struct guard_http {
	struct http_stream request, reply;
	struct request_queue waiting;
	bool understood; /* a whole request head */
};

void guard_http_start(struct guard *guard);
void guard_http_sent(struct guard *guard, const char *bytes, size_t size);
void guard_http_received(struct guard *guard, const char *bytes, size_t size);
bool guard_http_clean(const struct guard *guard);

#endif
