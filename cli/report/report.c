// SPDX-License-Identifier: Apache-2.0
/* report - `headroom report`: what processes under the shim have in use, or had. */
#include "cli/report/report.h"

#include "cli/attach/shown.h"
#include "cli/history/moment.h"
#include "cli/ports/each_netns.h"
#include "cli/report/past.h"
#include "cli/report/shares.h"
#include "cli/shared/identity.h"
#include "cli/shared/nearest_word.h"
#include "cli/shared/netns.h"
#include "cli/shared/verb_options.h"
#include "cli/shared/verbs.h"
#include "pool/base/clock.h"
#include "pool/base/kernel.h"
#include "pool/rules/file.h"
#include "pool/segment/directory.h"
#include "pool/segment/identity.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage_text[] =
	"usage: headroom report [OPTION...] [PID...]\n"
	"\n"
	"Shows the ports that processes under the shim use, or used before they ended:\n"
	"one line per process, then per destination and source, with what is left and\n"
	"how long it lasts. For root attached cgroups too (headroom-attach(1)).\n"
	"\n"
	"      --name NAME     programs of this name only\n"
	"      --to DEST       destinations only that match, such as 10.20.0.0/16:443 or\n"
	"                      *:6379\n"
	"      --running       no processes that have ended\n"
	"      --sort KEY      headroom (default: the least first), rate, failures, peak\n"
	"                      or pid\n"
	"      --state-dir DIR where their usage segments are; default\n"
	"                      HEADROOM_STATE_DIR, else where the shim puts them; as\n"
	"                      root those of all users\n"
	"      --pid PID       processes in the network namespace of this one\n"
	"      --container C   the same of a container: ID, name or hostname\n"
	"      --netns NAME    processes in a network namespace: a name of ip-netns(8),\n"
	"                      or a path\n"
	"      --all-netns     what is left also in the other network namespaces of this\n"
	"                      host by the kernel's own list, and which one it is\n"
	"      --by WHAT       a row for each process, unit, container, user or source;\n"
	"                      workers: unit, else container, else program\n"
	"      --since TIME    what `headroom record` kept since then: when it began, who\n"
	"                      grew, what the headroom was; 2h, 30min, 14:05 or\n"
	"                      2026-11-27T14:05Z\n"
	"      --until TIME    and until then; default now\n"
	"      --history FILE  where it was kept; default as of headroom record\n"
	"      --json          for programs; see headroom-report(1)\n"
	"      --html FILE     a page for a browser or a printer, with the pictures of\n"
	"                      --since, by default of the last day\n"
	"  -h, --help          this text\n"
	"\n"
	"Exit status: 0 fine; 1 a running process has no port left somewhere, or with\n"
	"--since there was a time without; 2 usage or environment error.\n";

enum sort { SORT_HEADROOM, SORT_RATE, SORT_FAILURES, SORT_PEAK, SORT_PID, SORTS };
static const char *const sort_names[SORTS] = { "headroom", "rate", "failures", "peak", "pid" };

struct asked {
	struct report report;
	struct arena arena;
	const char *name, *state_dir, *html;
	struct pattern to;
	uint64_t network; /* with --pid or --netns: its inode */
	struct netns_asked netns;
	bool has_to, running, json, grouped;
	enum group_by by; /* if grouped */
	enum sort sort;
	struct past_asked when;
	struct past past;
	char **pids;
	int pid_count;
};

const char *report_time(const struct usage_header *header, uint64_t time_ns, char *out)
{
	uint64_t at_ns = header->started_realtime_ns + (time_ns - header->started_ns);
	time_t seconds = (time_t)(at_ns / 1000000000u);
	struct tm utc;

	*out = '\0';
	if (gmtime_r(&seconds, &utc))
		strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
	return out;
}

const char *report_netns(const struct report *report, const struct usage_header *header)
{
	for (unsigned i = 0; report->all_netns && i < report->netns_count; i++) {
		const struct report_netns *one = &report->netns[i];
		bool same = header->network_cookie && one->cookie ? header->network_cookie == one->cookie
								  : header->network_namespace == one->inode;
		if (same)
			return one->name;
	}
	return NULL;
}

