// SPDX-License-Identifier: Apache-2.0
/* read - what attachments there are, what they have counted, and who else is at their cgroups. */
#include "attach/read.h"

#include "attach/pins.h"
#include "attach/rule_sets.h"
#include "attach/walk.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static __u32 now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now); /* that of bpf_ktime_get_ns() */
	return (__u32)now.tv_sec;
}

/* The ring as counts_refresh() of programs/state.h reads it. */
__u32 attach_time_waits(const struct attach_counts *counts, __u32 now, __u32 age)
{
	__s32 since = (__s32)(now - age - counts->second);

	return since <= 2 && since > -ATTACH_TIME_WAIT_S ? counts->buckets[(now - age) % ATTACH_BUCKETS] : 0;
}

static __u32 time_waits(const struct attach_counts *counts, __u32 now)
{
	__u32 sum = 0;

	for (__u32 age = 0; age < ATTACH_TIME_WAIT_S; age++)
		sum += attach_time_waits(counts, now, age);
	return sum;
}

static bool add_pair(struct attach_seen *seen, unsigned *room, const struct attach_pair *pair,
		     const struct attach_counts *counts, __u32 now)
{
	if (seen->pair_count == *room) {
		unsigned more = *room ? *room * 2 : 64;
		void *larger = realloc(seen->pairs, more * sizeof(*seen->pairs));
		if (!larger)
			return false;
		seen->pairs = larger;
		*room = more;
	}
	seen->pairs[seen->pair_count++] =
		(struct attach_seen_pair){ .pair = *pair,
					   .counts = *counts,
					   .open = counts->open[0] + counts->open[1],
					   .under_way = counts->under_way[0] + counts->under_way[1],
					   .time_wait = time_waits(counts, now) };
	return true;
}

static int by_use(const void *one, const void *other)
{
	const struct attach_seen_pair *a = one, *b = other;
	__u64 x = a->open + a->time_wait, y = b->open + b->time_wait;

	return x != y ? (x < y) - (x > y) : memcmp(&a->pair, &b->pair, sizeof(a->pair));
}

static int read_pairs(int fd, struct attach_seen *seen)
{
	struct attach_pair pair, *before = NULL, next;
	struct attach_counts counts;
	unsigned room = 0;
	__u32 now = now_s();

	/* An entry that goes meanwhile would lead back to the first: none goes. */
	while (!bpf_map_get_next_key(fd, before, &next)) {
		pair = next;
		before = &pair;
		if (!bpf_map_lookup_elem(fd, &pair, &counts) && !add_pair(seen, &room, &pair, &counts, now))
			return -ENOMEM;
	}
	if (seen->pair_count)
		qsort(seen->pairs, seen->pair_count, sizeof(*seen->pairs), by_use);
	return 0;
}

static __u32 own_program(const char *folder, const char *link)
{
	struct bpf_link_info about = { 0 };
	__u32 size = sizeof(about);
	int fd = attach_pin_open(folder, link);

	if (fd < 0)
		return 0;
	bpf_obj_get_info_by_fd(fd, &about, &size);
	close(fd);
	return about.prog_id;
}

static void add_foreign(struct attach_seen *seen, __u32 id)
{
	struct attach_foreign *one = &seen->foreign[seen->foreign_count];
	struct bpf_prog_info about = { 0 };
	__u32 size = sizeof(about);

	if (seen->foreign_count == ATTACH_FOREIGN_MAX)
		return;
	int fd = bpf_prog_get_fd_by_id(id);
	if (fd >= 0) {
		bpf_obj_get_info_by_fd(fd, &about, &size);
		close(fd);
	}
	one->id = id;
	snprintf(one->name, sizeof(one->name), "%s", *about.name ? about.name : "?");
	seen->foreign_count++;
}

static void read_foreign(const char *folder, struct attach_seen *seen)
{
	static const struct {
		enum bpf_attach_type type;
		const char *link;
	} hooks[] = { { BPF_CGROUP_INET4_CONNECT, "link_connect4" },
		      { BPF_CGROUP_INET6_CONNECT, "link_connect6" } };
	__u32 ids[64], count, flags;
	int cgroup = open(seen->config.target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; cgroup >= 0 && i < sizeof(hooks) / sizeof(hooks[0]); i++) {
		__u32 own = own_program(folder, hooks[i].link);
		count = sizeof(ids) / sizeof(ids[0]);
		if (bpf_prog_query(cgroup, hooks[i].type, BPF_F_QUERY_EFFECTIVE, &flags, ids, &count))
			continue;
		for (__u32 n = 0; n < count; n++)
			if (ids[n] != own)
				add_foreign(seen, ids[n]);
	}
	if (cgroup >= 0)
		close(cgroup);
}

int attach_read(const char *folder, struct attach_seen *out)
{
	*out = (struct attach_seen){ 0 };
	if (attach_pin_is_foreign(folder))
		return -EPROTO;
	if (!attach_pin_config(folder, &out->config))
		return -errno;
	attach_walk_if_due(folder);
	attach_walk_read(folder, &out->walk, &out->misses);
	int pairs = attach_pin_open(folder, "pairs");
	int rc = pairs < 0 ? pairs : attach_rules_read(folder, &out->ruling, out->rules);

	if (!rc)
		rc = read_pairs(pairs, out);
	if (pairs >= 0)
		close(pairs);
	if (rc)
		attach_seen_free(out);
	else
		read_foreign(folder, out);
	return rc;
}

void attach_seen_free(struct attach_seen *seen)
{
	free(seen->pairs);
	seen->pairs = NULL;
	seen->pair_count = 0;
}
