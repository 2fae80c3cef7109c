// SPDX-License-Identifier: Apache-2.0
/* http_headers - what the headers of a message say about its connection. */
#ifndef HEADROOM_POOL_GUARD_HTTP_HEADERS_H
#define HEADROOM_POOL_GUARD_HTTP_HEADERS_H

#include <http_parser.h>
#include <stdbool.h>
#include <stdint.h>

/* The longest header name or word that is looked at, and the NUL. */
enum { HTTP_WORD_MAX = 24 };

/* guard.promised_*: the server has promised nothing */
enum { GUARD_NO_PROMISE = 0xffffffff };

/* One direction. http-parser reads the heads; lines, chunks and bodies are followed by guard/http.c. */
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
	uint8_t promise;              /* enum http_promise: whose number comes next */
	uint32_t idle_s, uses;        /* of Keep-Alive; GUARD_NO_PROMISE: not said */
	uint32_t authority; /* a hash of whom the request is for: its Host, and an absolute target's */
	uint8_t slashes;    /* of the target so far: the third ends its authority */
	bool named;         /* Host has been read */
	bool early;         /* the reply began before its request was complete */
	char name[HTTP_WORD_MAX], word[HTTP_WORD_MAX];
};

/* http-parser calls these; parser->data is the struct http_stream. */
extern const struct http_parser_settings http_headers_settings;

/**
 * http_headers_start() - a new head begins
 */
void http_headers_start(struct http_stream *stream, enum http_parser_type type);

/**
 * http_token_char() - may the byte be in a header's name (RFC 9110, 5.6.2)?
 */
bool http_token_char(char c);

#endif
