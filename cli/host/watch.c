// SPDX-License-Identifier: Apache-2.0
/* watch - see how programs end, and take the shim out of all of them when ten in a row die by a signal.
 *
 * Theory of operation
 *
 * The kernel's process connector (Documentation/driver-api/connector.rst, cn_proc.h) tells of each exec and
 * each end. A program counts if it was started (exec) since the watch began, by a process that sees the same
 * /etc: one of this mount namespace. The children of one that counts do too. An end by one of the signals of
 * a crash adds to the row; any other end of one that counts, whatever its exit status, makes the row empty.
 * SIGTERM, SIGKILL and others that are sent to end a program are neither: they say nothing about it.
 *
 * Taking back is an unlink(): no program has to be started for it. */
#include "cli/host/watch.h"

#include "cli/host/place.h"
#include "pool/rules/host_wide.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { PID_MOST = 1 << 22, LOOK_EVERY_S = 1, READY_TRIES = 100 };

/* PROC_EVENT_... as numbers: they moved into an enum of their own in Linux 6.6's headers. */
enum { EVENT_FORK = 0x1, EVENT_EXEC = 0x2, EVENT_EXIT = (int)0x80000000 };

/* By pid. */
struct pids {
	unsigned char bits[PID_MOST / 8];
};

struct watch {
	int fd, row;
	char namespace[64];   /* of our mounts, as a link of /proc names it */
	struct pids insiders; /* what sees the same /etc */
	struct pids counting;
};

bool watch_is_crash(int signal)
{
	return signal == SIGILL || signal == SIGTRAP || signal == SIGABRT || signal == SIGBUS ||
	       signal == SIGFPE || signal == SIGSEGV || signal == SIGSYS;
}

static bool has(const struct pids *pids, int pid)
{
	return pid > 0 && pid < PID_MOST && pids->bits[pid / 8] & 1 << pid % 8;
}

static void put(struct pids *pids, int pid, bool on)
{
	if (pid <= 0 || pid >= PID_MOST)
		return;
	if (on)
		pids->bits[pid / 8] |= (unsigned char)(1 << pid % 8);
	else
		pids->bits[pid / 8] &= (unsigned char)~(1 << pid % 8);
}

static bool mounts_of(int pid, char *out, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	ssize_t length = readlink(path, out, size - 1);
	out[length > 0 ? length : 0] = '\0';
	return length > 0;
}

/* One that is gone already, or was not to be looked at, is what its parent was. */
static void look_at_mounts(struct watch *watch, int pid)
{
	char mounts[64];

	if (mounts_of(pid, mounts, sizeof(mounts)))
		put(&watch->insiders, pid, !strcmp(mounts, watch->namespace));
}

static void look_at_all(struct watch *watch)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;

	while (folder && (entry = readdir(folder)))
		if (isdigit((unsigned char)*entry->d_name))
			look_at_mounts(watch, atoi(entry->d_name));
	if (folder)
		closedir(folder);
}

static void take_back(void)
{
	char when[32] = "";
	time_t now = time(NULL);
	struct tm utc;
	FILE *note;

	place_turn_off();
	if (gmtime_r(&now, &utc))
		strftime(when, sizeof(when), "%FT%TZ", &utc);
	note = fopen(TAKEN_BACK, "we");
	if (note) {
		fprintf(note, "%s: %d programs in a row died by a signal\n", when, WATCH_DEATHS);
		fclose(note);
	}
	openlog("headroom", LOG_PID, LOG_DAEMON);
	syslog(LOG_CRIT, "%d programs in a row died by a signal: the shim was taken out of " LOADER_FILE,
	       WATCH_DEATHS);
}

/* Return: false when there is nothing more to watch. */
static bool see_end(struct watch *watch, int pid, unsigned status)
{
	int signal = (int)(status & 0x7f);

	bool counts = has(&watch->counting, pid);

	put(&watch->insiders, pid, false);
	put(&watch->counting, pid, false);
	if (!counts)
		return true;
	if (!signal)
		watch->row = 0;
	else if (watch_is_crash(signal))
		watch->row++;
	if (watch->row < WATCH_DEATHS)
		return true;
	take_back();
	return false;
}

static void see_fork(struct watch *watch, int parent, int child)
{
	put(&watch->insiders, child, has(&watch->insiders, parent));
	put(&watch->counting, child, has(&watch->counting, parent));
}

static void see_exec(struct watch *watch, int pid)
{
	look_at_mounts(watch, pid);
	put(&watch->counting, pid, has(&watch->insiders, pid));
}

