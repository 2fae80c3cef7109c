// SPDX-License-Identifier: Apache-2.0
/* source_list - the LIST of sources: addresses, ranges, prefixes, `auto`. */
#ifndef HEADROOM_POOL_RULES_SOURCE_LIST_H
#define HEADROOM_POOL_RULES_SOURCE_LIST_H

#include "pool/base/address.h"
#include "pool/base/arena.h"

enum { SOURCE_LIST_MAX = 4096, SOURCE_SPANS_MAX = 256, REASON_MAX = 160 };

/* Addresses one after the other, of one family. */
struct source_span {
	struct address first, last;
};

/* Addresses in the order given, each once. IPv4 and IPv6 may be mixed: a destination uses its own family. */
struct source_list {
	struct address *items;
	unsigned count, room;
	unsigned named; /* by parsing, repetitions included */
	bool automatic; /* `auto`: looked up per destination, see route.h */
	/* What `!` takes out: it stays out, whatever is added. */
	struct source_span *excluded;
	unsigned excluded_count, excluded_room;
};

/**
 * source_list_parse() - add what @text names to a list
 * @list:	all zero, or what an earlier call left
 * @text:	comma-separated: 10.0.0.5, 10.0.0.5-10.0.0.12, 10.0.1.0/28 (every address of it),
 * fd00:1::/120, auto; each but auto also after a `!`, in any place: then it is taken out of the list
 * @reason:	REASON_MAX bytes; says what is wrong and where, in words for the user
 * Return: false if @text is not a list, or takes what @list was given to more than SOURCE_LIST_MAX addresses,
 * repetitions included: each costs a look at all before it
 */
bool source_list_parse(struct arena *arena, struct source_list *list, const char *text, char *reason);

/**
 * source_list_extend() - the same, for a list given in several parts: on failure the list is as it was
 */
bool source_list_extend(struct arena *arena, struct source_list *list, const char *text, char *reason);

/**
 * source_list_add() - add one address unless it is there
 * Return: false when the list is full or memory is short
 */
bool source_list_add(struct arena *arena, struct source_list *list, const struct address *address);

/**
 * source_list_complete() - a list given in several parts has all of them
 * Return: false if `!` has left nothing of it; then @reason says so
 */
bool source_list_complete(const struct source_list *list, char *reason);

/**
 * source_list_exclude() - take what one list excludes out of another
 */
void source_list_exclude(struct source_list *list, const struct source_list *by);

#endif
