// SPDX-License-Identifier: Apache-2.0
/* sockets - the TCP sockets of a network namespace, by a BPF program that reads the kernel's tables.
 *
 * The skeleton is a light one: a program that runs in the kernel loads the other, and the kernel puts the
 * places of its own structures in, so that takes some milliseconds and no type information is read here. */
#include "attach/sockets.h"

#include "attach/listed.h"
#include "pool/ports/kernel_view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* Behind <errno.h>, which bpf/skel_internal.h wants. */
#include "sockets.skel.h"

enum { FEW = 10000, MANY = 4000000 };

struct listing {
	struct sockets_bpf *programs;
	const union listed *list;
	struct listing_progress *progress;
	const struct listed_ports *ports;
	uint32_t room, holders;
	struct kernel_view *view;
	socket_visitor *visit;
	void *context;
};

static struct endpoint endpoint_of(uint16_t port)
{
	return (struct endpoint){ .port = port };
}

/* Return: places that it takes in the list */
static unsigned visit_one(const struct listing *listing, const union listed *one)
{
	struct socket_seen seen = {
		.source = endpoint_of(one->port),
		.destination = endpoint_of(ntohs(one->remote_port_be)),
		.interface = one->interface,
		.uid = one->uid,
		.inode = one->inode,
		.quiet_ms = SOCKET_QUIET_UNKNOWN,
		.state = one->state,
		.retransmits = one->retransmits,
		.family = one->family,
	};

	if (one->family == AF_INET) {
		seen.source.ip = address_from_v4(one->local_be);
		seen.destination.ip = address_from_v4(one->remote_be);
	} else {
		memcpy(&seen.source.ip, one[1].local6_be, sizeof(seen.source.ip));
		memcpy(&seen.destination.ip, one[1].remote6_be, sizeof(seen.destination.ip));
	}
	if (IN6_IS_ADDR_LINKLOCAL(&seen.destination.ip.v6))
		seen.destination.scope = seen.interface;
	listing->view->sockets++;
	listing->visit(&seen, listing->context);
	return one->family == AF_INET ? 1 : 2;
}

static int call(int program)
{
	union bpf_attr call;

	memset(&call, 0, sizeof(call));
	call.test.prog_fd = (__u32)program;
	return skel_sys_bpf(BPF_PROG_RUN, &call, sizeof(call)) < 0 ? -errno : 0;
}

/* From the first bucket to the last. */
static int run(const struct listing *listing)
{
	const struct listing_progress *progress = listing->progress;
	/* First, as the other program goes by it. */
	int rc = call(listing->programs->progs.ports_blocked.prog_fd);

	if (rc)
		return rc;
	do {
		rc = call(listing->programs->progs.sockets.prog_fd);
		if (rc)
			return rc;
		if (!progress->end)
			return -EPROTO;
	} while (progress->next < progress->end);
	return progress->count > listing->room ? -ENOBUFS : 0;
}

static void visit_all(const struct listing *listing)
{
	/* What listeners have not answered is listed as SYN_RECV; there seldom is any. */
	const struct kernel_filter unanswered = { .states = 1u << STATE_NEW_SYN_RECV };
	struct kernel_view more;

	for (uint32_t at = 0; at < listing->progress->count;)
		at += visit_one(listing, &listing->list[at]);
	listing->view->interrupted = listing->progress->changed;
	if (!listing->progress->pending)
		return;
	if (kernel_view_read(&more, &unanswered, listing->visit, listing->context))
		listing->view->interrupted = true;
	listing->view->sockets += more.sockets;
}

static void *map(int fd, size_t size, int protection)
{
	void *at = mmap(NULL, size, protection, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

static void unmap(const void *at, size_t size)
{
	if (at)
		munmap((void *)(uintptr_t)at, size);
}

static int map_and_list(struct listing *listing, struct attach_ports *ports)
{
	const struct sockets_bpf *programs = listing->programs;
	size_t size = listing->room * sizeof(*listing->list);

	listing->list = map(programs->maps.list.map_fd, size, PROT_READ);
	listing->progress =
		map(programs->maps.progress.map_fd, sizeof(*listing->progress), PROT_READ | PROT_WRITE);
	listing->ports = map(programs->maps.ports.map_fd, sizeof(*listing->ports), PROT_READ);
	int rc = -ENOMEM;
	if (listing->list && listing->progress && listing->ports) {
		listing->progress->holders = listing->holders;
		rc = run(listing);
	}
	if (!rc) {
		visit_all(listing);
		ports->known = listing->ports->whole;
		memcpy(ports->blocked, listing->ports->blocked, sizeof(ports->blocked));
	}
	unmap(listing->list, size);
	unmap(listing->progress, sizeof(*listing->progress));
	unmap(listing->ports, sizeof(*listing->ports));
	return rc;
}

static int load_and_list(struct listing *listing, struct attach_ports *ports)
{
	errno = 0;
	listing->programs = sockets_bpf__open();
	if (!listing->programs)
		return -ENOMEM;
	listing->programs->maps.list.max_entries = listing->room;
	int rc = sockets_bpf__load(listing->programs);
	if (!rc)
		rc = map_and_list(listing, ports);
	sockets_bpf__destroy(listing->programs);
	return rc < 0 ? rc : rc ? -EPROTO : 0;
}

/* Of the calling thread's network namespace, both families and those in TIME_WAIT. Return: 0 if /proc does
 * not tell. */
static unsigned long count_sockets(void)
{
	static const char *const paths[] = { "/proc/thread-self/net/sockstat",
					     "/proc/thread-self/net/sockstat6" };
	unsigned long sum = 0, in_use, waits;
	char line[256];

	for (int i = 0; i < 2; i++) {
		FILE *file = fopen(paths[i], "re");
		while (file && fgets(line, sizeof(line), file))
			if (sscanf(line, "TCP: inuse %lu orphan %*u tw %lu", &in_use, &waits) == 2)
				sum += in_use + waits * 2;
			else if (sscanf(line, "TCP6: inuse %lu", &in_use) == 1)
				sum += in_use * 2;
		if (file)
			fclose(file);
	}
	return sum;
}

int attach_list_sockets(struct kernel_view *view, unsigned flags, struct attach_ports *ports,
			socket_visitor *visit, void *context)
{
	struct listing listing = {
		.view = view, .visit = visit, .context = context, .holders = !!(flags & LIST_HOLDERS)
	};
	unsigned long count = count_sockets();

	if (!kernel_at_least(6, 8))
		return -ENOSYS;
	if ((count < FEW && !(flags & LIST_ALWAYS)) || count > MANY)
		return -ERANGE;
	*view = (struct kernel_view){ .way = VIEW_BPF };
	listing.room = (uint32_t)(count + count / 4 + 4096);
	ports->known = false;
	return load_and_list(&listing, ports);
}
