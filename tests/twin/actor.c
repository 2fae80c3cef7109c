/* SPDX-License-Identifier: Apache-2.0 */
/* actor - runs a program of the tester and leaves its trace: see actor.h and README.md.
 *
 * usage: actor --operations
 *        actor TRACE PROGRAM LOW-HIGH[p] [STRAND BLOCK SLOTS]
 * LOW-HIGH is the ephemeral range, p: the parity of what connect() picks is known. The last three are the
 * actor's own, for a process that goes on with a block after exec.
 */
#include "actor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct slot slots[SLOTS];
struct shared *shared;
const char *actor_path, *trace_path, *program_path;
int range_low, range_high;
bool parity_is_known;
static const char *range_text;

void block_run(struct strand *strand, const struct block *block)
{
	for (int i = 0; i < block->count; i++) {
		const struct step *step = &block->steps[i];
		strand->at = i;
		if (strand->within) {
			say(strand, strand->within);
			say(strand, "/");
		}
		say_number(strand, i);
		say(strand, " ");
		say(strand, step->operation->name);
		step->operation->run(strand, step);
		say(strand, "\n");
	}
}

void slot_put(const struct step *step, int index, struct slot kind)
{
	static unsigned turns;

	kind.turn = __atomic_add_fetch(&turns, 1, __ATOMIC_RELAXED);
	slots[step->arguments[index].number] = kind;
}

void strand_name(char *name, const struct strand *strand)
{
	char number[16];
	snprintf(number, sizeof number, ".%d", strand->at);
	snprintf(name, STRAND_NAME, "%.40s%s", strand->page->name, number);
}

void continue_arguments(char **vector, const char *strand, const char *block)
{
	static __thread char list[SLOTS * 8];
	int length = 0;
	list[0] = '\0';
	for (int i = 0; i < SLOTS; i++)
		if (slots[i].fd >= 0)
			length += snprintf(list + length, sizeof list - (size_t)length, "%c%d,", 'a' + i,
					   slots[i].fd);
	char *arguments[] = { (char *)actor_path,
			      (char *)trace_path,
			      (char *)program_path,
			      (char *)range_text,
			      (char *)strand,
			      (char *)block,
			      list,
			      NULL };
	memcpy(vector, arguments, sizeof arguments);
}

/* What a number stands for; the same text for the same kind. */
static const char *kind_of(int fd)
{
	static const char *const kinds[3][4] = { { "file", "file-c", "file-n", "file-cn" },
						 { "socket", "socket-c", "socket-n", "socket-cn" },
						 { "other", "other-c", "other-n", "other-cn" } };
	char path[32], target[16];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	ssize_t size = readlink(path, target, sizeof target - 1);
	/* One of the shim's that it has closed meanwhile. */
	if (size < 0)
		return "";
	int kind = size > 0 && *target == '/' ? 0 : size > 0 && *target == 's' ? 1 : 2;
	return kinds[kind]
		    [(fcntl(fd, F_GETFD) & FD_CLOEXEC ? 1 : 0) | (fcntl(fd, F_GETFL) & O_NONBLOCK ? 2 : 0)];
}

/* What is open, by kind: the program's own and nothing else. */
void strand_end(struct strand *strand)
{
	char entries[1024];
	say(strand, "end fds");
	int folder = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0) {
		say_result(strand, -1);
		say(strand, "\n");
		return;
	}
	bool open_fds[1024] = { false };
	long length;
	while ((length = syscall(SYS_getdents64, folder, entries, sizeof entries)) > 0)
		for (long at = 0; at < length;) {
			const struct dirent64 *entry = (const void *)(entries + at);
			int fd = atoi(entry->d_name);
			if (*entry->d_name != '.' && fd != folder && fd < 1024)
				open_fds[fd] = true;
			at += entry->d_reclen;
		}
	close(folder);
	const char *before = "";
	for (int fd = 0; fd < 1024; fd++) {
		const char *kind = open_fds[fd] ? kind_of(fd) : "";
		/* Rows of the same kind are long at the limit of fds. */
		if (*kind && kind == before && (fd == 1023 || !open_fds[fd + 1] || kind_of(fd + 1) != kind)) {
			say(strand, "-");
			say_number(strand, fd);
		} else if (*kind && kind != before) {
			say(strand, " ");
			say(strand, kind);
			say(strand, "=");
			say_number(strand, fd);
		}
		before = kind;
	}
	say(strand, "\n");
}

static void open_trace(void)
{
	int fd = open(trace_path, O_RDWR | O_CLOEXEC);
	shared = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED) {
		perror(trace_path);
		exit(125);
	}
	close(fd);
}

int main(int count, char **vector)
{
	if (count == 2 && !strcmp(vector[1], "--operations")) {
		operations_print();
		return 0;
	}
	if (count != 4 && count != 7) {
		fprintf(stderr, "usage: actor TRACE PROGRAM LOW-HIGH[p]\n");
		return 125;
	}
	actor_path = vector[0];
	trace_path = vector[1];
	program_path = vector[2];
	range_text = vector[3];
	char *end;
	range_low = (int)strtol(range_text, &end, 10);
	range_high = (int)strtol(end + 1, &end, 10);
	parity_is_known = *end == 'p';
	for (int i = 0; i < SLOTS; i++)
		slots[i].fd = -1;
	open_trace();
	program_read(program_path);
	if (count == 7)
		for (char *at = vector[6]; *at; at = strchr(at, ',') + 1)
			slots[*at - 'a'].fd = atoi(at + 1);
	struct strand strand = strand_open(count == 7 ? vector[4] : "main");
	const struct block *block = block_find(count == 7 ? vector[5] : "main");
	if (!block)
		return 125;
	block_run(&strand, block);
	strand_end(&strand);
	return 0;
}
