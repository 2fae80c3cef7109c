// SPDX-License-Identifier: Apache-2.0
/* source_list - the LIST of sources: addresses, ranges, prefixes, `auto`. */
#include "source_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* @earlier: how many of the list the address may be equal to. */
static bool add_new(struct arena *arena, struct source_list *list, const struct address *address,
		    unsigned earlier)
{
	for (unsigned i = 0; i < earlier; i++)
		if (address_equal(&list->items[i], address))
			return true;
	if (list->count == SOURCE_LIST_MAX)
		return false;
	if (list->count == list->room) {
		unsigned room = list->room ? list->room * 2 : 8;
		struct address *items = arena_alloc(arena, room * sizeof(*items));
		if (!items)
			return false;
		if (list->count)
			memcpy(items, list->items, list->count * sizeof(*items));
		arena_free(arena, list->items, list->room * sizeof(*items));
		list->items = items;
		list->room = room;
	}
	list->items[list->count++] = *address;
	return true;
}

bool source_list_add(struct arena *arena, struct source_list *list, const struct address *address)
{
	return add_new(arena, list, address, list->count);
}

static bool refuse(char *reason, const char *text, size_t length, const char *why)
{
	snprintf(reason, REASON_MAX, "`%.*s` %s", (int)(length > 60 ? 60 : length), text, why);
	return false;
}

/* Adds first, first + 1, ... last. The caller knows that last is not below first. */
static bool add_span(struct arena *arena, struct source_list *list, struct address first,
		     const struct address *last, const char *text, size_t length, char *reason)
{
	/* Those of the span differ from each other: 4096 of them would be 8 million comparisons. */
	unsigned earlier = list->count;

	for (;; first = address_next(&first)) {
		if (list->named++ >= SOURCE_LIST_MAX || !add_new(arena, list, &first, earlier)) {
			char why[80];
			snprintf(why, sizeof(why), "takes the list beyond %d addresses", SOURCE_LIST_MAX);
			return refuse(reason, text, length, why);
		}
		if (address_equal(&first, last))
			return true;
	}
}

static bool usable_source(const struct address *a)
{
	return !address_is_unset(a) &&
	       !(address_is_v4(a) ? a->v6.s6_addr[12] >= 224 : IN6_IS_ADDR_MULTICAST(&a->v6));
}

static bool parse_range(struct arena *arena, struct source_list *list, const char *text, size_t length,
			const char *dash, char *reason)
{
	struct address first, last;
	size_t head = (size_t)(dash - text);

	if (!address_parse(text, head, &first) || !address_parse(dash + 1, length - head - 1, &last))
		return refuse(reason, text, length, "is not a range of addresses (FIRST-LAST)");
	if (address_is_v4(&first) != address_is_v4(&last))
		return refuse(reason, text, length, "mixes IPv4 and IPv6");
	if (memcmp(&first, &last, sizeof(first)) > 0)
		return refuse(reason, text, length, "is a range whose end is before its start");
	if (!usable_source(&first) || !usable_source(&last))
		return refuse(reason, text, length, "holds addresses no connection can leave from");
	return add_span(arena, list, first, &last, text, length, reason);
}

static bool parse_prefix(struct arena *arena, struct source_list *list, const char *text, size_t length,
			 const char *slash, char *reason)
{
	struct address first, last;
	size_t head = (size_t)(slash - text);
	char digits[5] = "";
	char *end;

	if (!address_parse(text, head, &first))
		return refuse(reason, text, length, "is not a prefix (ADDRESS/BITS)");
	size_t digit_count = length - head - 1;
	if (digit_count && digit_count < sizeof(digits))
		memcpy(digits, slash + 1, digit_count);
	unsigned long bits = strtoul(digits, &end, 10);
	unsigned long most = address_is_v4(&first) ? 32 : 128;
	if (!*digits || *digits < '0' || *digits > '9' || *end || bits > most)
		return refuse(reason, text, length, "has a prefix length that is not a number of bits");
	if (most - bits > 12)
		return refuse(reason, text, length, "holds more than 4096 addresses");
	last = first;
	for (unsigned i = 0; i < most - bits; i++) {
		first.v6.s6_addr[15 - i / 8] &= (uint8_t) ~(1u << (i % 8));
		last.v6.s6_addr[15 - i / 8] |= (uint8_t)(1u << (i % 8));
	}
	if (!usable_source(&first) || !usable_source(&last))
		return refuse(reason, text, length, "holds addresses no connection can leave from");
	return add_span(arena, list, first, &last, text, length, reason);
}

static bool parse_item(struct arena *arena, struct source_list *list, const char *text, size_t length,
		       char *reason)
{
	struct address one;
	const char *mark;

	if (!length) {
		snprintf(reason, REASON_MAX, "an entry of the list is empty");
		return false;
	}
	if (length == 4 && !memcmp(text, "auto", 4)) {
		list->automatic = true;
		return true;
	}
	if ((mark = memchr(text, '/', length)))
		return parse_prefix(arena, list, text, length, mark, reason);
	if ((mark = memchr(text, '-', length)))
		return parse_range(arena, list, text, length, mark, reason);
	if (!address_parse(text, length, &one))
		return refuse(reason, text, length, "is not an IP address, range, prefix or `auto`");
	if (!usable_source(&one))
		return refuse(reason, text, length, "is an address no connection can leave from");
	return add_span(arena, list, one, &one, text, length, reason);
}

bool source_list_parse(struct arena *arena, struct source_list *list, const char *text, char *reason)
{
	for (;;) {
		text += strspn(text, " \t");
		size_t length = strcspn(text, ",");
		size_t trimmed = length;
		while (trimmed && strchr(" \t", text[trimmed - 1]))
			trimmed--;
		if (!parse_item(arena, list, text, trimmed, reason))
			return false;
		/* A comma at the end is let pass: in a rule file the list goes on in the next line. */
		if (!text[length] || !text[length + 1 + strspn(text + length + 1, " \t")])
			break;
		text += length + 1;
	}
	if (list->automatic && list->count) {
		snprintf(reason, REASON_MAX, "`auto` stands alone: it cannot be mixed with addresses");
		return false;
	}
	return true;
}

bool source_list_extend(struct arena *arena, struct source_list *list, const char *text, char *reason)
{
	struct source_list before = *list;

	if (source_list_parse(arena, list, text, reason))
		return true;
	/* The items may have moved; those from before are still the first. */
	list->count = before.count;
	list->named = before.named;
	list->automatic = before.automatic;
	return false;
}