int report_pid(const struct usage *usage)
{
	if (!usage->running || usage->merged || usage->attached)
		return 0;
	return identity_pid_here(usage->header.pid, usage->header.pid_namespace);
}

const char *report_source(const struct address *source, char *out)
{
	return address_is_unset(source) ? strcpy(out, "-") : address_format(source, out);
}

const char *report_destination(const struct endpoint *to, char *out)
{
	return to->port ? endpoint_format(to, out) : strcpy(out, "(others)");
}

/* Room for one more. Return: NULL when memory is short. */
static void *grow(void *items, unsigned count, unsigned *room, size_t size)
{
	if (count < *room)
		return items;
	*room = *room ? 2 * *room : 64;
	return reallocarray(items, *room, size);
}

static _Noreturn void out_of_memory(void)
{
	exit(complain("report", "%s", strerror(ENOMEM)));
}

static void skipped(const char *path, const char *reason, void *argument)
{
	struct report *report = &((struct asked *)argument)->report;

	report->skipped =
		grow(report->skipped, report->skipped_count, &report->skipped_room, sizeof(*report->skipped));
	char *kept = strdup(path);
	if (!report->skipped || !kept)
		out_of_memory();
	struct report_skipped *one = &report->skipped[report->skipped_count++];
	one->path = kept;
	snprintf(one->reason, sizeof(one->reason), "%s", reason);
}

static bool is_wanted(const struct asked *asked, const struct usage *usage)
{
	char pid[16];

	if (asked->netns.what && usage->header.network_namespace != asked->network)
		return false;
	if ((asked->running && !usage->running) || (asked->name && strcmp(asked->name, usage->header.name)))
		return false;
	if (usage->attached)
		return !asked->pid_count;
	snprintf(pid, sizeof(pid), "%u", usage->header.pid);
	for (int i = 0; i < asked->pid_count; i++)
		if (!strcmp(asked->pids[i], pid))
			return true;
	return !asked->pid_count;
}

static bool row_is_wanted(const struct asked *asked, const struct usage_entry *entry)
{
	if (!entry->to.port) /* what is added up: not of one destination */
		return !asked->has_to && (entry->opened || entry->failed);
	return !asked->has_to || pattern_matches(&asked->to, &entry->to, "");
}

static void add_row(struct report *report, struct report_process *process, const struct usage_entry *entry)
{
	struct report_row *row = &process->rows[process->row_count++];

	row->entry = entry;
	usage_figures(&process->usage, entry, report->now_ns, &row->figures);
	shares_apply(report->shares, &process->usage, entry, &row->figures);
	process->opened += entry->opened;
	process->failed += entry->failed;
	process->exhausted += entry->exhausted;
	process->open += process->usage.running ? entry->open : 0;
	process->time_wait += row->figures.time_wait;
	if (row->figures.capacity_known && process->usage.running &&
	    (!process->tightest || row->figures.headroom < process->tightest->figures.headroom))
		process->tightest = row;
}

/* Those that are not shown take ports too. */
static void visit_share(const char *path, struct usage *usage, void *argument)
{
	struct report *report = argument;

	(void)path;
	shares_add(report->shares, usage, report->now_ns);
}

static void pass_over(const char *path, const char *reason, void *argument)
{
	(void)path, (void)reason, (void)argument;
}

static void visit(const char *path, struct usage *usage, void *argument)
{
	struct asked *asked = argument;
	struct report *report = &asked->report;

	if (!is_wanted(asked, usage))
		return;
	report->processes = grow(report->processes, report->process_count, &report->process_room,
				 sizeof(*report->processes));
	if (!report->processes)
		out_of_memory();
	struct report_process *process = &report->processes[report->process_count];
	*process = (struct report_process){ .usage = *usage };
	process->rows = calloc(usage->entry_count ? usage->entry_count : 1, sizeof(*process->rows));
	process->path = strdup(path);
	if (!process->rows || !process->path)
		out_of_memory();
	for (unsigned i = 0; i < usage->entry_count; i++)
		if (row_is_wanted(asked, &usage->entries[i]))
			add_row(report, process, &usage->entries[i]);
	if (asked->has_to && !process->row_count) {
		free(process->rows);
		free(process->path);
		return;
	}
	uint64_t until_ns = usage->header.ended_ns ? usage->header.ended_ns : report->now_ns;
	double seconds = (double)clock_since(usage->header.started_ns, until_ns) / 1e9;
	process->opened_per_s = seconds > 0.1 ? (double)process->opened / seconds : 0;
	usage->entries = NULL; /* kept */
	report->process_count++;
}

