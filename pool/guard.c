// SPDX-License-Identifier: Apache-2.0
/* guard - is the exchange on a connection complete, so that another may follow on it? */
#include "guard.h"

#include "guard_http.h"
#include "guard_memcached.h"
#include "guard_redis.h"

#include <string.h>

static const char kind_names[GUARD_KINDS][12] = { "off", "http", "redis", "memcached", "raw" };

bool guard_from_name(const char *name, enum guard_kind *kind)
{
	for (unsigned i = 0; i < GUARD_KINDS; i++) {
		if (!strcmp(name, kind_names[i])) {
			*kind = (enum guard_kind)i;
			return true;
		}
	}
	return false;
}

const char *guard_name(enum guard_kind kind)
{
	return kind_names[kind];
}

/* Starts of protocols that are bound to their connection. `skip` bytes before are any, but for the first. */
static const struct start {
	uint8_t first, skip, size;
	uint8_t bytes[GUARD_FIRST_MAX];
} foreign[] = {
	{ 0x16, 1, 1, "\x03" },                /* TLS: handshake, version 3.x (RFC 8446, 5.1) */
	{ 'S', 1, 3, "SH-" },                  /* SSH (RFC 4253, 4.2) */
	{ 'P', 1, 5, "ROXY " },                /* PROXY, version 1 */
	{ '\r', 1, 11, "\n\r\n\0\r\nQUIT\n" }, /* PROXY, version 2 */
	{ 0x04, 1, 1, "\x01" },                /* SOCKS4: CONNECT */
	{ 0x04, 1, 1, "\x02" },                /* SOCKS4: BIND */
	{ 0x05, 1, 0, "" },                    /* SOCKS5 (RFC 1928, 3) */
	{ 0x00, 4, 3, { 0x00, 0x03, 0x00 } },  /* PostgreSQL: protocol 3 */
	{ 0x00, 4, 3, { 0x04, 0xd2, 0x16 } },  /* PostgreSQL: SSLRequest and kin */
	{ 'P', 1, 13, "RI * HTTP/2.0" },       /* HTTP/2 (RFC 9113, 3.4) */
};

enum likeness { UNLIKE, UNDECIDED, ALIKE };

/* Do the first bytes begin like a protocol that raw must not park? */
static enum likeness foreign_start(const struct guard *guard)
{
	enum likeness likeness = UNLIKE;

	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++) {
		const struct start *start = &foreign[i];
		size_t known = guard->first_size > start->skip ? guard->first_size - (size_t)start->skip : 0;
		if (!guard->first_size || guard->first[0] != start->first)
			continue;
		if (memcmp(guard->first + start->skip, start->bytes,
			   known < start->size ? known : start->size))
			continue;
		if (known >= start->size)
			return ALIKE;
		likeness = UNDECIDED;
	}
	return likeness;
}

static void begin_use(struct guard *guard)
{
	guard->asked = guard->answered = guard->last_received = false;
	guard->first_size = 0;
	switch (guard->kind) {
	case GUARD_HTTP:
		guard_http_start(guard);
		break;
	case GUARD_REDIS:
		guard_redis_start(guard);
		break;
	case GUARD_MEMCACHED:
		guard_memcached_start(guard);
		break;
	default:
		break;
	}
}

void guard_start(struct guard *guard, enum guard_kind kind)
{
	guard->sent = guard->received = 0;
	guard->kind = (uint8_t)kind;
	guard->reason = kind == GUARD_OFF ? GUARD_REASON_OFF : GUARD_REASON_NONE;
	guard->was_clean = false;
	begin_use(guard);
}

void guard_reset(struct guard *guard)
{
	if (guard_verdict(guard) != GUARD_CLEAN)
		guard_refuse(guard, GUARD_REASON_EARLY);
	guard->was_clean = true;
	begin_use(guard);
}

void guard_sent(struct guard *guard, const void *bytes, size_t size)
{
	guard->sent += size;
	if (!size || guard->reason)
		return;
	guard->asked = true;
	guard->last_received = false;
	if (guard->first_size < GUARD_FIRST_MAX) {
		size_t room = GUARD_FIRST_MAX - (size_t)guard->first_size, take = size < room ? size : room;
		memcpy(guard->first + guard->first_size, bytes, take);
		guard->first_size = (uint8_t)(guard->first_size + take);
		if (guard->kind == GUARD_RAW && foreign_start(guard) == ALIKE)
			guard_refuse(guard, GUARD_REASON_PROTOCOL);
	}
	switch (guard->kind) {
	case GUARD_HTTP:
		guard_http_sent(guard, bytes, size);
		break;
	case GUARD_REDIS:
		guard_redis_sent(guard, bytes, size);
		break;
	case GUARD_MEMCACHED:
		guard_memcached_sent(guard, bytes, size);
		break;
	default:
		break;
	}
}

void guard_received(struct guard *guard, const void *bytes, size_t size)
{
	guard->received += size;
	if (!size || guard->reason)
		return;
	if (!guard->asked) {
		guard_refuse(guard, GUARD_REASON_SERVER_FIRST);
		return;
	}
	guard->answered = guard->last_received = true;
	switch (guard->kind) {
	case GUARD_HTTP:
		guard_http_received(guard, bytes, size);
		break;
	case GUARD_REDIS:
		guard_redis_received(guard, bytes, size);
		break;
	case GUARD_MEMCACHED:
		guard_memcached_received(guard, bytes, size);
		break;
	default:
		break;
	}
}

static bool clean(const struct guard *guard)
{
	if (!guard->asked)
		return guard->was_clean;
	if (!guard->last_received)
		return false;
	switch (guard->kind) {
	case GUARD_HTTP:
		return guard_http_clean(guard);
	case GUARD_REDIS:
		return guard_redis_clean(guard);
	case GUARD_MEMCACHED:
		return guard_memcached_clean(guard);
	default:
		return foreign_start(guard) == UNLIKE;
	}
}

enum guard_verdict guard_verdict(const struct guard *guard)
{
	if (guard->reason)
		return GUARD_REFUSED;
	return clean(guard) ? GUARD_CLEAN : GUARD_OPEN;
}