static bool see(struct watch *watch, const struct proc_event *event)
{
	switch ((int)event->what) {
	case EVENT_FORK:
		if (event->event_data.fork.child_pid == event->event_data.fork.child_tgid)
			see_fork(watch, event->event_data.fork.parent_tgid, event->event_data.fork.child_pid);
		return true;
	case EVENT_EXEC:
		see_exec(watch, event->event_data.exec.process_tgid);
		return true;
	case EVENT_EXIT:
		return event->event_data.exit.process_pid != event->event_data.exit.process_tgid ||
		       see_end(watch, event->event_data.exit.process_pid, event->event_data.exit.exit_code);
	default:
		return true;
	}
}

static bool see_all(struct watch *watch, const char *buffer, size_t length)
{
	const struct nlmsghdr *message = (const void *)buffer;

	for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
		const struct cn_msg *said = NLMSG_DATA(message);
		struct proc_event event;
		if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*said) + sizeof(event)) ||
		    said->id.idx != CN_IDX_PROC)
			continue;
		memcpy(&event, said->data, sizeof(event));
		if (!see(watch, &event))
			return false;
	}
	return true;
}

static bool subscribe(struct watch *watch)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC };
	struct timeval patience = { .tv_sec = LOOK_EVERY_S };
	int room = 4 << 20;
	enum proc_cn_mcast_op what = PROC_CN_MCAST_LISTEN;
	struct nlmsghdr head = { .nlmsg_type = NLMSG_DONE };
	struct cn_msg message = { .id = { CN_IDX_PROC, CN_VAL_PROC }, .len = sizeof(what) };
	char order[sizeof(head) + sizeof(message) + sizeof(what)];

	head.nlmsg_len = sizeof(order);
	memcpy(order, &head, sizeof(head));
	memcpy(order + sizeof(head), &message, sizeof(message));
	memcpy(order + sizeof(head) + sizeof(message), &what, sizeof(what));
	watch->fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR);
	if (watch->fd < 0)
		return false;
	setsockopt(watch->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(watch->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return !bind(watch->fd, (const struct sockaddr *)&address, sizeof(address)) &&
	       send(watch->fd, order, sizeof(order), 0) == (ssize_t)sizeof(order);
}

/* In a pid namespace of a container nothing is told, and no error either: so the first event is provoked. */
static bool is_told(const struct watch *watch)
{
	char buffer[8192];
	pid_t child = fork();

	if (!child)
		_exit(0);
	if (child < 0)
		return false;
	waitpid(child, NULL, 0);
	for (int tries = 0; tries < READY_TRIES; tries++) {
		ssize_t length = recv(watch->fd, buffer, sizeof(buffer), 0);
		if (length < 0)
			return false;
		struct proc_event event;
		memcpy(&event, buffer + NLMSG_LENGTH(sizeof(struct cn_msg)), sizeof(event));
		if ((int)event.what == EVENT_FORK || (int)event.what == EVENT_EXIT)
			return true;
	}
	return false;
}

static bool say_ready(void)
{
	FILE *file = fopen(WATCHER_FILE ".new", "we");

	if (!file)
		return false;
	fprintf(file, "%d\n", getpid());
	return !fclose(file) && !rename(WATCHER_FILE ".new", WATCHER_FILE);
}

/* Looked at once a second, also while programs end all the time. */
static bool is_over(time_t *looked)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec < *looked + LOOK_EVERY_S)
		return false;
	*looked = now.tv_sec;
	return access(HOST_INCLUDE, F_OK) != 0;
}

bool watch_run(char *reason, size_t size)
{
	static struct watch watch;
	time_t looked = 0;
	char buffer[8192];

	if (!subscribe(&watch) || !is_told(&watch) ||
	    !mounts_of(getpid(), watch.namespace, sizeof(watch.namespace))) {
		snprintf(reason, size,
			 "the kernel does not tell here how programs end (CONFIG_PROC_EVENTS, in a "
			 "container)");
		return false;
	}
	look_at_all(&watch);
	if (!say_ready()) {
		snprintf(reason, size, WATCHER_FILE ": %s", strerror(errno));
		return false;
	}
	for (;;) {
		ssize_t length = recv(watch.fd, buffer, sizeof(buffer), 0);
		/* Some were missed: what is left tells enough. */
		if (length < 0 && errno != EAGAIN && errno != ENOBUFS && errno != EINTR) {
			snprintf(reason, size, "%s", strerror(errno));
			return false;
		}
		if (length > 0 && !see_all(&watch, buffer, (size_t)length))
			return true;
		if (is_over(&looked))
			return true;
	}
}

int watch_pid(void)
{
	FILE *file = fopen(WATCHER_FILE, "re");
	int pid = 0;

	if (file && fscanf(file, "%d", &pid) != 1)
		pid = 0;
	if (file)
		fclose(file);
	return pid > 0 && (!kill(pid, 0) || errno == EPERM) ? pid : 0;
}
