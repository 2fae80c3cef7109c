// SPDX-License-Identifier: Apache-2.0
/* recent - what processes counted that lived for a connection or two: adding to it, a first look. */
#include "pool/segment/recent.h"

#include "pool/base/arena.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/rules/settings.h"
#include "pool/segment/entry.h"
#include "pool/segment/recent_file.h"
#include "pool/segment/room.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#define SECOND_NS 1000000000ull

/* Longer than a TIME_WAIT lasts: who claims an entry takes away nothing that counts. */
enum { IDLE_S = 70, STALE_TICKS = 2, ROOM = 8 * 4096 };

uint32_t recent_in_use(const struct recent_entry *entry, uint64_t now_ns)
{
	struct port_range range = { .reuse_delay_ms = entry->reuse_delay_ms,
				    .waits_bound = entry->waits_bound };
	bool reused = entry->time_wait_reuse == 1 ||
		      (entry->time_wait_reuse == 2 && address_is_loopback(&entry->to.ip));
	uint32_t ticks = reused ? usage_reuse_ticks(port_range_reuse_ms(&range)) : USAGE_TICKS_KEPT;
	uint32_t now = (uint32_t)(now_ns >> 32), sum = 0;

	for (unsigned i = 0; i < USAGE_TIME_WAIT_BUCKETS; i++) {
		uint64_t bucket = entry->time_wait[i];
		if (now - (uint32_t)(bucket >> 32) <= ticks)
			sum += (uint32_t)bucket;
	}
	return port_range_waits(&range, sum);
}

static bool is_of(const struct recent_entry *entry, const struct recent_own *own)
{
	return entry->state == RECENT_USED && entry->network_namespace == own->network_namespace &&
	       entry->network_cookie == own->network_cookie;
}

/* A cookie never comes again, and one number goes with it. */
static bool is_of_here(const struct recent_entry *entry, struct recent_own *own)
{
	bool here = entry->state == RECENT_USED && entry->network_cookie == own->network_cookie;

	if (here && !own->network_namespace && own->network_cookie)
		own->network_namespace = entry->network_namespace;
	return here && entry->network_namespace == own->network_namespace;
}

/* By hand: the code of strncmp() is a page fault of a child that ends soon. */
HOT_WHOLE static bool is_named(const struct recent_entry *entry, const char *name)
{
	for (unsigned i = 0; i < sizeof(entry->name) - 1; i++) {
		if (entry->name[i] != name[i])
			return false;
		if (!name[i])
			break;
	}
	return true;
}

static bool is_lately(const struct recent_entry *entry, uint64_t now_ns)
{
	return entry->last_ns && now_ns - entry->last_ns < RECENT_SPAN_S * SECOND_NS;
}

/* As many as a page holds at once: mostly that is all there is. On a stack of ours: to map memory and give it
 * back takes as long as all the rest. */
enum { LOOK_AT_ONCE = 12 };
struct look {
	struct recent_header header;
	struct recent_entry entries[LOOK_AT_ONCE];
};

static bool pread_all(int fd, void *out, size_t size, size_t offset)
{
	return kernel_syscall(SYS_pread64, fd, (long)out, (long)size, (long)offset, 0, 0) == (long)size;
}

COLD bool recent_look(const char *place, struct recent_own *own,
		      void (*visit)(const struct recent_entry *entry, void *argument), void *argument)
{
	unsigned uid = (unsigned)kernel_syscall(SYS_geteuid, 0, 0, 0, 0, 0, 0);
	struct look look;
	long fd = recent_open(place, uid, false);
	uint64_t ended = 0;
	unsigned busy = 0;

	bool more =
		fd >= 0 && pread_all((int)fd, &look, sizeof(look), 0) && look.header.magic == RECENT_MAGIC;
	unsigned used = more ? look.header.used : 0;
	if (used > RECENT_ENTRIES)
		used = RECENT_ENTRIES;
	for (unsigned i = 0; more && i < used; i++) {
		if (i && i % LOOK_AT_ONCE == 0)
			more = pread_all((int)fd, look.entries, sizeof(look.entries),
					 offsetof(struct recent, entries) + i * sizeof(struct recent_entry));
		const struct recent_entry *entry = &look.entries[i % LOOK_AT_ONCE];
		busy += more && own->now_ns - entry->last_ns < IDLE_S * SECOND_NS;
		if (!more || !is_of_here(entry, own))
			continue;
		if (is_named(entry, own->name) && is_lately(entry, own->now_ns))
			ended += (uint64_t)entry->processes + entry->kept;
		if (visit)
			visit(entry, argument);
	}
	if (fd >= 0)
		kernel.close((int)fd);
	return ended >= RECENT_MANY && busy < RECENT_ENTRIES - RECENT_SPARE;
}

