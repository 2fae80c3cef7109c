// SPDX-License-Identifier: Apache-2.0
/* look - find out what `headroom status` shows. */
#include "cli/live/spaces.h"
#include "cli/shared/complain.h"
#include "cli/shared/view_complaints.h"
#include "cli/status/status.h"
#include "pool/base/printable.h"
#include "pool/base/resting.h"
#include "pool/segment/identity.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The page is there within a second: this long may be asked about single ports. */
static const uint64_t ASK_NS = UINT64_C(400000000);
enum { CLOSE_WAITS_MAX = 100000, TAG_CLOSE_WAIT = 100 };

struct wants {
	struct wanted_socket *sockets;
	size_t count, room;
};

static void want(struct wants *wants, uint32_t inode, uint32_t tag)
{
	if (wants->count == wants->room) {
		size_t room = wants->room ? 2 * wants->room : 1024;
		struct wanted_socket *grown = reallocarray(wants->sockets, room, sizeof(*grown));
		if (!grown)
			return;
		wants->sockets = grown;
		wants->room = room;
	}
	wants->sockets[wants->count++] = (struct wanted_socket){ .inode = inode, .tag = tag };
}

static void see_close_wait(const struct socket_seen *seen, void *context)
{
	struct wants *wants = context;

	if (wants->count < CLOSE_WAITS_MAX)
		want(wants, seen->inode, TAG_CLOSE_WAIT);
}

static void found(const struct process *process, const struct wanted_socket *socket, void *context)
{
	struct status *status = context;

	if (socket->tag == TAG_CLOSE_WAIT)
		holders_add(&status->close_wait, process, 0);
	else
		holders_add(&status->blockers, process, socket->tag);
}

/* One walk over the processes for all of them; none if nobody is to be found. */
static void find_processes(struct status *status)
{
	const struct port_space *ports = &status->view.ports;
	struct kernel_filter close_wait = { .states = 1u << STATE_CLOSE_WAIT };
	struct kernel_view view;
	struct wants wants = { 0 };

	if (status->view.states[STATE_CLOSE_WAIT] >= CLOSE_WAITS_MANY)
		kernel_view_read(&view, &close_wait, see_close_wait, &wants);
	for (unsigned port = ports->range.low; port <= ports->range.high; port++)
		if (ports->ports[port].blocked && !ports->ports[port].reserved)
			want(&wants, ports->ports[port].inode, ports->ports[port].blocked);
	process_table_find(wants.sockets, wants.count, &status->search, found, status);
	for (size_t i = 0; i < wants.count; i++) {
		if (wants.sockets[i].found)
			continue;
		if (wants.sockets[i].tag == TAG_CLOSE_WAIT)
			status->close_wait_without_process++;
		else
			status->blocked_without_process++;
	}
	free(wants.sockets);
	holders_sort(&status->close_wait);
	holders_sort(&status->blockers);
}

static void find_shim(struct status *status, const struct status_options *options)
{
	struct spaces_options how = { .state_dir = options->state_dir, .out_of_date = true };
	struct spaces spaces;
	uint64_t network, cookie;

	usage_identify_network(&network, &cookie);
	status->network = network;
	status->shim.disabled = resting_file_counts(false);
	if (!spaces_look(&spaces, &how)) {
		for (unsigned i = 0; i < spaces.process_count; i++) {
			const struct usage *usage = &spaces.processes[i].usage;
			bool here = usage->header.network_namespace == network;
			status->shim.processes += usage->running && here && !usage->attached;
			status->shim.cgroups += usage->attached && usage->header.network_cookie == cookie;
		}
		for (const struct space *s = spaces.table; s; s = s->hh.next)
			status->shim.in_use += s->key.network ? 0 : s->shim_in_use;
		status->shim.skipped = spaces.skipped;
		status->shim.out_of_date = spaces.attached_out_of_date;
	}
	spaces_end(&spaces);
}

static void worsen(struct status *status, enum verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void worsen(struct status *status, enum verdict verdict, const char *format, ...)
{
	va_list arguments;

	if (verdict <= status->verdict)
		return;
	status->verdict = verdict;
	va_start(arguments, format);
	vsnprintf(status->because, sizeof(status->because), format, arguments);
	va_end(arguments);
}

static const char *ports_of(uint32_t count)
{
	return one_or_many(count, "port", "ports");
}

static void judge_tuples(struct status *status, unsigned threshold)
{
	char to[ENDPOINT_TEXT_MAX], from[HOST_SOURCE_TEXT_MAX];

	for (unsigned i = 0; i < status->count; i++) {
		struct room room = host_view_room(&status->view, status->sorted[i]);
		enum verdict verdict = room_verdict(&room, threshold);
		status->bad += verdict_is_bad(verdict);
		status->in_use += status->sorted[i]->in_use;
		worsen(status, verdict, "%u of %u %s left to %s from %s", room_at_least(&room),
		       room.range - room.reserved, ports_of(room.range - room.reserved),
		       endpoint_format(&status->sorted[i]->key.destination, to),
		       host_source_text(&status->sorted[i]->key, from));
	}
}

static void judge(struct status *status, unsigned threshold)
{
	const struct host_view *view = &status->view;
	struct room unused = host_view_room(view, NULL);

	worsen(status, room_verdict(&unused, threshold), "%u of %u %s lost to every destination",
	       view->blocked + view->doubtful, unused.range - unused.reserved,
	       view->blocked + view->doubtful == 1
		       ? one_or_many(unused.range - unused.reserved, "port is", "ports is")
		       : "ports are");
	judge_tuples(status, threshold);
	worsen(status, udp_view_verdict(&status->udp, threshold), "UDP sockets hold %u of %u %s",
	       status->udp.in_use, status->udp.range - status->udp.reserved,
	       ports_of(status->udp.range - status->udp.reserved));
	if (conntrack_is_full(&status->nat))
		worsen(status, VERDICT_TIGHT, "%llu of %llu connections tracked: then new ones are dropped",
		       (unsigned long long)status->nat.count, (unsigned long long)status->nat.most);
	if (view->states[STATE_CLOSE_WAIT] >= CLOSE_WAITS_MANY)
		worsen(status, VERDICT_LEAKING, "%llu connections in CLOSE_WAIT: some program does not close",
		       (unsigned long long)view->states[STATE_CLOSE_WAIT]);
}

int status_look(struct status *status, const struct status_options *options)
{
	struct host_view *view = &status->view;
	struct utsname name;
	int rc = host_view_read(view);

	if (rc)
		return rc;
	if (!uname(&name)) {
		snprintf(status->host, sizeof(status->host), "%.64s", name.nodename);
		snprintf(status->kernel, sizeof(status->kernel), "%.64s", name.release);
	}
	if (host_view_in_doubt(view, options->threshold))
		host_view_ask(view, NULL, ASK_NS);
	udp_view_read(&status->udp, &view->ports);
	if (verdict_is_bad(udp_view_verdict(&status->udp, options->threshold)))
		udp_view_find(&status->udp);
	conntrack_read(&status->nat);
	find_processes(status);
	find_shim(status, options);
	status->sorted = host_view_sort(view, &status->count);
	if (!status->sorted)
		return complain(NULL, "no memory");
	judge(status, options->threshold);
	return STATUS_FINE;
}

void status_end(struct status *status)
{
	free(status->sorted);
	host_view_end(&status->view);
	udp_view_end(&status->udp);
	holders_end(&status->blockers);
	holders_end(&status->close_wait);
}
