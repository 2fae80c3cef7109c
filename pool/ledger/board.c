// SPDX-License-Identifier: Apache-2.0
/* board - what processes of one user tell each other at once: which tuple spaces are past the knee. */
#include "pool/ledger/board.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define NAME "/board"

enum { FILE_SIZE = BOARD_ROWS * sizeof(struct board_row) };

static uint64_t network_of(const struct usage_writer *writer)
{
	return writer->segment ? writer->segment->header.network_cookie : writer->network_cookie;
}

bool board_is_there(const struct board *board)
{
	const struct usage_writer *writer = board->writer;

	return writer->place && !writer->frozen &&
	       (writer->state == USAGE_WRITING || writer->state == USAGE_WAITING) && network_of(writer);
}

/* FNV-1a, by words. */
static uint64_t sum_of(const struct board_row *row)
{
	uint64_t words[sizeof(*row) / sizeof(uint64_t)], sum = 14695981039346656037u;

	memcpy(words, row, sizeof(*row));
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]) - 1; i++)
		sum = (sum ^ words[i]) * 1099511628211u;
	return sum;
}

static bool is_valid(const struct board_row *row, uint64_t now_ns)
{
	/* Nothing is past the knee for as long as that: another clock, from before a boot. */
	return row->until_ns > now_ns && row->until_ns - now_ns < 60000000000ull && row->sum == sum_of(row);
}

uint64_t board_until(const struct board *board, const struct endpoint *to, const struct address *source,
		     uint64_t now_ns)
{
	for (unsigned i = 0; board->filled && i < BOARD_ROWS; i++) {
		const struct board_row *row = &board->rows[i];
		if (row->until_ns > now_ns && endpoint_equal(&row->to, to) &&
		    (address_is_unset(source) || address_equal(&row->source, source)))
			return row->until_ns;
	}
	return 0;
}

/* Room for the rows, and for the path behind them. The lock is held. Return: false without memory. */
static bool has_room(struct board *board)
{
	if (!board->rows) {
		size_t length = strlen(board->writer->place);
		board->rows = arena_alloc(board->arena, FILE_SIZE + length + sizeof(NAME));
		if (board->rows) {
			char *path = (char *)(board->rows + BOARD_ROWS);
			memcpy(path, board->writer->place, length);
			memcpy(path + length, NAME, sizeof(NAME));
		}
	}
	return board->rows;
}

static bool may_be_written(void)
{
	struct rlimit limit;

	/* A write past it raises SIGXFSZ (setrlimit(2)). */
	return kernel_syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit, 0, 0) == 0 &&
	       (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= FILE_SIZE);
}

/* Only a file of this user alone is believed: the place of it is named, not held open. */
static long open_file(const char *path, int flags)
{
	struct stat st;

	long fd = kernel_private_fd(
		kernel.openat(AT_FDCWD, path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600));
	if (fd < 0)
		return fd;
	if (kernel.fstat((int)fd, &st) || !S_ISREG(st.st_mode) || st.st_mode & (S_IRWXG | S_IRWXO) ||
	    st.st_uid != (uid_t)kernel_syscall(SYS_geteuid, 0, 0, 0, 0, 0, 0)) {
		kernel.close((int)fd);
		return -1;
	}
	return fd;
}

static const char *path_of(const struct board_row *rows)
{
	return (const char *)(rows + BOARD_ROWS);
}

/* What is not valid is cleared. Return: is there a row left? */
static bool take_rows(struct board_row *rows, uint64_t network, uint64_t now_ns)
{
	bool filled = false;

	for (unsigned i = 0; i < BOARD_ROWS; i++) {
		if (rows[i].network == network && is_valid(&rows[i], now_ns))
			filled = true;
		else
			rows[i].until_ns = 0;
	}
	return filled;
}

COLD bool board_has_rows(const char *place, uint64_t network, uint64_t now_ns)
{
	struct board_row rows[BOARD_ROWS] = { 0 };
	char path[USAGE_PATH_MAX + sizeof(NAME)];

	snprintf(path, sizeof(path), "%s%s", place, NAME);
	long fd = open_file(path, O_RDONLY);
	if (fd < 0)
		return false;
	kernel_syscall(SYS_pread64, fd, (long)rows, FILE_SIZE, 0, 0, 0);
	kernel.close((int)fd);
	return take_rows(rows, network, now_ns);
}

/* The rows are this thread's until end_reading(). Return: NULL if there is nothing to read now. */
static struct board_row *begin_reading(struct board *board, const struct held *held, uint64_t now_ns)
{
	struct board_row *rows = NULL;

	if (!lock_enter_held(board->lock, held))
		return NULL;
	if (!board->reading && board->until_ns <= now_ns && board_is_there(board) && has_room(board)) {
		rows = board->rows;
		board->reading = true;
		board->filled = false;
		board->until_ns = now_ns + BOARD_EVERY_MS * 1000000ull;
	}
	lock_leave(board->lock);
	return rows;
}

COLD void board_refresh(struct board *board, const struct held *held, uint64_t now_ns)
{
	struct board_row *rows = begin_reading(board, held, now_ns);
	long got = 0;

	if (!rows)
		return;
	long fd = open_file(path_of(rows), O_RDONLY);
	if (fd >= 0) {
		got = kernel_syscall(SYS_pread64, fd, (long)rows, FILE_SIZE, 0, 0, 0);
		kernel.close((int)fd);
	}
	if (!lock_enter_held(board->lock, held))
		return;
	board->reading = false;
	if (got < FILE_SIZE)
		memset((char *)rows + (got > 0 ? got : 0), 0, (size_t)(FILE_SIZE - (got > 0 ? got : 0)));
	board->filled = take_rows(rows, network_of(board->writer), now_ns);
	lock_leave(board->lock);
}

/* The row of the same tuple space, or one that is over, or any. */
static unsigned place_for(int fd, const struct board_row *row, uint64_t now_ns)
{
	unsigned place = (unsigned)(row->sum % BOARD_ROWS);
	struct board_row there;

	for (unsigned i = 0, n = place; i < BOARD_ROWS; i++, n = (n + 1) % BOARD_ROWS) {
		long got = kernel_syscall(SYS_pread64, fd, (long)&there, sizeof(there),
					  (long)(n * sizeof(there)), 0, 0);
		bool over = got < (long)sizeof(there) || !is_valid(&there, now_ns);
		if (!over && there.network == row->network && endpoint_equal(&there.to, &row->to) &&
		    address_equal(&there.source, &row->source))
			return n;
		if (over)
			place = n;
	}
	return place;
}

COLD void board_put(struct board *board, const struct held *held, const struct endpoint *to,
		    const struct address *source, uint64_t until_ns, uint64_t now_ns)
{
	struct board_row row = { .until_ns = until_ns, .to = *to, .source = *source };
	const struct board_row *rows = NULL;

	if (!lock_enter_held(board->lock, held))
		return;
	if (board_is_there(board) && has_room(board)) {
		rows = board->rows;
		row.network = network_of(board->writer);
	}
	lock_leave(board->lock);
	if (!rows || !may_be_written())
		return;
	row.sum = sum_of(&row);
	long fd = open_file(path_of(rows), O_RDWR | O_CREAT);
	if (fd < 0)
		return;
	long at = (long)(place_for((int)fd, &row, now_ns) * sizeof(row));
	kernel_syscall(SYS_pwrite64, fd, (long)&row, sizeof(row), at, 0, 0);
	kernel.close((int)fd);
}
