// SPDX-License-Identifier: Apache-2.0
/* export - metrics of attached cgroups. A pair stays as long as its attachment, so that sums do not fall. */
#include "cli/attach/export.h"

#include "attach/needs.h"
#include "attach/pins.h"
#include "attach/read.h"
#include "attach/target.h"
#include "cli/shared/complain.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { CGROUPS_MAX = 256 };

struct sums {
	char target[ATTACH_TARGET_MAX];
	uint64_t open, time_wait, opened, lost;
	uint64_t refused, timed_out, unreachable, full, given_up, other;
};

struct all {
	struct sums *of;
	unsigned count;
};

static int add(const char *folder, void *context)
{
	struct all *all = context;
	struct attach_seen seen;

	if (all->count == CGROUPS_MAX || attach_read(folder, &seen))
		return 0;
	struct sums *sums = &all->of[all->count++];
	snprintf(sums->target, sizeof(sums->target), "%s", seen.config.target);
	sums->lost = seen.config.lost;
	for (unsigned i = 0; i < seen.pair_count; i++) {
		const struct attach_counts *c = &seen.pairs[i].counts;
		if (seen.pairs[i].pair.protocol == IPPROTO_UDP)
			continue;
		sums->open += seen.pairs[i].open;
		sums->time_wait += seen.pairs[i].time_wait;
		sums->opened += c->opened;
		sums->refused += c->refused;
		sums->timed_out += c->timed_out;
		sums->unreachable += c->unreachable;
		sums->full += c->full;
		sums->given_up += c->given_up;
		sums->other += c->other;
	}
	attach_seen_free(&seen);
	return 0;
}

/* A backslash, a quote and a line feed are escaped in label values. */
static void put_labels(FILE *out, const char *target, const char *reason)
{
	fputs("{cgroup=\"", out);
	for (; *target; target++) {
		if (*target == '\\' || *target == '"')
			fputc('\\', out);
		fputs(*target == '\n' ? "\\n" : (char[]){ *target, '\0' }, out);
	}
	fputc('"', out);
	if (reason)
		fprintf(out, ",reason=\"%s\"", reason);
	fputc('}', out);
}

static void put(FILE *out, const struct all *all)
{
	static const struct {
		const char *name, *kind, *help, *reason;
		size_t at;
	} metrics[] = {
		{ "open_connections", "gauge", "Open now.", NULL, offsetof(struct sums, open) },
		{ "time_wait_connections", "gauge", "Closed by this side first, in the last 60 s.", NULL,
		  offsetof(struct sums, time_wait) },
		{ "opened_total", "counter", "Connections opened.", NULL, offsetof(struct sums, opened) },
		{ "lost_total", "counter", "Connections not counted for want of room.", NULL,
		  offsetof(struct sums, lost) },
		{ "failures_total", "counter", "Connections that failed.", "full",
		  offsetof(struct sums, full) },
		{ "failures_total", NULL, NULL, "refused", offsetof(struct sums, refused) },
		{ "failures_total", NULL, NULL, "timed_out", offsetof(struct sums, timed_out) },
		{ "failures_total", NULL, NULL, "unreachable", offsetof(struct sums, unreachable) },
		{ "failures_total", NULL, NULL, "given_up", offsetof(struct sums, given_up) },
		{ "failures_total", NULL, NULL, "other", offsetof(struct sums, other) },
	};

	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		const char *name = metrics[i].name;
		if (metrics[i].kind)
			fprintf(out, "# HELP headroom_attach_%s %s\n# TYPE headroom_attach_%s %s\n", name,
				metrics[i].help, name, metrics[i].kind);
		for (unsigned n = 0; n < all->count; n++) {
			uint64_t value;
			__builtin_memcpy(&value, (const char *)&all->of[n] + metrics[i].at, sizeof(value));
			fprintf(out, "headroom_attach_%s", name);
			put_labels(out, all->of[n].target, metrics[i].reason);
			fprintf(out, " %" PRIu64 "\n", value);
		}
	}
}

/* Where nothing is attached nothing is missing. Each look says it in the metrics, the first one in a line
 * too. */
static void say_hidden(FILE *out, const char *reason)
{
	static bool said;
	struct stat st;

	/* Not access(2), which asks without the capabilities of the exporter's unit. */
	if (stat(ATTACH_PINS, &st))
		return;
	if (!said)
		complain("export", "attached cgroups are not in the metrics: %s", reason);
	said = true;
	fputs("# HELP headroom_attach_hidden Cgroups are attached, and this exporter has not the rights to "
	      "see them.\n"
	      "# TYPE headroom_attach_hidden gauge\nheadroom_attach_hidden 1\n",
	      out);
}

void export_attached(FILE *out)
{
	char reason[ATTACH_REASON_MAX];
	bool lacks = attach_lacks_rights(reason);
	int pins = lacks ? -1 : attach_pins_open(false, reason);

	if (lacks)
		say_hidden(out, reason);
	struct all all = { .of = pins < 0 ? NULL : calloc(CGROUPS_MAX, sizeof(*all.of)) };

	if (all.of)
		attach_pins_each(pins, add, &all);
	if (pins >= 0)
		attach_pins_close(pins);
	if (all.count)
		put(out, &all);
	free(all.of);
}
