// SPDX-License-Identifier: Apache-2.0
/* raw - the guard of connections whose protocol the rule's owner vouches for. */
#include "pool/guard/raw.h"

#include "pool/guard/http.h"
#include "pool/guard/letter.h"
#include "pool/guard/redis.h"

#include <string.h>

/* Starts of protocols that are bound to their connection, letters in either case. `skip` bytes before are
 * any, but for the first. */
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
	{ 0x10, 2, 6, "\0\4MQTT" },            /* MQTT CONNECT, by the size of its length (MQTT 5, 3.1) */
	{ 0x10, 3, 6, "\0\4MQTT" },
	{ 0x10, 4, 6, "\0\4MQTT" },
	{ 0x10, 5, 6, "\0\4MQTT" },
	{ 0x10, 2, 8, "\0\6MQIsdp" }, /* MQTT 3.1 */
	{ 0x10, 3, 8, "\0\6MQIsdp" },
	{ 'A', 1, 3, "MQP" },                 /* AMQP (AMQP 0-9-1, 4.2.2; AMQP 1.0, 2.2) */
	{ 0x00, 4, 3, { 0x00, 0x03, 0x00 } }, /* PostgreSQL: protocol 3 */
	{ 0x00, 4, 3, { 0x04, 0xd2, 0x16 } }, /* PostgreSQL: SSLRequest and kin */
	{ 'P', 1, 13, "RI * HTTP/2.0" },      /* HTTP/2 (RFC 9113, 3.4) */
	{ 0x30, 2, 1, "\x02" },               /* LDAP: a sequence, of a number first (RFC 4511, 4.1.1) */
	{ 0x30, 1, 1, "\x81" },               /* the same, by the size of its length (X.690, 8.1.3) */
	{ 0x30, 1, 1, "\x82" },
	{ 0x30, 1, 1, "\x84" },
	{ 0x03, 5, 1, "\xe0" },    /* TPKT with a connection request (RFC 1006, 6; X.224, 13.3): RDP, S7 */
	{ 0x04, 4, 1, "\x01" },    /* Cassandra, protocol 4: STARTUP */
	{ 0x04, 4, 1, "\x05" },    /* and OPTIONS */
	{ 0x12, 1, 1, "\x01" },    /* SQL Server: PRELOGIN (MS-TDS, 2.2.3.1) */
	{ 0x00, 4, 4, "\xffSMB" }, /* SMB (MS-SMB2, 2.1) */
	{ 0x00, 4, 4, "\xfeSMB" },
	{ 'C', 1, 7, "ONNECT\n" }, /* STOMP 1.2 */
	{ 'C', 1, 7, "ONNECT\r" },
	{ 'S', 1, 5, "TOMP\n" },
	{ 'S', 1, 5, "TOMP\r" },
	{ '8', 1, 4, "=FIX" }, /* FIX: a logon comes first */
	/* Logins of protocols of lines: FTP, POP3, IRC (RFC 1459, 4.1), ... */
	{ 'U', 1, 4, "SER " },
	{ 'P', 1, 4, "ASS " },
	{ 'N', 1, 4, "ICK " },
	{ 'C', 1, 3, "AP " },
	{ 'A', 1, 4, "UTH " },
	{ 'L', 1, 5, "OGIN " },
	{ 'H', 1, 4, "ELO " },
	{ 'H', 1, 5, "ELLO " }, /* Redis, in a line */
	{ 'S', 1, 3, "ET " },   /* memcached with a password file: see memcached_command.c */
	{ 'E', 1, 4, "HLO " },
	{ 0x80, 1, 1, "\x20" }, /* memcached's binary protocol: SASL (protocol_binary.h) */
	{ 0x80, 1, 1, "\x21" },
	{ 0x80, 1, 1, "\x22" },
};

enum likeness { UNLIKE, UNDECIDED, ALIKE };
enum { MONGODB_HEADER = 16, KAFKA_HEADER = 14 };

