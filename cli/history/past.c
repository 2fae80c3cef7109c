// SPDX-License-Identifier: Apache-2.0
/* past - what happened between two moments, from the looks that `headroom record` kept. */
#include "cli/history/past.h"

#include "cli/history/moment.h"
#include "cli/history/place.h"
#include "cli/history/ring.h"
#include "cli/shared/complain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The file is read twice: first to see how many looks there are, and of which network namespace. */
struct reading {
	struct past *past;
	const struct past_asked *asked;
	uint64_t network;
	unsigned count;
	bool no_memory;
	struct look look;
};

static bool is_asked_for(struct reading *reading, const void *data, size_t size)
{
	if (!look_read(data, size, &reading->look))
		return false;
	const uint64_t at_ns = reading->look.host.realtime_ns;
	return at_ns >= reading->asked->since_ns && at_ns <= reading->asked->until_ns;
}

static void see_network(const void *data, size_t size, void *context)
{
	struct reading *reading = context;

	if (is_asked_for(reading, data, size))
		reading->network = reading->look.host.network;
}

static void see_count(const void *data, size_t size, void *context)
{
	struct reading *reading = context;

	reading->count += is_asked_for(reading, data, size) && reading->look.host.network == reading->network;
}

static struct past_series *series_of(struct reading *reading, const struct look_space *space)
{
	struct {
		struct endpoint to;
		struct address source;
		char device[IF_NAMESIZE];
	} key;
	struct past_series *series;

	_Static_assert(sizeof(key) == offsetof(struct look_space, in_use), "the key is how a space begins");
	HASH_FIND(hh, reading->past->series, space, sizeof(key), series);
	if (series)
		return series;
	series = calloc(1, sizeof(*series));
	struct past_point *points = calloc(reading->count, sizeof(*points));
	if (!series || !points) {
		free(series);
		free(points);
		reading->no_memory = true;
		return NULL;
	}
	series->space = *space;
	series->points = points;
	HASH_ADD(hh, reading->past->series, space, sizeof(key), series);
	return series;
}

static void take_owner(struct reading *reading, struct past_series *series, const struct look_owner *from)
{
	struct past_owner *owner;

	HASH_FIND_STR(series->owners, from->group, owner);
	if (!owner) {
		owner = calloc(1, sizeof(*owner));
		uint32_t *ports = calloc(reading->count, sizeof(*ports));
		if (!owner || !ports) {
			free(owner);
			free(ports);
			reading->no_memory = true;
			return;
		}
		strcpy(owner->group, from->group);
		owner->ports = ports;
		HASH_ADD_STR(series->owners, group, owner);
	}
	owner->ports[reading->past->count] = from->ports;
	owner->processes = from->processes > owner->processes ? from->processes : owner->processes;
}

static void take_blocked(struct past *past, const struct look_host *host)
{
	uint32_t whole = (uint32_t)host->high - host->low + 1 - host->reserved;
	uint32_t lost = host->blocked + host->doubtful;
	struct past_point *point = &past->blocked.points[past->count];

	past->blocked.whole = whole;
	*point = (struct past_point){ .in_use = lost, .at_least = lost < whole ? whole - lost : 0 };
	point->verdict = !point->at_least                               ? VERDICT_EXHAUSTED
			 : lost * UINT64_C(100) >= whole * UINT64_C(80) ? VERDICT_TIGHT
									: VERDICT_FINE;
}

static void take(const void *data, size_t size, void *context)
{
	struct reading *reading = context;
	struct past *past = reading->past;
	const struct look *look = &reading->look;
	struct past_series *series[LOOK_SPACES_MAX];

	if (past->count == reading->count || reading->no_memory || !is_asked_for(reading, data, size) ||
	    look->host.network != reading->network)
		return;
	for (unsigned i = 0; i < look->host.space_count; i++) {
		const struct look_space *space = &look->spaces[i];
		if (!(series[i] = series_of(reading, space)))
			return;
		series[i]->space = *space;
		series[i]->points[past->count] = (struct past_point){ space->in_use, space->time_wait,
								      space->at_least, space->verdict };
		uint32_t whole = (uint32_t)look->host.high - look->host.low + 1 - look->host.reserved;
		series[i]->whole = whole > series[i]->whole ? whole : series[i]->whole;
	}
	take_blocked(past, &look->host);
	for (unsigned i = 0; i < look->host.owner_count; i++)
		take_owner(reading,
			   look->owners[i].space == LOOK_BLOCKERS ? &past->blocked
								  : series[look->owners[i].space],
			   &look->owners[i]);
	if (!past->count)
		past->first = look->host;
	past->last = look->host;
	past->times_ns[past->count++] = look->host.realtime_ns;
}