/* Less sorts first. */
static double row_key(const struct report_row *row, enum sort sort)
{
	switch (sort) {
	case SORT_RATE:
		return -row->figures.growth;
	case SORT_FAILURES:
		return -(double)row->entry->failed;
	case SORT_PEAK:
		return -(double)row->entry->peak;
	default:
		/* Of those that share a tuple space the one that takes most of it comes first. */
		return (row->figures.capacity_known ? row->figures.headroom : 1e9) -
		       row->figures.in_use * 1e-6;
	}
}

static double process_key(const struct report_process *process, enum sort sort)
{
	double least = 1e12;

	if (sort == SORT_PID)
		return process->usage.header.pid;
	if (sort == SORT_FAILURES)
		return -(double)process->failed;
	if (sort == SORT_RATE)
		return -process->opened_per_s;
	/* Those that have ended come last, the latest first. */
	if (sort == SORT_HEADROOM && !process->usage.running)
		return 1e10 - (double)process->usage.header.started_ns / 1e9;
	for (unsigned i = 0; i < process->row_count; i++) {
		double key = row_key(&process->rows[i], sort);
		least = key < least ? key : least;
	}
	return least;
}

static enum sort sort_by;

static int order(double a, double b)
{
	return (a > b) - (a < b);
}

static int compare_rows(const void *a, const void *b)
{
	return order(row_key(a, sort_by), row_key(b, sort_by));
}

static int compare_processes(const void *a, const void *b)
{
	return order(process_key(a, sort_by), process_key(b, sort_by));
}

static void sort_all(struct asked *asked)
{
	struct report *report = &asked->report;

	sort_by = asked->sort;
	for (unsigned i = 0; i < report->process_count; i++) {
		struct report_process *process = &report->processes[i];
		const struct usage_entry *tightest = process->tightest ? process->tightest->entry : NULL;
		qsort(process->rows, process->row_count, sizeof(*process->rows), compare_rows);
		for (unsigned k = 0; tightest && k < process->row_count; k++)
			if (process->rows[k].entry == tightest)
				process->tightest = &process->rows[k];
	}
	if (report->process_count)
		qsort(report->processes, report->process_count, sizeof(*report->processes),
		      compare_processes);
}

/* Old ones go when somebody looks; with an old directory of somebody else's nothing happens. */
static void sweep(const struct asked *asked)
{
	char path[USAGE_PATH_MAX], reason[REASON_MAX];
	struct usage_names names;

	for (unsigned i = 0; i < USAGE_PLACES; i++) {
		long owner = geteuid();
		if (!usage_place(i, asked->state_dir, getenv("XDG_RUNTIME_DIR"), geteuid(), path))
			continue;
		long directory = usage_directory_open(path, false, &owner, reason);
		if (directory < 0)
			continue;
		usage_sweep_all((int)directory, &names, UINT_MAX);
		kernel.close((int)directory);
	}
}

static int take_sort(struct asked *asked, const char *value)
{
	for (asked->sort = 0; asked->sort < SORTS; asked->sort++)
		if (!strcmp(sort_names[asked->sort], value))
			return STATUS_FINE;
	static const char *const words[SORTS + 1] = { "headroom", "rate", "failures", "peak", "pid", NULL };
	const char *meant = nearest_word(value, words);
	if (meant)
		return complain("--sort", "`%s` is unknown; did you mean `%s`?", value, meant);
	return complain("--sort", "`%s` is none of headroom, rate, failures, peak, pid", value);
}

