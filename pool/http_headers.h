// SPDX-License-Identifier: Apache-2.0
/* http_headers - what the headers of a message say about its connection. */
#ifndef HEADROOM_POOL_HTTP_HEADERS_H
#define HEADROOM_POOL_HTTP_HEADERS_H

#include "guard_http.h"

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