/* Where a tuple space was not kept it had next to nothing in use. */
static void fill_in(const struct past *past, struct past_series *series)
{
	for (unsigned i = 0; i < past->count; i++)
		if (!series->points[i].in_use && !series->points[i].at_least)
			series->points[i].at_least = series->whole;
}

static void note(unsigned i, bool holds, unsigned *from, unsigned *to)
{
	if (!holds)
		return;
	if (*to == PAST_NEVER || *to + 1 != i)
		*from = i;
	*to = i;
}

/* It began where it last was near its least before it rose to its most. */
static void find_growth(struct past_series *series, unsigned count)
{
	uint32_t most = 0, least = 0xffffffff;

	for (unsigned i = 0; i < count; i++)
		if (series->points[i].in_use > most) {
			most = series->points[i].in_use;
			series->grew_to = i;
		}
	for (unsigned i = 0; most && i <= series->grew_to; i++)
		least = series->points[i].in_use < least ? series->points[i].in_use : least;
	for (unsigned i = 0; most && i < series->grew_to; i++)
		if (series->points[i].in_use <= least + (most - least) / 10)
			series->grew_from = i;
	if (series->grew_from == PAST_NEVER)
		series->grew_to = PAST_NEVER;
}

static void tell(struct past_series *series, unsigned count)
{
	series->least_at = 0;
	series->bad_from = series->bad_to = series->full_from = series->full_to = PAST_NEVER;
	series->grew_from = series->grew_to = PAST_NEVER;
	for (unsigned i = 0; i < count; i++) {
		const struct past_point *point = &series->points[i];
		bool bad = verdict_is_bad((enum verdict)point->verdict);
		series->bad_looks += bad;
		if (point->at_least < series->points[series->least_at].at_least)
			series->least_at = i;
		note(i, bad, &series->bad_from, &series->bad_to);
		note(i, point->verdict == VERDICT_EXHAUSTED, &series->full_from, &series->full_to);
	}
	find_growth(series, count);
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static void find_gaps(struct past *past)
{
	unsigned count = past->count > 1 ? past->count - 1 : 0;
	uint64_t *gaps = calloc(count + 1u, sizeof(*gaps));

	if (!gaps || !count) {
		free(gaps);
		return;
	}
	for (unsigned i = 0; i < count; i++)
		gaps[i] = past->times_ns[i + 1] > past->times_ns[i]
				  ? past->times_ns[i + 1] - past->times_ns[i]
				  : 0;
	qsort(gaps, count, sizeof(*gaps), by_size);
	past->typical_gap_ns = gaps[(count - 1) / 2];
	past->longest_gap_ns = gaps[count - 1];
	for (unsigned i = 0; i < count; i++)
		past->gaps += gaps[i] >= 4 * past->typical_gap_ns && past->typical_gap_ns;
	free(gaps);
}

static int least_first(const struct past_series *a, const struct past_series *b)
{
	uint32_t x = a->points[a->least_at].at_least, y = b->points[b->least_at].at_least;

	if (x != y)
		return x > y ? 1 : -1;
	return memcmp(&a->space, &b->space, offsetof(struct look_space, in_use));
}

static int complain_place(const char *path, int rc)
{
	if (rc == -ENOENT)
		return complain(path, "there is no history; `headroom record` keeps one");
	if (rc == -EINVAL)
		return complain(path, "is no history, or one of another version of headroom");
	return complain(path, "%s", strerror(-rc));
}

static int find_place(const char **path, char *place)
{
	if (*path)
		return STATUS_FINE;
	*path = place;
	return place_of_history(place) ? STATUS_FINE
				       : complain("history", "there is no home; --history names a place");
}

static int read_series(struct past *past, struct reading *reading, const char *path)
{
	int rc = 0;

	past->times_ns = calloc(reading->count + 1u, sizeof(*past->times_ns));
	past->blocked.points = calloc(reading->count + 1u, sizeof(*past->blocked.points));
	if (!past->times_ns || !past->blocked.points)
		return complain(NULL, "no memory");
	rc = ring_read(path, take, reading);
	if (rc)
		return complain_place(path, rc);
	if (reading->no_memory)
		return complain(NULL, "no memory");
	for (struct past_series *s = past->series; s; s = s->hh.next) {
		fill_in(past, s);
		tell(s, past->count);
	}
	tell(&past->blocked, past->count);
	HASH_SORT(past->series, least_first);
	find_gaps(past);
	return STATUS_FINE;
}

int past_read(struct past *past, const struct past_asked *asked)
{
	struct reading *reading = calloc(1, sizeof(*reading));
	char place[PATH_MAX];
	const char *path = asked->path;
	int status = reading ? find_place(&path, place) : complain(NULL, "no memory");

	if (!status) {
		reading->past = past;
		reading->asked = asked;
		int rc = ring_read(path, see_network, reading);
		rc = rc ? rc : ring_read(path, see_count, reading);
		status = rc ? complain_place(path, rc) : read_series(past, reading, path);
	}
	free(reading);
	return status;
}

struct nearest {
	uint64_t until_ns, earliest_ns;
	bool found;
	struct look look, *out;
};

static void see_nearest(const void *data, size_t size, void *context)
{
	struct nearest *nearest = context;

	if (!look_read(data, size, &nearest->look))
		return;
	uint64_t at_ns = nearest->look.host.realtime_ns;
	if (!nearest->earliest_ns || at_ns < nearest->earliest_ns)
		nearest->earliest_ns = at_ns;
	if (at_ns > nearest->until_ns || (nearest->found && at_ns < nearest->out->host.realtime_ns))
		return;
	*nearest->out = nearest->look;
	nearest->found = true;
}

int past_at(const char *path, uint64_t realtime_ns, struct look *out)
{
	struct nearest *nearest = calloc(1, sizeof(*nearest));
	char place[PATH_MAX], text[MOMENT_TEXT_MAX];
	int status = nearest ? find_place(&path, place) : complain(NULL, "no memory");

	if (!status) {
		nearest->until_ns = realtime_ns;
		nearest->out = out;
		int rc = ring_read(path, see_nearest, nearest);
		if (rc)
			status = complain_place(path, rc);
		else if (!nearest->earliest_ns)
			status = complain(path, "has no look yet");
		else if (!nearest->found)
			status = complain(path, "begins later, at %s",
					  moment_text(nearest->earliest_ns, text));
	}
	free(nearest);
	return status;
}

bool past_exists(const char *path)
{
	char place[PATH_MAX];

	if (!path && !place_of_history(place))
		return false;
	return !access(path ? path : place, R_OK);
}

static uint32_t growth(const struct past_series *series, const struct past_owner *owner)
{
	uint32_t from = owner->ports[series->grew_from], to = owner->ports[series->grew_to];
	return to > from ? to - from : 0;
}

unsigned past_growers(const struct past_series *series, const struct past_owner **out, unsigned most)
{
	unsigned count = 0;

	if (series->grew_from == PAST_NEVER)
		return 0;
	for (const struct past_owner *o = series->owners; o; o = o->hh.next) {
		unsigned at = count;
		if (!growth(series, o))
			continue;
		while (at && growth(series, out[at - 1]) < growth(series, o)) {
			if (at < most)
				out[at] = out[at - 1];
			at--;
		}
		if (at < most)
			out[at] = o;
		count += count < most;
	}
	return count;
}

static void free_owners(struct past_series *series)
{
	struct past_owner *owner, *next;

	HASH_ITER (hh, series->owners, owner, next) {
		HASH_DEL(series->owners, owner);
		free(owner->ports);
		free(owner);
	}
	free(series->points);
}

void past_end(struct past *past)
{
	struct past_series *series, *next;

	HASH_ITER (hh, past->series, series, next) {
		HASH_DEL(past->series, series);
		free_owners(series);
		free(series);
	}
	free_owners(&past->blocked);
	free(past->times_ns);
	*past = (struct past){ 0 };
}
