// SPDX-License-Identifier: Apache-2.0
/* test_ring - a file that keeps the newest records, whatever was being written when the machine stopped. */
#include "cli/history/ring.h"
#include "tests/unit/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static char path[64];

static void set_up(void)
{
	snprintf(path, sizeof(path), "/tmp/headroom-ring-%d", getpid());
	unlink(path);
}

static void tear_down(void)
{
	unlink(path);
}

/* Each record is its number, and so many bytes more. */
static void append(struct ring *ring, uint32_t number, size_t more)
{
	static uint32_t data[RING_RECORD_MAX / 4];

	memset(data, 0xee, sizeof(data));
	data[0] = number;
	check_number(ring_append(ring, data, sizeof(number) + more), 0);
}

struct seen {
	uint32_t numbers[4000];
	unsigned count;
};

static void see(const void *data, size_t size, void *context)
{
	struct seen *seen = context;

	check(size >= sizeof(*seen->numbers) && !((uintptr_t)data % 8) && seen->count < 4000);
	memcpy(&seen->numbers[seen->count++], data, sizeof(*seen->numbers));
}

static struct seen *read_all(void)
{
	static struct seen seen;

	seen.count = 0;
	check_number(ring_read(path, see, &seen), 0);
	return &seen;
}

static void check_run(const struct seen *seen, uint32_t first, uint32_t last)
{
	check_number(seen->count, last - first + 1);
	for (unsigned i = 0; i < seen->count; i++)
		check_number(seen->numbers[i], first + i);
}

static void scribble(off_t at, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY);

	check_number(pwrite(fd, bytes, size, at), (ssize_t)size);
	close(fd);
}

TestSuite(ring, .init = set_up, .fini = tear_down);

Test(ring, it_gives_back_what_was_written_and_goes_on_after_a_restart)
{
	struct ring ring;

	for (uint32_t i = 0; i < 10; i++) {
		check_number(ring_open(&ring, path, RING_LEAST), 0);
		append(&ring, i, i * 3);
		ring_close(&ring);
	}
	check_run(read_all(), 0, 9);
}

Test(ring, it_does_not_grow_and_the_oldest_make_room)
{
	struct ring ring;
	struct stat st;

	check_number(ring_open(&ring, path, RING_LEAST), 0);
	for (uint32_t i = 0; i < 3000; i++)
		append(&ring, i, 700 + i % 5);
	ring_close(&ring);
	check(!stat(path, &st));
	check_number(st.st_size, RING_LEAST);
	const struct seen *seen = read_all();
	check(seen->count > RING_LEAST / 740 - 3);
	check_run(seen, 3000 - seen->count, 2999);
	check_number(ring_open(&ring, path, RING_LEAST * 4), 0);
	append(&ring, 3000, 700);
	ring_close(&ring);
	seen = read_all();
	check_number(seen->numbers[seen->count - 1], 3000);
	check(!stat(path, &st));
	check_number(st.st_size, RING_LEAST);
}

Test(ring, a_torn_record_is_passed_over_and_the_others_are_there)
{
	struct ring ring;
	uint64_t at[5];

	check_number(ring_open(&ring, path, RING_LEAST), 0);
	for (uint32_t i = 0; i < 5; i++) {
		at[i] = ring.at;
		append(&ring, i, 200);
	}
	ring_close(&ring);
	scribble((off_t)at[2] + 100, "torn", 4);
	const struct seen *seen = read_all();
	check_number(seen->count, 4);
	check_number(seen->numbers[1], 1);
	check_number(seen->numbers[2], 3);
	/* The last one: it is written over. */
	scribble((off_t)at[4] + 100, "torn", 4);
	check_number(ring_open(&ring, path, RING_LEAST), 0);
	check_number(ring.at, at[4]);
	append(&ring, 9, 200);
	ring_close(&ring);
	seen = read_all();
	check_number(seen->count, 4);
	check_number(seen->numbers[3], 9);
}

Test(ring, a_file_that_was_cut_off_has_what_is_left)
{
	struct ring ring;

	check_number(ring_open(&ring, path, RING_LEAST), 0);
	for (uint32_t i = 0; i < 5; i++)
		append(&ring, i, 200);
	uint64_t end = ring.at;
	ring_close(&ring);
	check(!truncate(path, (off_t)end - 20));
	check_run(read_all(), 0, 3);
}

/* A record that holds whole records, as an earlier lap left them behind its end. */
Test(ring, what_looks_like_a_record_inside_of_one_is_none)
{
	struct ring ring;
	static char bytes[2048];

	check_number(ring_open(&ring, path, RING_LEAST), 0);
	uint64_t at = ring.at;
	append(&ring, 77, 100);
	ring_close(&ring);
	int fd = open(path, O_RDONLY);
	check(pread(fd, bytes + 8, 200, (off_t)at) == 200);
	close(fd);
	check_number(ring_open(&ring, path, RING_LEAST), 0);
	check_number(ring_append(&ring, bytes, sizeof(bytes)), 0);
	ring_close(&ring);
	const struct seen *seen = read_all();
	check_number(seen->count, 2);
	check_number(seen->numbers[0], 77);
	check_number(seen->numbers[1], 0);
}

Test(ring, only_one_writes)
{
	struct ring ring, other;

	check_number(ring_open(&ring, path, RING_LEAST), 0);
	check_number(ring_open(&other, path, RING_LEAST), -EWOULDBLOCK);
	append(&ring, 1, 0);
	check_run(read_all(), 1, 1);
	ring_close(&ring);
}

Test(ring, what_is_no_history_is_left_as_it_is)
{
	struct ring ring;
	struct seen seen = { .count = 0 };
	char link[96];

	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	check(write(fd, "precious", 8) == 8);
	close(fd);
	check_number(ring_open(&ring, path, RING_LEAST), -EINVAL);
	check_number(ring_read(path, see, &seen), -EINVAL);
	fd = open(path, O_RDONLY);
	char text[9] = "";
	check(read(fd, text, 8) == 8);
	close(fd);
	check_text(text, "precious");
	check_number(ring_open(&ring, "/dev/null", RING_LEAST), -EINVAL);
	snprintf(link, sizeof(link), "%s-link", path);
	check(!symlink(path, link));
	check_number(ring_open(&ring, link, RING_LEAST), -ELOOP);
	unlink(link);
	check_number(ring_read("/nonexistent/history", see, &seen), -ENOENT);
}

Test(ring, a_record_that_is_too_long_is_refused)
{
	struct ring ring;
	static char data[RING_RECORD_MAX];

	check_number(ring_open(&ring, path, RING_LEAST), 0);
	check_number(ring_append(&ring, data, sizeof(data)), -EMSGSIZE);
	append(&ring, 1, RING_RECORD_MAX - 48);
	append(&ring, 2, RING_RECORD_MAX - 48);
	append(&ring, 3, RING_RECORD_MAX - 48);
	ring_close(&ring);
	check_run(read_all(), 3, 3);
}
