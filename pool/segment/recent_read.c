// SPDX-License-Identifier: Apache-2.0
/* recent_read - what short-lived processes counted, as if each name were one process that has ended. */
#include "pool/segment/recent_read.h"

#include "pool/base/clock.h"
#include "pool/base/kernel.h"
#include "pool/rules/settings.h"
#include "pool/segment/recent_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

/* Never is a file trusted: it may be planted, or half written. */
static bool is_sound(const struct recent *recent)
{
	const struct recent_header *h = &recent->header;

	return h->magic == RECENT_MAGIC && h->entry_size == sizeof(struct recent_entry) &&
	       h->sum_size == sizeof(struct usage_entry) && h->entry_count == RECENT_ENTRIES &&
	       h->used <= RECENT_ENTRIES;
}

static bool counts(const struct recent_entry *entry)
{
	return entry->state == RECENT_USED && entry->processes && entry->to.port;
}

static bool are_of_one(const struct recent_entry *a, const struct recent_entry *b)
{
	return a->network_namespace == b->network_namespace && a->network_cookie == b->network_cookie &&
	       !strncmp(a->name, b->name, sizeof(a->name));
}

static void take_time_waits(struct usage_entry *out, const struct recent_entry *entry, uint32_t tick)
{
	out->tick = tick;
	memset(out->time_wait, 0, sizeof(out->time_wait));
	for (unsigned i = 0; i < USAGE_TIME_WAIT_BUCKETS; i++) {
		uint32_t then = (uint32_t)(entry->time_wait[i] >> 32), count = (uint32_t)entry->time_wait[i];
		if (tick - then <= USAGE_TICKS_KEPT)
			out->time_wait[then % USAGE_TIME_WAIT_BUCKETS] =
				(uint16_t)(count < UINT16_MAX ? count : UINT16_MAX);
	}
}

static void take_entry(struct usage *usage, const struct recent_entry *entry, const struct usage_entry *sum,
		       uint64_t now_ns)
{
	struct usage_entry *out = &usage->entries[usage->entry_count++];
	struct usage_header *header = &usage->header;

	*out = *sum;
	out->to = entry->to;
	out->source = entry->source;
	out->first_ns = entry->first_ns ? entry->first_ns : 1;
	out->open = out->reuse_parked = 0;
	take_time_waits(out, entry, (uint32_t)(now_ns >> 32));
	usage->merged += entry->processes;
	if (entry->last_ns > header->ended_ns)
		header->ended_ns = entry->last_ns;
	bool known = entry->range_low && entry->range_low <= entry->range_high &&
		     entry->range_high <= UINT16_MAX &&
		     entry->range_reserved <= entry->range_high - entry->range_low;
	if (!known)
		return;
	header->range_low = entry->range_low;
	header->range_high = entry->range_high;
	header->range_reserved = entry->range_reserved;
	header->time_wait_reuse = entry->time_wait_reuse <= 2 ? entry->time_wait_reuse : 0;
	header->reuse_delay_ms = entry->reuse_delay_ms;
	header->waits_bound = entry->waits_bound;
}

static void start(struct usage *usage, const struct recent *recent, const struct recent_entry *first,
		  unsigned owner)
{
	struct usage_header *header = &usage->header;

	header->version = USAGE_VERSION;
	header->uid = owner;
	header->counts_end = 1;
	header->network_namespace = first->network_namespace;
	header->network_cookie = first->network_cookie;
	header->started_ns = recent->header.started_ns;
	header->started_realtime_ns = recent->header.started_realtime_ns;
	memcpy(header->name, first->name, sizeof(header->name) - 1);
	for (char *at = header->name; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
}

bool recent_read_buffer(struct arena *arena, const struct recent *recent, const char *path, unsigned owner,
			usage_visit *visit, void *argument)
{
	uint64_t now_ns = clock_ns();
	bool seen[RECENT_ENTRIES] = { 0 };

	if (!is_sound(recent))
		return false;
	unsigned used = recent->header.used;
	for (unsigned i = 0; i < used; i++) {
		const struct recent_entry *first = &recent->entries[i];
		struct usage usage = { 0 };
		if (seen[i] || !counts(first))
			continue;
		/* usage_free() reckons with it. */
		usage.header.entries_used = used;
		usage.entries = arena_alloc(arena, used * sizeof(*usage.entries));
		if (!usage.entries)
			return true;
		start(&usage, recent, first, owner);
		for (unsigned k = i; k < used; k++)
			if (!seen[k] && counts(&recent->entries[k]) &&
			    are_of_one(&recent->entries[k], first)) {
				take_entry(&usage, &recent->entries[k], &recent->sums[k], now_ns);
				seen[k] = true;
			}
		visit(path, &usage, argument);
		if (usage.entries)
			usage_free(arena, &usage);
	}
	return true;
}

int recent_read(struct arena *arena, const char *folder, unsigned owner, usage_visit *visit, void *argument,
		char *reason)
{
	long fd = recent_open(folder, owner, false);
	char path[4096];

	if (fd == -ENOENT)
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/%s", folder, RECENT_NAME);
	struct recent *recent = fd < 0 ? NULL : arena_alloc(arena, sizeof(*recent));
	bool whole = recent && kernel_syscall(SYS_pread64, fd, (long)recent, sizeof(*recent), 0, 0, 0) ==
				       sizeof(*recent);
	if (fd >= 0)
		kernel.close((int)fd);
	bool sound = whole && recent_read_buffer(arena, recent, path, owner, visit, argument);
	if (recent)
		arena_free(arena, recent, sizeof(*recent));
	if (!sound)
		snprintf(reason, REASON_MAX, "is not what short-lived processes leave");
	return sound ? 0 : -EINVAL;
}
