// SPDX-License-Identifier: Apache-2.0
/* walk - let a BPF iterator visit the sockets of a cgroup, so that its counts are right. */
#include "attach/walk.h"

#include "attach/pins.h"
#include "attach/target.h"
#include "pool/ports/range.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const __u64 WALK_EVERY_NS = 60000000000ull;

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now); /* that of bpf_ktime_get_ns() */
	return (__u64)now.tv_sec * 1000000000u + (__u64)now.tv_nsec;
}

/* The kernel leaves a tracing program out where it would interrupt itself on the same processor
 * (__bpf_trace_run(), kernel/trace/bpf_trace.c), and counts that. */
static __u64 count_misses(const char *folder)
{
	struct bpf_link_info link = { 0 };
	struct bpf_prog_info program = { 0 };
	__u32 size = sizeof(link);
	int fd = attach_pin_open(folder, "link_state"), of = -1;

	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &link, &size))
		of = bpf_prog_get_fd_by_id(link.prog_id);
	size = sizeof(program);
	if (of >= 0) {
		bpf_obj_get_info_by_fd(of, &program, &size);
		close(of);
	}
	if (fd >= 0)
		close(fd);
	return program.recursion_misses;
}

static int open_walk(const char *folder, struct attach_walk *out)
{
	const __u32 first = 0;
	int fd = attach_pin_open(folder, "walk");

	if (fd >= 0 && bpf_map_lookup_elem(fd, &first, out)) {
		close(fd);
		return -errno;
	}
	return fd;
}

int attach_walk_read(const char *folder, struct attach_walk *out, __u64 *misses)
{
	int fd = open_walk(folder, out);

	if (fd < 0)
		return fd;
	close(fd);
	*misses = count_misses(folder) - out->misses;
	return 0;
}

struct walking {
	int link, map;
};

static int put_range(int map)
{
	const __u32 first = 0;
	struct attach_walk walk;
	struct port_range range;

	if (bpf_map_lookup_elem(map, &first, &walk))
		return -errno;
	if (!port_range_read(&range))
		return -ENOENT;
	walk.low = range.low;
	walk.high = range.high;
	return bpf_map_update_elem(map, &first, &walk, BPF_ANY) ? -errno : 0;
}

/* An iterator is of the network namespace it is opened in. The programs do all, nothing is read. */
static int walk_namespace(int network, void *context)
{
	const struct walking *walking = context;
	char nothing[64];
	ssize_t got;

	if (setns(network, CLONE_NEWNET))
		return -errno;
	int error = put_range(walking->map);
	if (error)
		return error;
	int fd = bpf_iter_create(walking->link);
	if (fd < 0)
		return -errno;
	/* EAGAIN after a million sockets (MAX_ITER_OBJECTS, kernel/bpf/bpf_iter.c). */
	do
		got = read(fd, nothing, sizeof(nothing));
	while (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)));
	int rc = got < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static int walk_all(const char *target, struct walking *walking)
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), rc;

	if (here < 0)
		return -errno;
	rc = attach_target_networks(target, walk_namespace, walking);
	if (setns(here, CLONE_NEWNET) && !rc)
		rc = -errno;
	close(here);
	return rc;
}

/* The program has written into it meanwhile. */
static void end_walk(int map)
{
	const __u32 first = 0;
	struct attach_walk walk;

	if (bpf_map_lookup_elem(map, &first, &walk))
		return;
	walk.mode = ATTACH_WALK_NONE;
	bpf_map_update_elem(map, &first, &walk, BPF_ANY);
}

int attach_walk_sockets(const char *folder)
{
	const __u32 first = 0;
	struct attach_config config;
	struct attach_walk walk;
	int fd = open_walk(folder, &walk), link = attach_pin_open(folder, "link_sockets"), rc;

	if (fd < 0 || link < 0)
		rc = fd < 0 ? fd : link;
	else if (!attach_pin_config(folder, &config))
		rc = -ENOENT;
	else {
		walk.epoch++;
		walk.misses = count_misses(folder);
		if (walk.mode == ATTACH_WALK_NONE)
			walk.mode = ATTACH_WALK_MOVING;
		rc = bpf_map_update_elem(fd, &first, &walk, BPF_ANY)
			     ? -errno
			     : walk_all(config.target, &(struct walking){ .link = link, .map = fd });
		/* What the first has not visited is not counted, so the next command tries again. */
		if (!rc || walk.mode == ATTACH_WALK_MOVING)
			end_walk(fd);
	}
	if (fd >= 0)
		close(fd);
	if (link >= 0)
		close(link);
	return rc;
}

void attach_walk_if_due(const char *folder)
{
	struct attach_walk walk;
	__u64 misses;

	if (attach_walk_read(folder, &walk, &misses))
		return;
	if (!walk.ended_ns || walk.mode != ATTACH_WALK_NONE ||
	    (misses && now_ns() - walk.ended_ns > WALK_EVERY_NS))
		attach_walk_sockets(folder);
}