static int take_option(void *context, int option)
{
	struct asked *asked = context;
	char reason[REASON_MAX];

	switch (option) {
	case 'n':
		asked->name = optarg;
		return STATUS_FINE;
	case 't':
		asked->has_to = true;
		return pattern_parse(optarg, &asked->to, reason) ? STATUS_FINE
								 : complain("--to", "%s", reason);
	case 'r':
		asked->running = true;
		return STATUS_FINE;
	case 's':
		return take_sort(asked, optarg);
	case 'd':
		asked->state_dir = optarg;
		if (!*optarg)
			return complain("--state-dir", "is empty");
		return access(optarg, F_OK) ? complain(optarg, "%s", strerror(errno)) : STATUS_FINE;
	case 'a':
		asked->report.all_netns = true;
		return STATUS_FINE;
	case 'j':
		asked->json = true;
		return STATUS_FINE;
	case 'H':
		asked->html = optarg;
		return STATUS_FINE;
	case 'b':
		asked->grouped = true;
		return group_by_parse(optarg, &asked->by);
	case 'S':
		return moment_parse("--since", optarg, moment_now(), &asked->when.since_ns);
	case 'U':
		return moment_parse("--until", optarg, moment_now(), &asked->when.until_ns);
	case 'F':
		asked->when.path = optarg;
		return *optarg ? STATUS_FINE : complain("--history", "is empty");
	default:
		return netns_take(&asked->netns, option, optarg);
	}
}

static int take_options(struct asked *asked, int argc, char **argv)
{
	static const struct option known[] = { { "name", required_argument, NULL, 'n' },
					       { "to", required_argument, NULL, 't' },
					       { "running", no_argument, NULL, 'r' },
					       { "sort", required_argument, NULL, 's' },
					       { "state-dir", required_argument, NULL, 'd' },
					       NETNS_OPTIONS,
					       { "all-netns", no_argument, NULL, 'a' },
					       { "json", no_argument, NULL, 'j' },
					       { "html", required_argument, NULL, 'H' },
					       { "by", required_argument, NULL, 'b' },
					       { "since", required_argument, NULL, 'S' },
					       { "until", required_argument, NULL, 'U' },
					       { "history", required_argument, NULL, 'F' },
					       { "help", no_argument, NULL, 'h' },
					       { NULL, 0, NULL, 0 } };
	static const struct verb_options all = {
		.verb = "report", .usage = usage_text, .letters = ":h", .known = known, .take = take_option
	};

	int status = verb_options_take(&all, argc, argv, asked);
	if (status)
		return status;
	if (asked->grouped && (asked->html || asked->when.since_ns))
		return complain("--by", "is for tables and --json of what is in use now");
	if (asked->report.all_netns && (asked->netns.what || (asked->when.since_ns && !asked->html)))
		return complain("--all-netns", "is for all namespaces as they are now: not with %s",
				asked->netns.what ? asked->netns.option : "--since");
	for (int i = optind; i < argc; i++)
		if (!*argv[i] || strspn(argv[i], "0123456789") != strlen(argv[i]))
			return complain("report", "`%s` is no process ID", argv[i]);
	asked->pids = argv + optind;
	asked->pid_count = argc - optind;
	return STATUS_FINE;
}

/* Of the last day where there is a history and nothing was asked for. */
static int read_past(struct asked *asked)
{
	static const uint64_t DAY_NS = UINT64_C(86400000000000);
	struct past_asked *when = &asked->when;
	bool asked_for = when->since_ns || when->until_ns || when->path;

	if (!asked_for && !(asked->html && past_exists(NULL)))
		return STATUS_FINE;
	/* Times are shown without parts of a second: one of those is the whole of it. */
	when->until_ns = when->until_ns ? when->until_ns + 999999999u : moment_now();
	if (!when->since_ns)
		when->since_ns = when->until_ns > DAY_NS ? when->until_ns - DAY_NS : 0;
	if (when->since_ns > when->until_ns)
		return complain("--until", "is before --since");
	int status = past_read(&asked->past, when);
	if (!status)
		asked->report.past = &asked->past;
	return status;
}

