// SPDX-License-Identifier: Apache-2.0
/* guard - is the exchange on a connection complete, so that another may follow on it? */
#include "pool/guard/guard.h"

#include "pool/guard/http.h"
#include "pool/guard/memcached.h"
#include "pool/guard/raw.h"
#include "pool/guard/redis.h"

#include <string.h>

static const char kind_names[GUARD_KINDS][12] = { "off", "http", "http+bodies", "redis", "memcached", "raw" };

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

static void begin_use(struct guard *guard)
{
	guard->asked = guard->answered = guard->last_received = false;
	guard->promised_idle_s = guard->promised_uses = GUARD_NO_PROMISE;
	guard->speaks = guard->kind;
	switch (guard->kind) {
	case GUARD_HTTP:
	case GUARD_HTTP_BODIES:
		guard_http_start(guard);
		break;
	case GUARD_REDIS:
		guard_redis_start(guard);
		break;
	case GUARD_MEMCACHED:
		guard_memcached_start(guard);
		break;
	default:
		guard_raw_start(guard);
		break;
	}
}

void guard_start(struct guard *guard, enum guard_kind kind)
{
	guard->sent = guard->received = 0;
	guard->kind = (uint8_t)kind;
	guard->reason = kind == GUARD_OFF ? GUARD_REASON_OFF : GUARD_REASON_NONE;
	guard->doubt = GUARD_REASON_NONE;
	guard->was_clean = false;
	guard->authority = 0;
	guard->memcached.open_to_all = false;
	begin_use(guard);
}

static bool clean(const struct guard *guard)
{
	if (!guard->asked)
		return guard->was_clean;
	if (!guard->last_received)
		return false;
	switch (guard->kind) {
	case GUARD_HTTP:
	case GUARD_HTTP_BODIES:
		return guard_http_clean(guard);
	case GUARD_REDIS:
		return guard_redis_clean(guard);
	case GUARD_MEMCACHED:
		return guard_memcached_clean(guard);
	default:
		return guard_raw_clean(guard);
	}
}

/* Is an exchange complete that nothing rules out? What is in doubt does not matter here. */
static bool complete(const struct guard *guard)
{
	return !guard->reason && clean(guard);
}

void guard_reset(struct guard *guard)
{
	if (!complete(guard))
		guard_refuse(guard, GUARD_REASON_EARLY);
	guard->was_clean = true;
	begin_use(guard);
}

bool guard_next(struct guard *guard)
{
	uint32_t idle_s = guard->promised_idle_s, uses = guard->promised_uses;

	if (!complete(guard))
		return false;
	guard_reset(guard);
	guard->promised_idle_s = idle_s;
	guard->promised_uses = uses;
	return true;
}

static bool is_http(const struct guard *guard)
{
	return guard->speaks == GUARD_HTTP || guard->speaks == GUARD_HTTP_BODIES;
}

void guard_sent(struct guard *guard, const void *bytes, size_t size)
{
	guard->sent += size;
	if (size && guard->reason && is_http(guard))
		guard->http.repeatable = false; /* as nobody looks at this */
	if (!size || guard->reason)
		return;
	guard->asked = true;
	guard->last_received = false;
	switch (guard->kind) {
	case GUARD_HTTP:
	case GUARD_HTTP_BODIES:
		guard_http_sent(guard, bytes, size);
		break;
	case GUARD_REDIS:
		guard_redis_sent(guard, bytes, size);
		break;
	case GUARD_MEMCACHED:
		guard_memcached_sent(guard, bytes, size);
		break;
	case GUARD_RAW:
		guard_raw_sent(guard, bytes, size);
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
	case GUARD_HTTP_BODIES:
		guard_http_received(guard, bytes, size);
		break;
	case GUARD_REDIS:
		guard_redis_received(guard, bytes, size);
		break;
	case GUARD_MEMCACHED:
		guard_memcached_received(guard, bytes, size);
		break;
	case GUARD_RAW:
		guard_raw_received(guard, bytes, size);
		break;
	default:
		break;
	}
}

enum guard_verdict guard_verdict(const struct guard *guard)
{
	if (guard->reason || guard->doubt)
		return GUARD_REFUSED;
	return clean(guard) ? GUARD_CLEAN : GUARD_OPEN;
}

bool guard_repeats(const struct guard *guard)
{
	return guard->kind == GUARD_HTTP || guard->kind == GUARD_HTTP_BODIES || guard->kind == GUARD_RAW;
}

bool guard_asks_anew(const struct guard *guard)
{
	return is_http(guard) || guard->kind == GUARD_MEMCACHED;
}

bool guard_may_be_for_another(const struct guard *guard)
{
	return is_http(guard) && guard_http_may_be_for_another(guard);
}

bool guard_may_repeat(const struct guard *guard)
{
	return is_http(guard) && guard->asked && !guard->answered && guard_http_may_repeat(guard);
}
