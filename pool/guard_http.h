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

/* One direction. http-parser reads the heads; the bodies are counted here. */
struct http_stream {
	struct http_parser parser;
	uint64_t left;      /* bytes of the body or chunk still to come */
	uint32_t head_size; /* bytes of the head or trailer so far */
	uint8_t place;      /* enum http_place */
	uint8_t digits;     /* of the chunk's size */
	uint8_t line_bytes; /* of the line so far, counted to 3 */
	bool after_cr;      /* the last byte was CR */
	uint8_t name;       /* enum http_name of the header line being read */
	uint8_t name_bits;  /* of its letters */
	char word[24];      /* the header's name, then each word of its value */
	uint8_t word_size;
	uint8_t lengths, encodings;
	bool early; /* the reply began before its request was complete */
};

struct guard_http {
	struct http_stream request, reply;
	struct request_queue waiting;
};

void guard_http_start(struct guard *guard);
void guard_http_sent(struct guard *guard, const char *bytes, size_t size);
void guard_http_received(struct guard *guard, const char *bytes, size_t size);
bool guard_http_clean(const struct guard *guard);

#endif