/* Adding */

struct adding_to {
	const struct recent_adding *what;
	struct recent *recent;
	const char *place;
	int fd;
};

#define ATOMIC_ADD(field, value) __atomic_fetch_add(&(field), (value), __ATOMIC_RELAXED)

static bool is_entry(const struct recent_entry *entry, const struct recent_adding *what,
		     const struct recent_count *count)
{
	return __atomic_load_n(&entry->state, __ATOMIC_ACQUIRE) == RECENT_USED && is_of(entry, &what->own) &&
	       endpoint_equal(&entry->to, &count->to) && address_equal(&entry->source, &count->source) &&
	       is_named(entry, what->own.name);
}

/* Return: its number, or @before if there is none with a lower one. */
ONCE static unsigned find(const struct adding_to *to, const struct recent_count *count, unsigned before)
{
	unsigned i = 0;

	while (i < before && !is_entry(&to->recent->entries[i], to->what, count))
		i++;
	return i;
}

/* Is it anybody's? One that was claimed and never used is of a process that was killed there. */
static bool take_place(struct recent_entry *entry, uint64_t now_ns)
{
	uint32_t state = __atomic_load_n(&entry->state, __ATOMIC_ACQUIRE), tick = (uint32_t)(now_ns >> 32);

	if (state == RECENT_USED && now_ns - entry->last_ns < IDLE_S * SECOND_NS)
		return false;
	if (state == RECENT_CLAIMED && tick - entry->claimed_at < STALE_TICKS)
		return false;
	if (!__atomic_compare_exchange_n(&entry->state, &state, RECENT_CLAIMED, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return false;
	entry->claimed_at = tick;
	return true;
}

static void name(struct recent_entry *entry, const struct adding_to *to, const struct recent_count *count)
{
	const struct recent_own *own = &to->what->own;

	memset((char *)entry + offsetof(struct recent_entry, network_namespace), 0,
	       sizeof(*entry) - offsetof(struct recent_entry, network_namespace));
	memset(&to->recent->sums[entry - to->recent->entries], 0, sizeof(struct usage_entry));
	entry->network_namespace = own->network_namespace;
	entry->network_cookie = own->network_cookie;
	entry->to = count->to;
	entry->source = count->source;
	strncpy(entry->name, own->name, sizeof(entry->name) - 1);
	entry->first_ns = entry->last_ns = own->now_ns;
	__atomic_store_n(&entry->state, RECENT_USED, __ATOMIC_RELEASE);
}

static bool have_memory(const struct adding_to *to, unsigned number)
{
	struct recent *recent = to->recent;

	return recent_populate(to->fd, recent, &recent->entries[number], sizeof(recent->entries[0])) &&
	       recent_populate(to->fd, recent, &recent->sums[number], sizeof(recent->sums[0]));
}

/* May the file grow, as far as other programs need the memory? */
static bool room_to_grow(const struct adding_to *to)
{
	struct arena scratch = { 0 };
	struct usage_names *names = arena_alloc(&scratch, sizeof(*names));
	char reason[REASON_MAX];
	long uid = -1, directory = names ? usage_directory_open(to->place, false, &uid, reason) : -1;
	bool room = directory >= 0 && usage_room((int)directory, ROOM, names);

	if (directory >= 0)
		kernel.close((int)directory);
	arena_release(&scratch);
	return room;
}

static unsigned take_first(const struct adding_to *to, unsigned from, unsigned until)
{
	while (from < until &&
	       !(have_memory(to, from) && take_place(&to->recent->entries[from], to->what->own.now_ns)))
		from++;
	return from < until ? from : RECENT_ENTRIES;
}

/* Return: its number, or RECENT_ENTRIES if there is none to be had. */
static unsigned claim(const struct adding_to *to, const struct recent_count *count, unsigned used)
{
	struct recent_header *header = &to->recent->header;
	unsigned number = RECENT_ENTRIES;

	if (used < RECENT_ENTRIES && room_to_grow(to))
		number = take_first(to, used, RECENT_ENTRIES);
	if (number == RECENT_ENTRIES)
		number = take_first(to, 0, used);
	if (number == RECENT_ENTRIES)
		return number;
	name(&to->recent->entries[number], to, count);
	uint32_t seen = __atomic_load_n(&header->used, __ATOMIC_RELAXED);
	while (seen <= number && !__atomic_compare_exchange_n(&header->used, &seen, number + 1, false,
							      __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	/* Another may have claimed one for the same meanwhile: the first is the one. */
	unsigned first = find(to, count, number);
	if (first < number)
		__atomic_store_n(&to->recent->entries[number].state, RECENT_FREE, __ATOMIC_RELEASE);
	return first;
}

static void add_failures(struct usage_entry *sum, const struct usage_entry *use)
{
	for (unsigned i = 0; i < USAGE_FAILURES && use->failures[i].count; i++) {
		struct usage_failure *place = usage_place_of(sum, use->failures[i].error);
		if (!place->count)
			place->error = use->failures[i].error;
		ATOMIC_ADD(place->count, use->failures[i].count);
	}
}

static void add_sum(struct usage_entry *sum, const struct usage_entry *use)
{
#define MORE(field) ATOMIC_ADD(sum->field, use->field);
	USAGE_COUNTERS(MORE)
#undef MORE
	for (unsigned i = 0; i < USAGE_LATENCY_BUCKETS; i++)
		if (use->latency[i])
			ATOMIC_ADD(sum->latency[i], use->latency[i]);
	add_failures(sum, use);
}

static void add_time_waits(struct recent_entry *entry, const struct usage_entry *use)
{
	for (uint32_t age = 0; age < USAGE_TIME_WAIT_BUCKETS; age++) {
		uint32_t tick = use->tick - age, count = use->time_wait[tick % USAGE_TIME_WAIT_BUCKETS];
		uint64_t *bucket = &entry->time_wait[tick % USAGE_TIME_WAIT_BUCKETS];
		uint64_t was = __atomic_load_n(bucket, __ATOMIC_RELAXED), now;
		if (!count)
			continue;
		do {
			/* One that is newer leaves no room for the old: that is over. */
			if ((int32_t)(tick - (uint32_t)(was >> 32)) < 0)
				break;
			now = was >> 32 == tick ? was + count : (uint64_t)tick << 32 | count;
		} while (!__atomic_compare_exchange_n(bucket, &was, now, false, __ATOMIC_RELAXED,
						      __ATOMIC_RELAXED));
	}
}

static void note_range(struct recent_entry *entry, const struct port_range *range)
{
	if (!range->high)
		return;
	entry->range_low = range->low;
	entry->range_high = range->high;
	entry->range_reserved = range->reserved;
	entry->time_wait_reuse = range->time_wait_reuse;
	entry->reuse_delay_ms = range->reuse_delay_ms;
	entry->waits_bound = range->waits_bound;
}

static uint64_t ended_lately(const struct adding_to *to, unsigned used)
{
	uint64_t ended = 0;

	for (unsigned i = 0; i < used; i++) {
		const struct recent_entry *entry = &to->recent->entries[i];
		if (is_of(entry, &to->what->own) && is_named(entry, to->what->own.name) &&
		    is_lately(entry, to->what->own.now_ns))
			ended += (uint64_t)entry->processes + entry->kept;
	}
	return ended;
}

/* Return: false if there is not a place for each. */
static bool have_places(const struct adding_to *to, unsigned count, unsigned *numbers)
{
	unsigned used = __atomic_load_n(&to->recent->header.used, __ATOMIC_ACQUIRE);
	bool all = true;

	for (unsigned i = 0; i < count; i++) {
		const struct recent_count *one = &to->what->counts[i];
		numbers[i] = find(to, one, used);
		if (numbers[i] == used)
			numbers[i] = claim(to, one, used);
		all &= numbers[i] < RECENT_ENTRIES;
	}
	return all;
}

ONCE static void add_one(const struct adding_to *to, unsigned number, const struct recent_count *count)
{
	struct recent_entry *entry = &to->recent->entries[number];

	add_sum(&to->recent->sums[number], count->use);
	add_time_waits(entry, count->use);
	note_range(entry, &to->what->range);
	__atomic_store_n(&entry->last_ns, to->what->own.now_ns, __ATOMIC_RELAXED);
}

/* Another that keeps its segment: there are few of its name as yet. */
static void note_kept(const struct adding_to *to)
{
	unsigned number;

	if (!have_places(to, 1, &number))
		return;
	struct recent_entry *entry = &to->recent->entries[number];
	ATOMIC_ADD(entry->kept, 1);
	__atomic_store_n(&entry->last_ns, to->what->own.now_ns, __ATOMIC_RELAXED);
}

/* Return: true if all of it is in the file now. */
static bool add(const struct adding_to *to)
{
	struct recent_header *header = &to->recent->header;
	unsigned used = __atomic_load_n(&header->used, __ATOMIC_ACQUIRE);
	unsigned numbers[RECENT_SPACES_MAX];

	if (header->magic != RECENT_MAGIC || used > RECENT_ENTRIES)
		return false;
	if (to->what->has_segment && ended_lately(to, used) < RECENT_MANY) {
		note_kept(to);
		return false;
	}
	bool all = have_places(to, to->what->count, numbers);
	if (to->what->has_segment && !all)
		return false;
	if (!all)
		ATOMIC_ADD(header->without_place, 1);
	bool counted = false;
	for (unsigned i = 0; i < to->what->count; i++) {
		if (numbers[i] == RECENT_ENTRIES)
			continue;
		add_one(to, numbers[i], &to->what->counts[i]);
		if (!counted)
			ATOMIC_ADD(to->recent->entries[numbers[i]].processes, 1);
		counted = true;
	}
	return all;
}

/* Whoever claimed an entry had memory for it, but the file may have been cut short since. */
ONCE bool recent_add_mapped(struct recent *recent, const struct recent_adding *adding)
{
	struct adding_to to = { .what = adding, .recent = recent, .fd = -1 };
	unsigned numbers[RECENT_SPACES_MAX];

	if (!recent_populate(-1, recent, recent, sizeof(struct look)))
		return false;
	unsigned used = __atomic_load_n(&recent->header.used, __ATOMIC_ACQUIRE);
	if (recent->header.magic != RECENT_MAGIC || used > RECENT_ENTRIES)
		return false;
	if (used > LOOK_AT_ONCE &&
	    !recent_populate(-1, recent, recent->entries, used * sizeof(recent->entries[0])))
		return false;
	for (unsigned i = 0; i < adding->count; i++) {
		numbers[i] = find(&to, &adding->counts[i], used);
		if (numbers[i] == used ||
		    !recent_populate(-1, recent, &recent->sums[numbers[i]], sizeof(recent->sums[0])))
			return false;
	}
	for (unsigned i = 0; i < adding->count; i++)
		add_one(&to, numbers[i], &adding->counts[i]);
	ATOMIC_ADD(recent->entries[numbers[0]].processes, 1);
	return true;
}

COLD struct recent *recent_map_for_children(const char *place, unsigned owner)
{
	long fd = recent_open(place, owner, true);

	if (fd < 0)
		return NULL;
	struct recent *recent = recent_map((int)fd);
	kernel.close((int)fd);
	return recent;
}

static void make(const char *place, long uid)
{
	char reason[REASON_MAX];
	long directory = usage_directory_open(place, false, &uid, reason);

	if (directory < 0)
		return;
	recent_make((int)directory);
	kernel.close((int)directory);
}

COLD bool recent_add(const char *place, const struct recent_adding *adding)
{
	unsigned uid = (unsigned)kernel_syscall(SYS_geteuid, 0, 0, 0, 0, 0, 0);
	struct adding_to to = { .what = adding, .place = place };
	bool added = false;

	long fd = recent_open(place, uid, true);
	if (fd == -ENOENT) {
		make(place, uid);
		fd = recent_open(place, uid, true);
	}
	if (fd < 0)
		return false;
	to.fd = (int)fd;
	to.recent = recent_map((int)fd);
	if (to.recent) {
		added = add(&to);
		recent_unmap(to.recent);
	}
	kernel.close((int)fd);
	return added;
}