static uint32_t number_le(const uint8_t *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static uint32_t number_be(const uint8_t *bytes)
{
	return bytes[3] | (uint32_t)bytes[2] << 8 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[0] << 24;
}

/* A header of four numbers: size, id, of the request that is answered none, OP_QUERY, OP_MSG or
 * OP_COMPRESSED (MongoDB wire protocol). */
static bool is_mongodb(const uint8_t *first)
{
	enum { SIZE_MOST = 48000000, OP_QUERY = 2004, OP_COMPRESSED = 2012, OP_MSG = 2013 };
	uint32_t size = number_le(first), operation = number_le(first + 12);

	return size >= MONGODB_HEADER && size <= SIZE_MOST && !number_le(first + 8) &&
	       (operation == OP_QUERY || operation == OP_COMPRESSED || operation == OP_MSG);
}

/* Size, API key and version, correlation id, length of the client's name (Kafka protocol, request header). */
static bool is_kafka(const uint8_t *first)
{
	enum { SIZE_MOST = 100 << 20, KEY_MOST = 127, VERSION_MOST = 24, NO_NAME = 0xffff };
	uint32_t size = number_be(first), api = number_be(first + 4);
	uint32_t name = (uint32_t)first[12] << 8 | first[13];

	return size >= 10 && size <= SIZE_MOST && api >> 16 <= KEY_MOST && (api & 0xffff) <= VERSION_MOST &&
	       (name == NO_NAME || name + 10 <= size);
}

static bool is_alike(uint8_t a, uint8_t b)
{
	return guard_lower((char)a) == guard_lower((char)b);
}

static bool begins_alike(const uint8_t *bytes, const uint8_t *start, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!is_alike(bytes[i], start[i]))
			return false;
	return true;
}

/* Do the first bytes begin like a protocol that raw must not park? Of those with a header of numbers nobody
 * answers to less than the whole. */
static enum likeness foreign_start(const struct guard *guard)
{
	enum likeness likeness = UNLIKE;

	if ((guard->first_size >= MONGODB_HEADER && is_mongodb(guard->first)) ||
	    (guard->first_size >= KAFKA_HEADER && is_kafka(guard->first)))
		return ALIKE;

	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++) {
		const struct start *start = &foreign[i];
		size_t known = guard->first_size > start->skip ? guard->first_size - (size_t)start->skip : 0;
		if (!guard->first_size || !is_alike(guard->first[0], start->first))
			continue;
		if (!begins_alike(guard->first + start->skip, start->bytes,
				  known < start->size ? known : start->size))
			continue;
		if (known >= start->size)
			return ALIKE;
		likeness = UNDECIDED;
	}
	return likeness;
}

/* A method and a space (RFC 9112, 3). */
static bool is_http(const struct guard *guard)
{
	static const char *const methods[] = { "GET ",     "HEAD ",  "POST ",    "PUT ",  "DELETE ",
					       "OPTIONS ", "PATCH ", "CONNECT ", "TRACE " };

	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		size_t length = strlen(methods[i]);
		if (guard->first_size >= length && !memcmp(guard->first, methods[i], length))
			return true;
	}
	return false;
}

/* RESP: an array of so many words. */
static bool is_redis(const struct guard *guard)
{
	return guard->first_size >= 2 && guard->first[0] == '*' && guard->first[1] >= '0' &&
	       guard->first[1] <= '9';
}

static void hand_on(struct guard *guard, const char *bytes, size_t size)
{
	if (guard->speaks == GUARD_HTTP)
		guard_http_sent(guard, bytes, size);
	else if (guard->speaks == GUARD_REDIS)
		guard_redis_sent(guard, bytes, size);
}

/* HTTP announces when it closes, and has replies without an end; Redis has logins, databases and
 * transactions, which are the connection's: raw that speaks one of them is judged by it. */
void guard_raw_sent(struct guard *guard, const char *bytes, size_t size)
{
	size_t room = GUARD_FIRST_MAX - (size_t)guard->first_size, take = size < room ? size : room;
	bool early = guard->speaks == GUARD_RAW && take;

	memcpy(guard->first + guard->first_size, bytes, take);
	guard->first_size = (uint8_t)(guard->first_size + take);
	if (early && foreign_start(guard) == ALIKE)
		guard_refuse(guard, GUARD_REASON_PROTOCOL);
	if (early && (is_http(guard) || is_redis(guard))) {
		guard->speaks = is_http(guard) ? GUARD_HTTP : GUARD_REDIS;
		guard->speaks == GUARD_HTTP ? guard_http_start(guard) : guard_redis_start(guard);
		hand_on(guard, (const char *)guard->first, guard->first_size);
		bytes += take;
		size -= take;
	}
	hand_on(guard, bytes, size);
}

void guard_raw_start(struct guard *guard)
{
	guard->first_size = 0;
}

void guard_raw_received(struct guard *guard, const char *bytes, size_t size)
{
	if (guard->speaks == GUARD_HTTP)
		guard_http_received(guard, bytes, size);
	else if (guard->speaks == GUARD_REDIS)
		guard_redis_received(guard, bytes, size);
}

bool guard_raw_clean(const struct guard *guard)
{
	switch (guard->speaks) {
	case GUARD_HTTP:
		return guard_http_clean(guard);
	case GUARD_REDIS:
		return guard_redis_clean(guard);
	default:
		return foreign_start(guard) == UNLIKE;
	}
}
