// SPDX-License-Identifier: Apache-2.0
/* address - one IP address or endpoint, IPv4 and IPv6 alike. */
#include "pool/base/address.h"
#include "pool/base/hot.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

HOT_WHOLE bool address_is_loopback(const struct address *a)
{
	if (address_is_v4(a))
		return a->v6.s6_addr[12] == 127;
	return IN6_IS_ADDR_LOOPBACK(&a->v6);
}

HOT_WHOLE bool address_is_link_local(const struct address *a)
{
	if (address_is_v4(a))
		return a->v6.s6_addr[12] == 169 && a->v6.s6_addr[13] == 254;
	return IN6_IS_ADDR_LINKLOCAL(&a->v6);
}

HOT_WHOLE bool address_is_one_host(const struct address *a)
{
	if (address_is_v4(a))
		return a->v6.s6_addr[12] && a->v6.s6_addr[12] < 224;
	return !address_is_unset(a) && !IN6_IS_ADDR_MULTICAST(&a->v6);
}

struct address address_from_v4(uint32_t v4_be)
{
	struct address a = { .words_be = { 0, 0, htonl(0xffff), v4_be } };
	return a;
}

struct address address_next(const struct address *a)
{
	struct address next = *a;
	int lowest = address_is_v4(a) ? 12 : 0;
	for (int i = 15; i >= lowest && ++next.v6.s6_addr[i] == 0; i--)
		;
	return next;
}

bool address_prefix_match(const struct address *a, const struct address *net, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	if (memcmp(a->v6.s6_addr, net->v6.s6_addr, whole))
		return false;
	if (!rest)
		return true;
	uint8_t mask = (uint8_t)(0xff << (8 - rest));
	return !((a->v6.s6_addr[whole] ^ net->v6.s6_addr[whole]) & mask);
}

ONCE bool address_parse(const char *text, size_t length, struct address *out)
{
	char copy[ADDRESS_TEXT_MAX];
	struct in_addr v4;

	if (length >= sizeof(copy))
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (inet_pton(AF_INET, copy, &v4) == 1) {
		*out = address_from_v4(v4.s_addr);
		return true;
	}
	return inet_pton(AF_INET6, copy, &out->v6) == 1;
}

/* By hand: inet_ntop() and snprintf() were two fifths of a long `headroom report`. Return: behind the number.
 */
static char *put_decimal(char *out, unsigned value)
{
	char digits[10], *first = digits + sizeof(digits);

	do {
		*--first = (char)('0' + value % 10);
	} while (value /= 10);
	size_t length = (size_t)(digits + sizeof(digits) - first);
	memcpy(out, first, length);
	return out + length;
}

static char *put_v4(char *out, const struct address *a)
{
	for (unsigned i = 12; i < 16; i++) {
		out = put_decimal(out, a->v6.s6_addr[i]);
		*out++ = i < 15 ? '.' : '\0';
	}
	return out - 1;
}

const char *address_format(const struct address *a, char *out)
{
	if (address_is_v4(a))
		put_v4(out, a);
	else
		inet_ntop(AF_INET6, &a->v6, out, ADDRESS_TEXT_MAX);
	return out;
}

const char *endpoint_format(const struct endpoint *e, char *out)
{
	char ip[ADDRESS_TEXT_MAX];

	if (address_is_v4(&e->ip)) {
		char *end = put_v4(out, &e->ip);
		*end = ':';
		*put_decimal(end + 1, e->port) = '\0';
		return out;
	}
	address_format(&e->ip, ip);
	if (e->scope)
		snprintf(out, ENDPOINT_TEXT_MAX, "[%s%%%u]:%u", ip, e->scope, e->port);
	else
		snprintf(out, ENDPOINT_TEXT_MAX, "[%s]:%u", ip, e->port);
	return out;
}

HOT bool endpoint_from_sockaddr(const void *sa, socklen_t length, struct endpoint *out)
{
	sa_family_t family;

	*out = (struct endpoint){ 0 };
	if (unlikely(length < sizeof(family)))
		return false;
	memcpy(&family, (const char *)sa + offsetof(struct sockaddr, sa_family), sizeof(family));
	if (likely(family == AF_INET && length >= sizeof(struct sockaddr_in))) {
		struct sockaddr_in in;
		memcpy(&in, sa, sizeof(in));
		out->ip = address_from_v4(in.sin_addr.s_addr);
		out->port = ntohs(in.sin_port);
		return true;
	}
	/* The kernel takes an address without sin6_scope_id too (SIN6_LEN_RFC2133, net/ipv6/af_inet6.c). */
	if (family == AF_INET6 && length >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
		struct sockaddr_in6 in6 = { 0 };
		memcpy(&in6, sa, length < sizeof(in6) ? length : sizeof(in6));
		out->ip.v6 = in6.sin6_addr;
		out->port = ntohs(in6.sin6_port);
		if (IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr))
			out->scope = in6.sin6_scope_id;
		return true;
	}
	return false;
}

HOT socklen_t endpoint_to_sockaddr(const struct endpoint *e, int family, struct sockaddr_storage *out)
{
	if (likely(family == AF_INET)) {
		struct sockaddr_in in = { .sin_family = AF_INET,
					  .sin_port = htons(e->port),
					  .sin_addr.s_addr = e->ip.words_be[3] };
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons(e->port),
				    .sin6_addr = e->ip.v6,
				    .sin6_scope_id = e->scope };
	memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}
