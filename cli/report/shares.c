// SPDX-License-Identifier: Apache-2.0
/* shares - what processes that share a tuple space have left together. */
#include "cli/report/shares.h"

#include "cli/ports/host_view.h"
#include "cli/shared/hash_free.h"
#include "pool/segment/identity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t ASK_NS = UINT64_C(1000000000);

struct share_key {
	struct address source;
	struct endpoint to;
	uint64_t network; /* as a segment names it; 0: the caller's */
};
_Static_assert(sizeof(struct share_key) == 48, "a hash key: no padding");

struct share {
	struct share_key key;
	uint32_t in_use, capacity, headroom;
	double fills; /* ports a second, net */
	bool from_kernel;
	bool of_process; /* and not only of attached cgroups */
	UT_hash_handle hh;
};

struct shares {
	struct share *table;
	uint64_t own_network, own_cookie;
};

struct shares *shares_start(void)
{
	struct shares *shares = calloc(1, sizeof(*shares));

	if (shares)
		usage_identify_network(&shares->own_network, &shares->own_cookie);
	return shares;
}

/* The inode of a namespace that is gone comes again, a cookie does not. */
static uint64_t network_of(const struct shares *shares, const struct usage_header *header)
{
	bool elsewhere =
		header->network_cookie && shares->own_cookie
			? header->network_cookie != shares->own_cookie
			: header->network_namespace && header->network_namespace != shares->own_network;
	if (!elsewhere)
		return 0;
	return header->network_cookie ? header->network_cookie : header->network_namespace;
}

static struct share *find(const struct shares *shares, const struct share_key *key)
{
	struct share *share;

	HASH_FIND(hh, shares->table, key, sizeof(*key), share);
	return share;
}

void shares_add(struct shares *shares, const struct usage *usage, uint64_t now_ns)
{
	for (unsigned i = 0; i < usage->entry_count; i++) {
		const struct usage_entry *entry = &usage->entries[i];
		struct share_key key = { .source = entry->source,
					 .to = entry->to,
					 .network = network_of(shares, &usage->header) };
		struct usage_figures figures;
		if (!entry->to.port)
			continue;
		struct share *share = find(shares, &key);
		if (!share) {
			if (!(share = calloc(1, sizeof(*share))))
				return;
			share->key = key;
			HASH_ADD(hh, shares->table, key, sizeof(share->key), share);
		}
		share->of_process |= !usage->attached;
		usage_figures(usage, entry, now_ns, &figures);
		share->in_use += figures.in_use;
		/* Of processes that disagree on the range the one with the least is believed. */
		if (figures.capacity && (!share->capacity || figures.capacity < share->capacity))
			share->capacity = figures.capacity;
		share->headroom = share->in_use < share->capacity ? share->capacity - share->in_use : 0;
		if (usage->running && isfinite(figures.exhausted_in_s) && figures.exhausted_in_s > 0)
			share->fills += figures.headroom / figures.exhausted_in_s;
	}
}

static void take(struct share *share, const struct host_view *view, const struct host_tuple *tuple)
{
	struct room room = host_view_room(view, tuple);

	share->from_kernel = true;
	share->capacity = view->capacity - view->doubtful;
	share->headroom = room.left - (room.doubtful < room.left ? room.doubtful : room.left);
	share->in_use = room.in_use;
}

/* As in a key, of the network namespace that this thread is in now. */
static uint64_t network_here(const struct shares *shares)
{
	struct usage_header here = { 0 };

	usage_identify_network(&here.network_namespace, &here.network_cookie);
	return network_of(shares, &here);
}

void shares_ask_kernel(struct shares *shares, struct shares_host *host, bool always)
{
	struct host_view *view = calloc(1, sizeof(*view));
	const uint64_t network = network_here(shares);
	bool any = always;

	for (const struct share *s = shares->table; s; s = s->hh.next)
		any |= s->key.network == network && s->of_process;
	if (view && any && !host_view_read(view)) {
		if (view->doubtful)
			host_view_ask(view, NULL, ASK_NS);
		*host = (struct shares_host){ .known = true,
					      .range = (uint32_t)view->ports.range.high -
						       view->ports.range.low + 1,
					      .reserved = view->ports.range.reserved,
					      .blocked = view->blocked,
					      .doubtful = view->doubtful,
					      .capacity = view->capacity };
		for (struct share *s = shares->table; s; s = s->hh.next) {
			struct tuple_key key = { .source = s->key.source,
						 .destination = s->key.to,
						 .interface = s->key.to.scope };
			const struct host_tuple *tuple;
			if (s->key.network != network || address_is_unset(&s->key.source))
				continue;
			HASH_FIND(hh, view->table, &key, sizeof(key), tuple);
			take(s, view, tuple);
		}
	}
	if (view)
		host_view_end(view);
	free(view);
}

void shares_apply(const struct shares *shares, const struct usage *usage, const struct usage_entry *entry,
		  struct usage_figures *figures)
{
	struct share_key key = { .source = entry->source,
				 .to = entry->to,
				 .network = network_of(shares, &usage->header) };
	const struct share *share = entry->to.port ? find(shares, &key) : NULL;

	if (!share || (!share->capacity && !share->from_kernel))
		return;
	figures->capacity = share->capacity;
	figures->capacity_known = true;
	figures->headroom = share->headroom;
	if (share->in_use > figures->in_use)
		figures->exhausted_in_s = !share->headroom   ? 0
					  : share->fills > 0 ? share->headroom / share->fills
							     : INFINITY;
	else if (!share->headroom)
		figures->exhausted_in_s = 0;
}

void shares_end(struct shares *shares)
{
	if (!shares)
		return;
	HASH_FREE(struct share, shares->table);
	free(shares);
}
