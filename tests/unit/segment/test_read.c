// SPDX-License-Identifier: Apache-2.0
/* test_read - what is taken for a usage segment, and what follows from its numbers. */
#include "pool/base/clock.h"
#include "pool/base/kernel.h"
#include "pool/segment/entry.h"
#include "pool/segment/identity.h"
#include "pool/segment/read.h"
#include "tests/unit/check.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TICK(n) ((uint64_t)(n) << 32)

static struct arena arena;
static struct usage_segment segment;
static char reason[REASON_MAX];

static void make(void)
{
	memset(&segment, 0, sizeof(segment));
	segment.header = (struct usage_header){ .magic = USAGE_MAGIC,
						.version = USAGE_VERSION,
						.complete = 1,
						.header_size = sizeof(struct usage_header),
						.event_size = sizeof(struct usage_event),
						.entry_size = sizeof(struct usage_entry),
						.event_count = USAGE_EVENTS,
						.entry_count = USAGE_ENTRIES,
						.entries_used = 2,
						.range_low = 40000,
						.range_high = 40999,
						.name = "client" };
	segment.entries[1] = (struct usage_entry){ .first_ns = TICK(100), .to = at("10.0.0.9:80") };
}

static bool read_it(struct usage *usage)
{
	return usage_read_buffer(&arena, &segment, sizeof(segment), usage, reason);
}

Test(usage_read, a_good_one)
{
	struct usage usage;
	make();
	check(read_it(&usage));
	check_number(usage.entry_count, 1);
	check_number(usage.entries[0].to.port, 80);
	usage_free(&arena, &usage);
}

struct change {
	size_t offset;
	uint32_t value;
	const char *reason;
};

ParameterizedTestParameters(usage_read, others_are_refused)
{
	static struct change changes[] = {
		{ offsetof(struct usage_header, magic), 1, "is no usage segment" },
		{ offsetof(struct usage_header, version), 2,
		  "is of version 2; this headroom reads version 1" },
		{ offsetof(struct usage_header, complete), 0, "was never completed" },
		{ offsetof(struct usage_header, entry_size), 8,
		  "says it is made otherwise than its version is" },
		{ offsetof(struct usage_header, entries_used), 513,
		  "says it holds more entries than there is room for" },
	};
	return cr_make_param_array(struct change, changes, sizeof(changes) / sizeof(changes[0]));
}

ParameterizedTest(struct change *c, usage_read, others_are_refused)
{
	struct usage usage;
	make();
	memcpy((char *)&segment + c->offset, &c->value, sizeof(c->value));
	check(!read_it(&usage));
	check(strstr(reason, "segment") || strstr(reason, "version") || strstr(reason, "complete") ||
	      strstr(reason, "entries"));
}

Test(usage_read, one_cut_short_is_refused)
{
	struct usage usage;
	make();
	size_t needed = offsetof(struct usage_segment, entries) + 2 * sizeof(struct usage_entry);
	check(usage_read_buffer(&arena, &segment, needed, &usage, reason));
	check(!usage_read_buffer(&arena, &segment, needed - 1, &usage, reason));
	check(!usage_read_buffer(&arena, &segment, 0, &usage, reason));
}

Test(usage_read, text_is_made_harmless)
{
	struct usage usage;
	make();
	memcpy(segment.header.name, "a\033[2Jb\377", 8);
	memset(segment.header.command, 'x', sizeof(segment.header.command));
	check(read_it(&usage));
	check(!strcmp(usage.header.name, "a?[2Jb?"));
	check_number(strlen(usage.header.command), USAGE_COMMAND_MAX - 1);
}

Test(usage_read, an_impossible_range_is_none)
{
	struct usage usage;
	make();
	segment.header.range_high = 70000;
	check(read_it(&usage));
	check_number(usage.header.range_high, 0);
}

