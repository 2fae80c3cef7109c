/* SPDX-License-Identifier: Apache-2.0 */
/* trace - what a strand saw, in words that are the same at each run: no port that was chosen, no pointer, no
 * time. */
#include "actor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

struct strand strand_open(const char *name)
{
	uint32_t count = __atomic_load_n(&shared->pages, __ATOMIC_ACQUIRE);
	for (uint32_t i = 0; i < count && i < STRANDS_MAX; i++)
		if (!strcmp(shared->page[i].name, name))
			return (struct strand){ &shared->page[i], 0, NULL };
	uint32_t mine = __atomic_fetch_add(&shared->pages, 1, __ATOMIC_ACQ_REL);
	struct page *page = &shared->page[mine < STRANDS_MAX ? mine : STRANDS_MAX - 1];
	strncpy(page->name, name, STRAND_NAME - 1);
	return (struct strand){ page, 0, NULL };
}

void say(struct strand *strand, const char *text)
{
	struct page *page = strand->page;
	while (*text && page->length < STRAND_TEXT - 1)
		page->text[page->length++] = *text++;
}

void say_number(struct strand *strand, long number)
{
	char digits[24], *at = digits + sizeof digits;
	unsigned long left = number < 0 ? 0 - (unsigned long)number : (unsigned long)number;
	*--at = '\0';
	do
		*--at = (char)('0' + left % 10);
	while (left /= 10);
	if (number < 0)
		*--at = '-';
	say(strand, at);
}

void say_errno(struct strand *strand, int number)
{
	const char *name = strerrorname_np(number);
	say(strand, name ? name : "?");
}

void say_result(struct strand *strand, long result)
{
	if (result == -1) {
		say(strand, " e=");
		say_errno(strand, errno);
	} else {
		say(strand, " r=");
		say_number(strand, result);
	}
}

static void say_port(struct strand *strand, const struct slot *slot, int port, bool is_local)
{
	const struct sockaddr_in *own = (const void *)&slot->bound;
	if (port < range_low || port > range_high) {
		say_number(strand, port);
	} else if (is_local && slot->was_bound && ntohs(own->sin_port) == port) {
		say(strand, "own");
	} else if (is_local && slot->is_stream && !slot->was_bound && slot->connected && parity_is_known &&
		   knee_is_far()) {
		/* Far from the knee connect() takes ports of the range's first parity
		 * (__inet_hash_connect()). */
		say(strand, (port - range_low) & 1 ? "odd" : "even");
	} else {
		say(strand, "port");
	}
}

void say_address(struct strand *strand, const struct slot *slot, const struct sockaddr_storage *address,
		 bool is_local)
{
	char text[INET6_ADDRSTRLEN];
	int saved = errno;
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;
	/* The text is made even where it is not said: making it takes stack, and how much the step takes is
	 * to depend on the calls alone. */
	say(strand, " ");
	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *bound = (const void *)&slot->bound;
		bool own = is_local && slot->was_bound && bound->sin_family == AF_INET &&
			   bound->sin_addr.s_addr && bound->sin_addr.s_addr == v4->sin_addr.s_addr;
		inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
		say(strand, own ? "own" : text);
	} else if (address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *bound = (const void *)&slot->bound;
		bool own = is_local && slot->was_bound && bound->sin6_family == AF_INET6 &&
			   !IN6_IS_ADDR_UNSPECIFIED(&bound->sin6_addr) &&
			   !memcmp(&bound->sin6_addr, &v6->sin6_addr, sizeof v6->sin6_addr);
		inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
		say(strand, own ? "own" : text);
		if (v6->sin6_scope_id)
			say(strand, "%");
	} else {
		say(strand, "family");
		say_number(strand, address->ss_family);
		errno = saved;
		return;
	}
	say(strand, "|");
	say_port(strand, slot, ntohs(v4->sin_port), is_local);
	errno = saved;
}
