// SPDX-License-Identifier: Apache-2.0
/* process_table - which process holds a socket. */
#include "pool/ports/process_table.h"

#include "pool/base/printable.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int by_inode(const void *a, const void *b)
{
	const struct wanted_socket *x = a, *y = b;
	return (x->inode > y->inode) - (x->inode < y->inode);
}

/* What cannot be shown as it is becomes a question mark: such a name stays a name of 15 bytes. */
static void copy_name(const char *from, char *to)
{
	char shown[PRINTABLE_MAX];

	while (*from) {
		const char *start = from;
		printable_next(&from, shown);
		if (strncmp(shown, start, strlen(shown))) {
			*to++ = '?';
			continue;
		}
		memcpy(to, start, (size_t)(from - start));
		to += from - start;
	}
	*to = '\0';
}

static void read_name(int proc, const char *pid, char *name, size_t size)
{
	char path[NAME_MAX + 8], raw[16] = "";

	snprintf(path, sizeof(path), "%s/comm", pid);
	int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, raw, sizeof(raw) - 1);
	if (fd >= 0)
		close(fd);
	raw[got > 0 ? got : 0] = '\0';
	if (got > 0 && raw[got - 1] == '\n')
		raw[got - 1] = '\0';
	copy_name(*raw && sizeof(raw) <= size ? raw : "?", name);
}

/* What is looked for are listeners, mostly, which programs open first. So the first fds of all processes are
 * looked at before the many fds of any one: /proc/PID/fd lists them in order (proc_readfd_common(),
 * fs/proc/fd.c). */
enum { FIRST_FDS = 64 };
enum round { FIRST_ONES, THE_OTHERS };

struct search {
	enum round round;
	struct wanted_socket *wanted;
	size_t count, left; /* left: not found yet */
	process_visitor *visit;
	void *context;
};

/* Several wanted sockets may be one, under different tags. */
static void take_socket(struct search *search, uint32_t inode, struct process *process, int proc,
			const char *pid)
{
	struct wanted_socket key = { .inode = inode };
	struct wanted_socket *hit =
		bsearch(&key, search->wanted, search->count, sizeof(*search->wanted), by_inode);

	if (!hit)
		return;
	while (hit > search->wanted && hit[-1].inode == inode)
		hit--;
	for (; hit < search->wanted + search->count && hit->inode == inode; hit++) {
		if (hit->found)
			continue;
		if (!*process->name)
			read_name(proc, pid, process->name, sizeof(process->name));
		hit->found = true;
		hit->pid = process->pid;
		search->left--;
		search->visit(process, hit, search->context);
	}
}

static bool look_at_process(struct search *search, int proc, const char *pid)
{
	struct process process = { .pid = atoi(pid) };
	char path[NAME_MAX + 8], link[64];
	const struct dirent *entry;

	snprintf(path, sizeof(path), "%s/fd", pid);
	int fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno != EACCES && errno != EPERM; /* it may have ended */
	DIR *fds = fdopendir(fd);
	if (!fds) {
		close(fd);
		return false;
	}
	while (search->left && (entry = readdir(fds))) {
		/* By its number, not its place: the process may close some between the rounds. In ascending
		 * order. */
		int number = atoi(entry->d_name);
		if (number >= FIRST_FDS && search->round == FIRST_ONES)
			break;
		if (number < FIRST_FDS && search->round == THE_OTHERS)
			continue;
		ssize_t length = readlinkat(fd, entry->d_name, link, sizeof(link) - 1);
		if (length <= 8 || strncmp(link, "socket:[", 8)) {
			/* The first refusal stands for all: the folder can be listed, its links not read.
			 * Those of a process that has ended meanwhile are refused, too (proc_pid_readlink(),
			 * fs/proc/base.c).
			 */
			if (length < 0 && errno == EACCES) {
				closedir(fds);
				return faccessat(proc, pid, F_OK, 0);
			}
			continue;
		}
		link[length] = '\0';
		take_socket(search, (uint32_t)strtoul(link + 8, NULL, 10), &process, proc, pid);
	}
	closedir(fds);
	return true;
}

int process_table_find(struct wanted_socket *wanted, size_t count, struct process_search *result,
		       process_visitor *visit, void *context)
{
	struct search search = { .wanted = wanted, .count = count, .visit = visit, .context = context };
	const struct dirent *entry;

	*result = (struct process_search){ 0 };
	if (count) /* qsort() may not be given NULL */
		qsort(wanted, count, sizeof(*wanted), by_inode);
	while (search.count && !search.wanted->inode)
		search.wanted++, search.count--;
	if (!search.count)
		return 0;
	for (size_t i = 0; i < search.count; i++)
		search.left += !search.wanted[i].found;
	if (!search.left)
		return 0;
	DIR *proc = opendir("/proc");
	if (!proc)
		return -errno;
	for (search.round = FIRST_ONES; search.left && search.round <= THE_OTHERS; search.round++) {
		result->refused = 0;
		rewinddir(proc);
		while (search.left && (entry = readdir(proc)))
			if (isdigit((unsigned char)*entry->d_name) &&
			    !look_at_process(&search, dirfd(proc), entry->d_name))
				result->refused++;
	}
	closedir(proc);
	for (size_t i = 0; i < search.count; i++)
		result->missing += !search.wanted[i].found &&
				   (!i || search.wanted[i - 1].inode != search.wanted[i].inode);
	return 0;
}
