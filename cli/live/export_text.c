// SPDX-License-Identifier: Apache-2.0
/* export_text - the last look in Prometheus's text format, version 0.0.4; docs/users/metrics.md describes it
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). */
#include "cli/live/export_text.h"

#include <inttypes.h>
#include <stddef.h>

enum kind { GAUGE, COUNTER };

/* One metric of a label set: a counter's place, or the offset of a gauge. */
struct metric {
	const char *name, *help;
	enum kind kind;
	size_t at;
	const char *label, *value; /* one label more */
};

static void head(FILE *out, const char *name, const char *kind, const char *help)
{
	fprintf(out, "# HELP headroom_%s %s\n# TYPE headroom_%s %s\n", name, help, name, kind);
}

/* A backslash, a quote and a line feed are escaped in label values; names come from outside. */
static void put_value(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			fputc('\\', out);
		if (*text == '\n')
			fputs("\\n", out);
		else
			fputc(*text, out);
	}
}

static void put_label(FILE *out, bool *first, const char *name, const char *value)
{
	fprintf(out, "%s%s=\"", *first ? "{" : ",", name);
	put_value(out, value);
	fputc('"', out);
	*first = false;
}

static void put_group(FILE *out, bool *first, const struct group_key *group)
{
	char pid[16];

	put_label(out, first, "process", group->name);
	snprintf(pid, sizeof(pid), "%u", group->pid);
	if (group->pid)
		put_label(out, first, "pid", pid);
}

/* The label netns is left out for the exporter's own network namespace. */
static void put_space(FILE *out, bool *first, const struct space_key *key)
{
	char to[ENDPOINT_TEXT_MAX], source[SPACE_SOURCE_TEXT_MAX], network[24];
	bool rest = !key->destination.port, unknown = address_is_unset(&key->source);

	put_label(out, first, "source",
		  rest      ? "other"
		  : unknown ? "unknown"
			    : space_source_text(key, source));
	put_label(out, first, "destination", rest ? "other" : endpoint_format(&key->destination, to));
	snprintf(network, sizeof(network), "%" PRIu64, key->network);
	if (key->network)
		put_label(out, first, "netns", network);
}

static void put_series(FILE *out, const char *name, const struct series *series, const char *label,
		       const char *value)
{
	bool first = true;

	fprintf(out, "headroom_%s", name);
	put_group(out, &first, &series->key.group);
	put_space(out, &first, &series->key.space);
	if (label)
		put_label(out, &first, label, value);
	fputs("} ", out);
}

static const struct metric metrics[] = {
	{ "process_in_use_ports", "Ports that the process has in use towards the destination.", GAUGE,
	  offsetof(struct series, in_use), NULL, NULL },
	{ "process_open_connections", "Connections that are open, or being opened.", GAUGE,
	  offsetof(struct series, open), NULL, NULL },
	{ "process_time_wait_connections", "Connections that this side closed first, in the last 60 s.",
	  GAUGE, offsetof(struct series, time_wait), NULL, NULL },
	{ "process_parked_connections", "Connections kept open for the next connect().", GAUGE,
	  offsetof(struct series, parked), NULL, NULL },
	{ "process_peak_ports", "Most ports that one running process had in use at once.", GAUGE,
	  offsetof(struct series, peak), NULL, NULL },
	{ "connections_opened_total", "connect() calls that took a port.", COUNTER, COUNT_OPENED, NULL,
	  NULL },
	{ "connections_closed_total", "Connections that ended, by who ended them.", COUNTER,
	  COUNT_CLOSED_BY_US, "by", "us" },
	{ "connections_closed_total", NULL, COUNTER, COUNT_CLOSED_BY_PEER, "by", "peer" },
	{ "connections_closed_total", NULL, COUNTER, COUNT_CLOSED_BY_RESET, "by", "reset" },
	{ "connections_closed_total", NULL, COUNTER, COUNT_CLOSED_UNSEEN, "by", "unseen" },
	{ "failovers_total", "Times this source was full and another was tried.", COUNTER, COUNT_FAILOVERS,
	  NULL, NULL },
	{ "exhausted_total", "connect() calls that found every source full.", COUNTER, COUNT_EXHAUSTED, NULL,
	  NULL },
	{ "deferrals_total", "bind() calls to port 0 turned into a bind without a port.", COUNTER,
	  COUNT_DEFERRED, NULL, NULL },
	{ "sources_aside_total", "Times this source could not be used.", COUNTER, COUNT_ASIDE, NULL, NULL },
	{ "reuse_hits_total", "connect() calls answered with a parked connection.", COUNTER, COUNT_REUSE_HITS,
	  NULL, NULL },
	{ "reuse_misses_total", "connect() calls that found no parked connection.", COUNTER,
	  COUNT_REUSE_MISSES, NULL, NULL },
	{ "reuse_refused_total", "Connections not parked, as the guard did not allow it.", COUNTER,
	  COUNT_REUSE_REFUSED, NULL, NULL },
	{ "reuse_retired_total", "Parked connections that were closed.", COUNTER, COUNT_REUSE_RETIRED, NULL,
	  NULL },
	{ "reuse_first_use_failures_total", "Parked connections that failed when used again.", COUNTER,
	  COUNT_REUSE_FIRST_USE_FAILURES, NULL, NULL },
};

