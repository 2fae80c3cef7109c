// SPDX-License-Identifier: Apache-2.0
/* http - the guard of HTTP/1.1 connections.
 *
 * Theory of operation
 *
 * http-parser reads the heads. It is lenient (bare LF, folded lines, a space before a colon, any two bytes
 * after a chunk), so lines and chunks are followed here, strictly (http_headers.c), and the two must end a
 * head at the same byte. */
#ifndef HEADROOM_POOL_GUARD_HTTP_H
#define HEADROOM_POOL_GUARD_HTTP_H

#include "pool/guard/state.h"

void guard_http_start(struct guard *guard);
void guard_http_sent(struct guard *guard, const char *bytes, size_t size);
void guard_http_received(struct guard *guard, const char *bytes, size_t size);
bool guard_http_clean(const struct guard *guard);
bool guard_http_may_be_for_another(const struct guard *guard);
bool guard_http_may_repeat(const struct guard *guard);

#endif
