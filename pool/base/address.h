// SPDX-License-Identifier: Apache-2.0
/* address - one IP address or endpoint, IPv4 and IPv6 alike. */
#ifndef HEADROOM_POOL_BASE_ADDRESS_H
#define HEADROOM_POOL_BASE_ADDRESS_H

#include "pool/base/hot.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

/* An IP address in network byte order. IPv4 is kept as its IPv4-mapped IPv6 form (RFC 4291 section
 * 2.5.5.2), so that a mapped destination is the IPv4 destination, for rules and for counts. */
struct address {
	union {
		struct in6_addr v6;
		uint32_t words_be[4];
	};
};

/* An IP address and a port; compared as bytes, so it holds no padding. */
struct endpoint {
	struct address ip;
	uint32_t scope; /* interface index of a link-local address, else 0 */
	uint16_t port;  /* host order */
	uint16_t reserved_zero;
};
_Static_assert(sizeof(struct endpoint) == 24, "endpoints are hash keys: no padding");

enum { ADDRESS_TEXT_MAX = INET6_ADDRSTRLEN, ENDPOINT_TEXT_MAX = INET6_ADDRSTRLEN + 20 };

/**
 * address_is_v4() - is this an IPv4 address (or an IPv4-mapped one, which is the same here)?
 */
static inline bool address_is_v4(const struct address *a)
{
	return IN6_IS_ADDR_V4MAPPED(&a->v6);
}

/**
 * address_equal() - do both name the same address?
 */
HOT_WHOLE static inline bool address_equal(const struct address *a, const struct address *b)
{
	return IN6_ARE_ADDR_EQUAL(&a->v6, &b->v6);
}

/**
 * endpoint_equal() - the same address, scope and port
 */
HOT_WHOLE static inline bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	uint64_t x[3], y[3];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2])) == 0;
}

/**
 * address_is_unset() - is it 0.0.0.0, :: or an all-zero struct?
 */
static inline bool address_is_unset(const struct address *a)
{
	return !a->words_be[3] && !a->words_be[0] && !a->words_be[1] && (!a->words_be[2] || address_is_v4(a));
}

/**
 * address_is_loopback() - is it in 127.0.0.0/8 or ::1?
 */
bool address_is_loopback(const struct address *a);

/**
 * address_is_link_local() - is it in 169.254.0.0/16 or fe80::/10?
 */
bool address_is_link_local(const struct address *a);

/**
 * address_is_one_host() - can a connection be made to it, from a source that is ours to choose? Not so to the
 * unset address, which means this host (inet(7), tcp_v4_connect()), nor to multicast and broadcast ones
 */
bool address_is_one_host(const struct address *a);

/**
 * address_from_v4() - the address for an IPv4 one
 * @v4_be:	address in network byte order
 */
struct address address_from_v4(uint32_t v4_be);

/**
 * address_next() - the numerically next address of the same family
 */
struct address address_next(const struct address *a);

/**
 * address_prefix_match() - does @a lie in the prefix @net with @bits bits?
 * @bits:	0..128, counted on the 128-bit form (IPv4 /n is 96 + n)
 */
bool address_prefix_match(const struct address *a, const struct address *net, unsigned bits);

/**
 * address_parse() - an address from text
 * @text:	"192.0.2.1" or "2001:db8::1", without brackets
 * @length:	bytes of @text to read
 * Return: true, and the address in @out
 */
bool address_parse(const char *text, size_t length, struct address *out);

/**
 * address_format() - text of an address, IPv4 dotted, IPv6 as RFC 5952 has it
 * @out:	at least ADDRESS_TEXT_MAX bytes
 * Return: @out
 */
const char *address_format(const struct address *a, char *out);

/**
 * endpoint_format() - text of an endpoint: 192.0.2.1:80, [2001:db8::1]:80, [fe80::1%2]:80
 * @out:	at least ENDPOINT_TEXT_MAX bytes
 * Return: @out
 */
const char *endpoint_format(const struct endpoint *e, char *out);

/**
 * endpoint_from_sockaddr() - read a socket address of AF_INET or AF_INET6
 * @sa:		not necessarily aligned
 * @length:	bytes valid at @sa
 * Return: true, and the endpoint in @out; false for any other family or a short length
 */
bool endpoint_from_sockaddr(const void *sa, socklen_t length, struct endpoint *out);

/**
 * endpoint_to_sockaddr() - make the socket address that a socket of @family needs for @e
 * @family:	AF_INET (then @e must be IPv4) or AF_INET6 (IPv4 becomes IPv4-mapped)
 * Return: length of what is in @out
 */
socklen_t endpoint_to_sockaddr(const struct endpoint *e, int family, struct sockaddr_storage *out);

#endif