static bool is_shown(const struct export *export, const struct series *series)
{
	return series->look == export->look;
}

static void put_metric(const struct export *export, const struct metric *metric, FILE *out)
{
	if (metric->help)
		head(out, metric->name, metric->kind == COUNTER ? "counter" : "gauge", metric->help);
	for (const struct series *s = export->series; s; s = s->hh.next) {
		uint64_t value = metric->kind == COUNTER
					 ? s->counters.n[metric->at]
					 : *(const uint32_t *)(const void *)((const char *)s + metric->at);
		if (!is_shown(export, s))
			continue;
		put_series(out, metric->name, s, metric->label, metric->value);
		fprintf(out, "%" PRIu64 "\n", value);
	}
}

/* EADDRNOTAVAIL is always there, so that an alert sees it rise from 0. */
static void put_failures(const struct export *export, FILE *out)
{
	head(out, "connect_failures_total", "counter",
	     "connect() calls that failed, by errno; given_up: closed before an answer came.");
	for (const struct series *s = export->series; s; s = s->hh.next) {
		for (unsigned way = 0; way < FAILED_WAYS && is_shown(export, s); way++) {
			uint64_t count = s->counters.n[COUNT_FAILED + way];
			if (way && !count)
				continue;
			put_series(out, "connect_failures_total", s, "errno", export_failed_way(way));
			fprintf(out, "%" PRIu64 "\n", count);
		}
	}
}

/* Two buckets of the segment make one here: 32 us, 128 us, up to 8 s, and the rest. */
static void put_histogram(const struct export *export, FILE *out)
{
	char bound[24];

	head(out, "connect_duration_seconds", "histogram", "Time spent in connect().");
	for (const struct series *s = export->series; s; s = s->hh.next) {
		uint64_t sum = 0;
		if (!is_shown(export, s))
			continue;
		for (unsigned i = 0; i < USAGE_LATENCY_BUCKETS; i++) {
			bool last = i == USAGE_LATENCY_BUCKETS - 1;
			sum += s->counters.n[COUNT_LATENCY + i];
			if (!last && i % 2 == 0)
				continue;
			snprintf(bound, sizeof(bound), "%.9g", (double)(16ull << i) / 1e6);
			put_series(out, "connect_duration_seconds_bucket", s, "le", last ? "+Inf" : bound);
			fprintf(out, "%" PRIu64 "\n", sum);
		}
		put_series(out, "connect_duration_seconds_sum", s, NULL, NULL);
		fprintf(out, "%.9g\n", (double)s->counters.n[COUNT_CONNECT_NS] / 1e9);
		put_series(out, "connect_duration_seconds_count", s, NULL, NULL);
		fprintf(out, "%" PRIu64 "\n", sum);
	}
}

static void put_processes(const struct export *export, FILE *out)
{
	unsigned shown = 0, rest = 0;

	head(out, "processes", "gauge", "Processes under the shim that run.");
	for (const struct group *g = export->groups; g; g = g->hh.next) {
		bool first = true;
		if (export->per_pid && !g->running)
			continue;
		if (++shown > EXPORT_GROUPS_MAX) {
			rest += g->running;
			continue;
		}
		fputs("headroom_processes", out);
		put_group(out, &first, &g->key);
		fprintf(out, "} %u\n", g->running);
	}
	if (shown > EXPORT_GROUPS_MAX)
		fprintf(out, "headroom_processes{process=\"other\"} %u\n", rest);
}

static const struct {
	const char *name, *help;
	size_t at;
	bool of_capacity; /* only where the capacity is known */
} space_gauges[] = {
	{ "ports", "Headroom: ports left from this source to this destination, at most.",
	  offsetof(struct shown_space, headroom), true },
	{ "ports_at_least", "The same at least: less those that may be blocked for all the kernel tells.",
	  offsetof(struct shown_space, at_least), true },
	{ "capacity_ports", "Ports that there are from this source to this destination.",
	  offsetof(struct shown_space, capacity), true },
	{ "in_use_ports", "Ports in use from this source to this destination.",
	  offsetof(struct shown_space, in_use), false },
	{ "time_wait_ports", "Ports in TIME_WAIT from this source to this destination.",
	  offsetof(struct shown_space, time_wait), false },
};