/* Was there a moment without a port? */
static int show_past(const struct past *past, bool json)
{
	int status = STATUS_FINE;

	(json ? past_json : past_text)(past, stdout);
	if (fflush(stdout) || ferror(stdout))
		return complain("standard output", "%s", strerror(errno));
	for (const struct past_series *s = past_next(past, NULL); s; s = past_next(past, s))
		if (s->full_from != PAST_NEVER)
			status = STATUS_BAD_NEWS;
	return status;
}

static int write_html(const struct asked *asked)
{
	FILE *page = fopen(asked->html, "we");

	if (!page)
		return complain(asked->html, "%s", strerror(errno));
	report_html(&asked->report, page);
	bool failed = ferror(page);
	if (fclose(page) || failed)
		return complain(asked->html, "%s", strerror(errno));
	return STATUS_FINE;
}

static int show(const struct asked *asked)
{
	const struct report *report = &asked->report;
	int status = STATUS_FINE;

	for (unsigned i = 0; i < report->skipped_count && !asked->json; i++)
		complain(report->skipped[i].path, "%s; skipped", report->skipped[i].reason);
	if (asked->html && (status = write_html(asked)))
		return status;
	if (asked->grouped && !asked->html)
		(asked->json ? grouped_json : grouped_text)(report, asked->by, stdout);
	else if (asked->json)
		report_json(report, stdout);
	else if (!asked->html)
		report_text(report, stdout);
	if (fflush(stdout) || ferror(stdout))
		return complain("standard output", "%s", strerror(errno));
	for (unsigned i = 0; i < report->process_count; i++) {
		const struct report_row *tightest = report->processes[i].tightest;
		if (tightest && !tightest->figures.headroom)
			status = STATUS_BAD_NEWS;
	}
	return status;
}

static int ask_kernel(const char *name, void *context)
{
	struct asked *asked = context;
	struct report *report = &asked->report;
	struct shares_host host = { 0 };
	const bool first = !report->netns_count;

	report->netns = grow(report->netns, report->netns_count, &report->netns_room, sizeof(*report->netns));
	if (!report->netns)
		out_of_memory();
	struct report_netns *netns = &report->netns[report->netns_count++];
	*netns = (struct report_netns){ 0 };
	usage_identify_network(&netns->inode, &netns->cookie);
	snprintf(netns->name, sizeof(netns->name), "%s", name);
	shares_ask_kernel(report->shares, &host, asked->html && first);
	if (first)
		report->ports = host;
	return STATUS_FINE;
}

static int find_all(struct asked *asked)
{
	struct report *report = &asked->report;
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR");

	report->now_realtime_ns = moment_now();
	report->now_ns = clock_ns();
	report->network = asked->network;
	if (!(report->shares = shares_start()))
		out_of_memory();
	usage_walk(&asked->arena, asked->state_dir, runtime_dir, visit_share, pass_over, report);
	attached_walk(&asked->arena, visit_share, pass_over, report);
	if (report->all_netns)
		each_netns(ask_kernel, asked, true);
	else
		ask_kernel("here", asked);
	usage_walk(&asked->arena, asked->state_dir, runtime_dir, visit, skipped, asked);
	attached_walk(&asked->arena, visit, skipped, asked);
	sweep(asked);
	sort_all(asked);
	return show(asked);
}

int verb_report(int argc, char **argv)
{
	struct asked asked = { 0 };
	uint64_t cookie;
	int status = take_options(&asked, argc, argv);

	if (status)
		return status;
	if ((status = read_past(&asked)))
		return status;
	if (asked.report.past && !asked.html)
		return show_past(&asked.past, asked.json);
	if ((status = netns_enter(&asked.netns)))
		return status;
	usage_identify_network(&asked.network, &cookie);
	if (!asked.state_dir)
		asked.state_dir = getenv("HEADROOM_STATE_DIR");
	if (asked.state_dir && !strcmp(asked.state_dir, "off"))
		return complain("HEADROOM_STATE_DIR", "is off: there is nothing to report; --state-dir names "
						      "another place");
	return find_all(&asked);
}
