// SPDX-License-Identifier: Apache-2.0
/* export_spaces - a look for `headroom export`: which tuple spaces get a label set of their own. */
#include "cli/live/export_spaces.h"

#include "cli/ports/host_view.h"
#include "cli/shared/complain.h"
#include "cli/shared/hash_free.h"
#include "pool/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long each look asks about single ports; the first may take longer, as all are in doubt. */
static const uint64_t FIRST_ASK_NS = UINT64_C(2000000000), ASK_NS = UINT64_C(250000000);

/* The tuple spaces that some series has in its labels. */
struct mark {
	struct space_key key;
	UT_hash_handle hh;
};

static bool mark_series(const struct export *export, struct mark **marks)
{
	for (const struct series *s = export->series; s; s = s->hh.next) {
		struct mark *mark;
		if (s->look != export->look || !s->key.space.destination.port)
			continue;
		HASH_FIND(hh, *marks, &s->key.space, sizeof(s->key.space), mark);
		if (mark)
			continue;
		if (!(mark = calloc(1, sizeof(*mark))))
			return false;
		mark->key = s->key.space;
		HASH_ADD(hh, *marks, key, sizeof(mark->key), mark);
	}
	return true;
}

static bool is_marked(struct mark *marks, const struct space_key *key)
{
	struct mark *mark;
	HASH_FIND(hh, marks, key, sizeof(*key), mark);
	return mark;
}

static void drop_marks(struct mark *marks)
{
	HASH_FREE(struct mark, marks);
}

static int least_headroom_first(const void *a, const void *b)
{
	const struct shown_space *x = a, *y = b;

	if (x->at_least != y->at_least)
		return x->at_least < y->at_least ? -1 : 1;
	if (x->in_use != y->in_use)
		return x->in_use > y->in_use ? -1 : 1;
	return memcmp(&x->key, &y->key, sizeof(x->key));
}

/* Of those that no program under the shim has: the `top` with the least headroom, the rest added up. */
static void bound(struct export *export, unsigned marked, unsigned count)
{
	struct shown_space *unmarked = &export->shown[marked];
	struct shown_space rest = { 0 };

	qsort(export->shown, marked, sizeof(*export->shown), least_headroom_first);
	qsort(unmarked, count - marked, sizeof(*unmarked), least_headroom_first);
	export->shown_count = count;
	if (count - marked <= export->top)
		return;
	export->shown_count = marked + export->top + 1;
	for (unsigned i = marked + export->top; i < count; i++) {
		rest.in_use += export->shown[i].in_use;
		rest.time_wait += export->shown[i].time_wait;
	}
	export->shown[export->shown_count - 1] = rest;
}

static bool choose(struct export *export, const struct spaces *spaces)
{
	unsigned count = 0, at = 0, total = HASH_COUNT(spaces->table);
	struct mark *marks = NULL;

	free(export->shown);
	export->shown_count = 0;
	export->shown = calloc(total + 1u, sizeof(*export->shown));
	bool done = export->shown && mark_series(export, &marks);
	/* Marked ones are kept at the front. */
	for (const struct space *s = spaces->table; s && done; s = s->hh.next) {
		struct shown_space one = {
			.key = s->key,
			.in_use = s->in_use,
			.time_wait = s->time_wait,
			.capacity = s->capacity,
			.capacity_known = s->capacity_known,
			.at_least = s->headroom - (s->doubtful < s->headroom ? s->doubtful : s->headroom),
			.headroom = s->headroom
		};
		export->shown[count++] = one;
		if (!is_marked(marks, &s->key))
			continue;
		export->shown[count - 1] = export->shown[at];
		export->shown[at++] = one;
	}
	drop_marks(marks);
	if (done)
		bound(export, at, count);
	return done;
}

static void add_unit(struct export *export, const struct export_unit *one)
{
	for (unsigned i = 0; i < export->unit_count; i++)
		if (!memcmp(&export->units[i], one, sizeof(*one)))
			return;
	if (export->unit_count < EXPORT_UNITS_MAX)
		export->units[export->unit_count++] = *one;
}

/* A few files of /proc for each process: not for all of very many. */
static void find_units(struct export *export, const struct spaces *spaces)
{
	export->unit_count = 0;
	for (unsigned i = 0; i < spaces->process_count && i < EXPORT_IDENTIFIED_MAX; i++) {
		const struct usage *usage = &spaces->processes[i].usage;
		struct export_unit one = { 0 };
		struct identity identity;
		int pid = usage->running && !usage->merged && !usage->attached
				  ? identity_pid_here(usage->header.pid, usage->header.pid_namespace)
				  : 0;
		if (!pid)
			continue;
		identity_of(pid, &identity);
		snprintf(one.process, sizeof(one.process), "%s", usage->header.name);
		snprintf(one.unit, sizeof(one.unit), "%s", identity.unit);
		snprintf(one.container, sizeof(one.container), "%s", identity.container);
		add_unit(export, &one);
	}
}

int export_look(struct export *export)
{
	struct spaces spaces;
	uint64_t began_ns = clock_ns();

	export->look_for.kept = &export->kept;
	export->look_for.ask_ns = export->look > 0 ? ASK_NS : FIRST_ASK_NS;
	int status = spaces_look(&spaces, &export->look_for);
	if (!status && (!export_count(export, &spaces) || !choose(export, &spaces)))
		status = complain("export", "no memory");
	free(export->hosts);
	export->hosts = spaces.hosts;
	export->host_count = spaces.host_count;
	spaces.hosts = NULL;
	export->skipped = spaces.skipped;
	find_units(export, &spaces);
	spaces_end(&spaces);
	export->took_s = (double)clock_since(began_ns, clock_ns()) / 1e9;
	return status;
}