static void put_spaces(const struct export *export, FILE *out)
{
	for (unsigned g = 0; g < sizeof(space_gauges) / sizeof(space_gauges[0]); g++) {
		head(out, space_gauges[g].name, "gauge", space_gauges[g].help);
		for (unsigned i = 0; i < export->shown_count; i++) {
			const struct shown_space *space = &export->shown[i];
			const char *at = (const char *)space + space_gauges[g].at;
			bool first = true;
			if (space_gauges[g].of_capacity && !space->capacity_known)
				continue;
			fprintf(out, "headroom_%s", space_gauges[g].name);
			put_space(out, &first, &space->key);
			fprintf(out, "} %u\n", *(const uint32_t *)(const void *)at);
		}
	}
}

static const struct {
	const char *name, *help;
	size_t at;
} host_gauges[] = {
	{ "host_range_ports", "Ports of ip_local_port_range.", offsetof(struct space_host, range) },
	{ "host_reserved_ports", "Ports of the range that are reserved.",
	  offsetof(struct space_host, reserved) },
	{ "host_blocked_ports", "Ports of the range that some socket keeps from every connect().",
	  offsetof(struct space_host, blocked) },
	{ "host_capacity_ports", "Ports that there are from each source to each destination, at most.",
	  offsetof(struct space_host, capacity) },
	{ "host_capacity_ports_at_least", "The same at least.", offsetof(struct space_host, at_least) },
	{ "host_udp_in_use_ports", "Ports of the range that UDP sockets hold.",
	  offsetof(struct space_host, udp_in_use) },
	{ "host_doubtful_ports",
	  "Ports of which the kernel does not tell whether they are blocked, and was not asked yet.",
	  offsetof(struct space_host, doubtful) },
};

/* "{netns=\"4026532281\"", and nothing for the exporter's own. */
static void put_netns(FILE *out, bool *first, const struct space_host *host)
{
	char network[24];

	snprintf(network, sizeof(network), "%" PRIu64, host->network);
	if (host->network)
		put_label(out, first, "netns", network);
}

static void put_hosts(const struct export *export, FILE *out)
{
	for (unsigned g = 0; export->host_count && g < sizeof(host_gauges) / sizeof(host_gauges[0]); g++) {
		head(out, host_gauges[g].name, "gauge", host_gauges[g].help);
		for (unsigned i = 0; i < export->host_count; i++) {
			const char *at = (const char *)&export->hosts[i] + host_gauges[g].at;
			bool first = true;
			fprintf(out, "headroom_%s", host_gauges[g].name);
			put_netns(out, &first, &export->hosts[i]);
			fprintf(out, "%s %" PRIu32 "\n", first ? "" : "}",
				*(const uint32_t *)(const void *)at);
		}
	}
	if (!export->look_for.all_netns)
		return;
	head(out, "netns_info", "gauge", "Always 1; what the network namespaces are called.");
	for (unsigned i = 0; i < export->host_count; i++) {
		bool first = true;
		fputs("headroom_netns_info", out);
		put_netns(out, &first, &export->hosts[i]);
		put_label(out, &first, "name", export->hosts[i].name);
		fputs("} 1\n", out);
	}
}

static void put_units(const struct export *export, FILE *out)
{
	head(out, "unit_info", "gauge",
	     "Always 1; which systemd units and containers a program runs in, empty for none.");
	for (unsigned i = 0; i < export->unit_count; i++) {
		const struct export_unit *one = &export->units[i];
		bool first = true;
		fputs("headroom_unit_info", out);
		put_label(out, &first, "process", one->process);
		put_label(out, &first, "unit", one->unit);
		put_label(out, &first, "container", one->container);
		fputs("} 1\n", out);
	}
}

void export_text(const struct export *export, FILE *out)
{
	put_spaces(export, out);
	put_hosts(export, out);
	put_processes(export, out);
	put_units(export, out);
	for (unsigned i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
		put_metric(export, &metrics[i], out);
	put_failures(export, out);
	put_histogram(export, out);
	head(out, "export_skipped_segments", "gauge",
	     "Usage segments and directories that could not be read.");
	fprintf(out, "headroom_export_skipped_segments %u\n", export->skipped);
	head(out, "export_duration_seconds", "gauge", "Time it took to find all this out.");
	fprintf(out, "headroom_export_duration_seconds %.9g\n", export->took_s);
	head(out, "build_info", "gauge", "Always 1; the version is a label.");
	fprintf(out, "headroom_build_info{version=\"%s\"} 1\n", HEADROOM_VERSION);
}
