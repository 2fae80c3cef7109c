// SPDX-License-Identifier: Apache-2.0
/* source_list - the LIST of sources: addresses, ranges, prefixes, `auto`. */
#include "pool/rules/source_list.h"

#include "pool/base/hot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* @earlier: how many of the list the address may be equal to. */
ONCE static bool add_new(struct arena *arena, struct source_list *list, const struct address *address,
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

static bool exclude_span(struct arena *arena, struct source_list *list, const struct source_span *span,
			 const char *text, size_t length, char *reason)
{
	if (list->excluded_count == SOURCE_SPANS_MAX)
		return refuse(reason, text, length, "is one `!` too many: there may be 256");
	if (list->excluded_count == list->excluded_room) {
		unsigned room = list->excluded_room ? list->excluded_room * 2 : 4;
		struct source_span *spans = arena_alloc(arena, room * sizeof(*spans));
		if (!spans)
			return refuse(reason, text, length, "does not fit into memory");
		if (list->excluded_count)
			memcpy(spans, list->excluded, list->excluded_count * sizeof(*spans));
		arena_free(arena, list->excluded, list->excluded_room * sizeof(*spans));
		list->excluded = spans;
		list->excluded_room = room;
	}
	list->excluded[list->excluded_count++] = *span;
	return true;
}

static bool excluded(const struct source_list *by, const struct address *address)
{
	for (unsigned i = 0; i < by->excluded_count; i++)
		if (memcmp(&by->excluded[i].first, address, sizeof(*address)) <= 0 &&
		    memcmp(&by->excluded[i].last, address, sizeof(*address)) >= 0)
			return true;
	return false;
}

void source_list_exclude(struct source_list *list, const struct source_list *by)
{
	unsigned kept = 0;

	if (!by->excluded_count)
		return;
	for (unsigned i = 0; i < list->count; i++)
		if (!excluded(by, &list->items[i]))
			list->items[kept++] = list->items[i];
	list->count = kept;
}

bool source_list_complete(const struct source_list *list, char *reason)
{
	if (list->count || list->automatic || !list->excluded_count)
		return true;
	snprintf(reason, REASON_MAX, "%s",
		 list->named ? "`!` takes every address out of the list again"
			     : "`!` takes addresses out of a list, and there are none in it");
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

ONCE static bool usable_source(const struct address *a)
{
	return !address_is_unset(a) &&
	       !(address_is_v4(a) ? a->v6.s6_addr[12] >= 224 : IN6_IS_ADDR_MULTICAST(&a->v6));
}

static bool parse_range(const char *text, size_t length, const char *dash, struct source_span *span,
			char *reason)
{
	size_t head = (size_t)(dash - text);

	if (!address_parse(text, head, &span->first) ||
	    !address_parse(dash + 1, length - head - 1, &span->last))
		return refuse(reason, text, length, "is not a range of addresses (FIRST-LAST)");
	if (address_is_v4(&span->first) != address_is_v4(&span->last))
		return refuse(reason, text, length, "mixes IPv4 and IPv6");
	if (memcmp(&span->first, &span->last, sizeof(span->first)) > 0)
		return refuse(reason, text, length, "is a range whose end is before its start");
	return true;
}

/* @host_bits_most: of how many addresses at most */
static bool parse_prefix(const char *text, size_t length, const char *slash, unsigned host_bits_most,
			 struct source_span *span, char *reason)
{
	size_t head = (size_t)(slash - text);
	char digits[5] = "";
	char *end;

	if (!address_parse(text, head, &span->first))
		return refuse(reason, text, length, "is not a prefix (ADDRESS/BITS)");
	size_t digit_count = length - head - 1;
	if (digit_count && digit_count < sizeof(digits))
		memcpy(digits, slash + 1, digit_count);
	unsigned long bits = strtoul(digits, &end, 10);
	unsigned long most = address_is_v4(&span->first) ? 32 : 128;
	if (!*digits || *digits < '0' || *digits > '9' || *end || bits > most)
		return refuse(reason, text, length, "has a prefix length that is not a number of bits");
	if (most - bits > host_bits_most)
		return refuse(reason, text, length, "holds more than 4096 addresses");
	span->last = span->first;
	for (unsigned i = 0; i < most - bits; i++) {
		span->first.v6.s6_addr[15 - i / 8] &= (uint8_t) ~(1u << (i % 8));
		span->last.v6.s6_addr[15 - i / 8] |= (uint8_t)(1u << (i % 8));
	}
	return true;
}

static bool parse_span(const char *text, size_t length, unsigned host_bits_most, struct source_span *span,
		       char *reason)
{
	const char *mark;

	if ((mark = memchr(text, '/', length)))
		return parse_prefix(text, length, mark, host_bits_most, span, reason);
	if ((mark = memchr(text, '-', length)))
		return parse_range(text, length, mark, span, reason);
	if (!address_parse(text, length, &span->first))
		return refuse(reason, text, length, "is not an IP address, range, prefix or `auto`");
	span->last = span->first;
	return true;
}

static bool parse_item(struct arena *arena, struct source_list *list, const char *text, size_t length,
		       char *reason)
{
	enum { LISTED_HOST_BITS = 12, ANY_HOST_BITS = 128 };
	bool out = length && *text == '!';
	size_t mark = out ? 1 + strspn(text + 1, " \t") : 0;
	struct source_span span;

	if (!length) {
		snprintf(reason, REASON_MAX, "an entry of the list is empty");
		return false;
	}
	if (length == 4 && !memcmp(text, "auto", 4)) {
		list->automatic = true;
		return true;
	}
	if (mark >= length && out)
		return refuse(reason, text, length,
			      "takes nothing out: an address, range or prefix is to follow");
	if (out && length - mark == 4 && !memcmp(text + mark, "auto", 4))
		return refuse(reason, text, length, "cannot be taken out: name addresses");
	if (!parse_span(text + mark, length - mark, out ? ANY_HOST_BITS : LISTED_HOST_BITS, &span, reason))
		return false;
	if (out)
		return exclude_span(arena, list, &span, text, length, reason);
	if (!usable_source(&span.first) || !usable_source(&span.last))
		return refuse(reason, text, length,
			      address_equal(&span.first, &span.last)
				      ? "is an address no connection can leave from"
				      : "holds addresses no connection can leave from");
	return add_span(arena, list, span.first, &span.last, text, length, reason);
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
	source_list_exclude(list, list);
	if (list->automatic && list->count) {
		snprintf(reason, REASON_MAX, "`auto` stands alone: it cannot be mixed with addresses");
		return false;
	}
	return true;
}

ONCE bool source_list_extend(struct arena *arena, struct source_list *list, const char *text, char *reason)
{
	struct source_list before = *list;

	if (source_list_parse(arena, list, text, reason))
		return true;
	/* The items may have moved; those from before are still the first. */
	list->count = before.count;
	list->named = before.named;
	list->automatic = before.automatic;
	list->excluded_count = before.excluded_count;
	return false;
}