Test(usage_read, events_are_taken_oldest_first_and_whole)
{
	struct usage usage;
	make();
	segment.header.events_written = USAGE_EVENTS + 2;
	for (unsigned n = 2; n < USAGE_EVENTS + 2; n++)
		segment.events[n % USAGE_EVENTS] =
			(struct usage_event){ .sequence = 2 * n + 2, .repeats = n };
	segment.events[5].sequence++; /* being written */
	segment.events[6].kind = USAGE_EVENT_KINDS;
	check(read_it(&usage));
	check_number(usage.event_count, USAGE_EVENTS - 2);
	check_number(usage.events[0].repeats, 2);
	check_number(usage.events[USAGE_EVENTS - 3].repeats, USAGE_EVENTS + 1);
}

Test(usage_read, time_waits_end_after_60_s)
{
	struct usage_entry entry = { .tick = 100 };
	entry.time_wait[100 % USAGE_TIME_WAIT_BUCKETS] = 7;
	entry.time_wait[86 % USAGE_TIME_WAIT_BUCKETS] = 2;
	check_number(usage_time_wait(&entry, TICK(100)), 9);
	check_number(usage_time_wait(&entry, TICK(101)), 7);
	check_number(usage_time_wait(&entry, TICK(114)), 7);
	check_number(usage_time_wait(&entry, TICK(115)), 0);
	/* In the first minute after boot there is nothing before tick 0. */
	struct usage_entry early = { .tick = 2 };
	early.time_wait[2] = 5;
	check_number(usage_time_wait(&early, TICK(2)), 5);
}

static struct usage_figures figures_of(struct usage_entry *entry, uint64_t now_ns, bool running)
{
	struct usage usage = { .running = running };
	struct usage_figures f;
	usage.header.range_low = 40000;
	usage.header.range_high = 40999;
	entry->to = at("10.0.0.9:80");
	usage_figures(&usage, entry, now_ns, &f);
	return f;
}

Test(usage_read, connections_that_stay_open_exhaust_the_ports)
{
	/* 100 open since the start of tick 100, two ticks of 4.3 s ago. */
	struct usage_entry entry = { .tick = 102, .first_ns = TICK(100), .open = 100 };
	struct usage_figures f = figures_of(&entry, TICK(102), true);
	check_number(f.headroom, 900);
	check(fabs(f.growth - 100 / 8.589934592) < 0.01);
	check(fabs(f.exhausted_in_s - 900 / f.growth) < 1);
}

Test(usage_read, time_waits_that_end_as_fast_as_others_begin_exhaust_nothing)
{
	struct usage_entry entry = { .tick = 120, .first_ns = TICK(10) };
	for (unsigned t = 105; t <= 120; t++)
		entry.time_wait[t % USAGE_TIME_WAIT_BUCKETS] = 40;
	struct usage_figures f = figures_of(&entry, TICK(121) - 1, true);
	check_number(f.in_use, 600);
	check(isinf(f.exhausted_in_s));
	/* Two times that are too many. */
	for (unsigned t = 116; t <= 120; t++)
		entry.time_wait[t % USAGE_TIME_WAIT_BUCKETS] = 80;
	f = figures_of(&entry, TICK(121) - 1, true);
	check(f.exhausted_in_s < 60);
}

Test(usage_read, of_an_ended_process_time_waits_are_in_use)
{
	struct usage_entry entry = { .tick = 100, .first_ns = TICK(90), .open = 10 };
	entry.time_wait[100 % USAGE_TIME_WAIT_BUCKETS] = 3;
	check_number(figures_of(&entry, TICK(100), false).in_use, 3);
	check_number(figures_of(&entry, TICK(100), true).in_use, 13);
	check_number(figures_of(&entry, TICK(120), false).in_use, 0);
}

/* As the writer's own count has it: pool/ledger/ledger.h. */
Test(usage_read, time_waits_count_as_the_sysctls_have_them)
{
	struct usage usage = { .header = { .time_wait_reuse = 1 } };
	struct usage_entry entry = { .tick = 100, .to = at("10.0.0.9:80") };
	entry.time_wait[100 % USAGE_TIME_WAIT_BUCKETS] = 30;
	entry.time_wait[98 % USAGE_TIME_WAIT_BUCKETS] = 5;
	check_number(usage_in_use(&usage, &entry, TICK(100)), 30);
	check_number(usage_in_use(&usage, &entry, TICK(101)), 0);
	usage.header.reuse_delay_ms = 10000;
	check_number(usage_in_use(&usage, &entry, TICK(100)), 35);
	check_number(usage_in_use(&usage, &entry, TICK(101)), 30);
	usage.header.time_wait_reuse = 0;
	usage.header.waits_bound = 20 + 1;
	check_number(usage_in_use(&usage, &entry, TICK(100)), 20);
}

Test(usage_read, the_start_is_field_22)
{
	check_number(usage_start_ticks("1 (a b) c) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 777 9 9"),
		     777);
	check_number(usage_start_ticks("1 (x"), 0);
	check_number(usage_start_ticks(""), 0);
}

/* As a forked child does that went round libc: it holds the lock of one whose pid may be another's by now. */
Test(usage_read, what_has_the_pid_and_began_later_is_another_process)
{
	char path[] = "/tmp/headroom-read-XXXXXX";
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = mkstemp(path);
	struct usage usage;

	make();
	segment.header.pid = (uint32_t)getpid();
	segment.header.pid_namespace = usage_namespace("/proc/self/ns/pid");
	check_number(fcntl(fd, F_OFD_SETLK, &lock), 0);
	for (int i = 0; i < 3; i++) {
		const uint64_t began_ns[] = { clock_read_ns(CLOCK_BOOTTIME), 1, 0 };
		segment.header.started_boot_ns = began_ns[i];
		check_number(pwrite(fd, &segment, sizeof(segment), 0), sizeof(segment));
		check_number(usage_read_file(&arena, AT_FDCWD, path, geteuid(), &usage, reason), 0);
		check_number(usage.running, began_ns[i] != 1);
		usage_free(&arena, &usage);
	}
	close(fd);
	unlink(path);
}

static struct usage_segment *shared;
static atomic_bool over;

static void *write_on(void *argument)
{
	struct usage_entry *entry = &shared->entries[1];

	while (!atomic_load(&over)) {
		usage_begin(entry);
		USAGE_ADD(entry->opened, 1);
		USAGE_ADD(entry->reuse_retired[7], 1);
		usage_end(entry);
		for (volatile int i = 0; i < 1000; i++)
			;
	}
	return argument;
}

Test(usage_read, no_torn_entry_is_taken_for_whole)
{
	char folder[] = "/dev/shm/headroom-unit-XXXXXX", name[] = "00000000000.1.00000000";
	struct usage usage;
	unsigned whole = 0;
	pthread_t writer;

	kernel = kernel_real;
	if (!mkdtemp(folder))
		cr_skip_test("no /dev/shm");
	int directory = open(folder, O_RDONLY | O_DIRECTORY);
	int fd = openat(directory, name, O_RDWR | O_CREAT, 0400);
	make();
	check_number(write(fd, &segment, sizeof(segment)), sizeof(segment));
	shared = mmap(NULL, sizeof(segment), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(shared != MAP_FAILED);
	pthread_create(&writer, NULL, write_on, NULL);
	for (int i = 0; i < 20000 || !whole; i++) {
		check_number(usage_read_file(&arena, directory, name, geteuid(), &usage, reason), 0);
		if (!usage.torn)
			check_number(usage.entries[0].opened, usage.entries[0].reuse_retired[7]);
		whole += !usage.torn;
		usage_free(&arena, &usage);
	}
	atomic_store(&over, true);
	pthread_join(writer, NULL);
	unlinkat(directory, name, 0);
	rmdir(folder);
}
