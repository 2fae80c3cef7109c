// SPDX-License-Identifier: Apache-2.0
/* board - what processes of one user tell each other at once: past the knee, failing. */
#include "pool/ledger/board.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define NAME      "/board"
#define SECOND_NS 1000000000ull

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
	/* Nothing is believed for as long as that: another clock, from before a boot. */
	uint64_t most_ns = (row->kind == BOARD_FAILING ? BOARD_SELDOM_MOST_S : 60) * SECOND_NS;

	return row->until_ns > now_ns && row->until_ns - now_ns <= most_ns && row->sum == sum_of(row);
}

/* Over, and for how long it was believed still counts. */
static bool is_remembered(const struct board_row *row, uint64_t now_ns)
{
	return row->kind == BOARD_FAILING && row->until_ns <= now_ns &&
	       now_ns - row->until_ns < BOARD_SELDOM_MOST_S * SECOND_NS && row->sum == sum_of(row);
}

static const struct board_row *row_of(const struct board *board, enum board_kind kind,
				      const struct endpoint *to, const struct address *source,
				      uint64_t now_ns)
{
	for (unsigned i = 0; i < board->count; i++) {
		const struct board_row *row = &board->rows[i];
		if (row->until_ns > now_ns && row->kind == kind && endpoint_equal(&row->to, to) &&
		    (address_is_unset(source) || address_equal(&row->source, source)))
			return row;
	}
	return NULL;
}

uint64_t board_until(const struct board *board, const struct endpoint *to, const struct address *source,
		     uint64_t now_ns)
{
	const struct board_row *row = row_of(board, BOARD_PAST_KNEE, to, source, now_ns);
	return row ? row->until_ns : 0;
}

COLD bool board_failing(const struct board *board, const struct endpoint *to, const struct address *source,
			uint64_t now_ns)
{
	return row_of(board, BOARD_FAILING, to, source, now_ns);
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

static void take_rows(struct board *board, uint64_t network, uint64_t now_ns)
{
	struct board_row *rows = board->rows;

	board->count = 0;
	board->failing = board->recalls = false;
	for (unsigned i = 0; i < BOARD_ROWS; i++) {
		bool valid = is_valid(&rows[i], now_ns);
		if (rows[i].network != network || (!valid && !is_remembered(&rows[i], now_ns)))
			continue;
		board->failing |= valid && rows[i].kind == BOARD_FAILING;
		board->recalls |= !valid;
		rows[board->count++] = rows[i];
	}
}

COLD bool board_has_rows(const char *place, uint64_t network, uint64_t now_ns)
{
	struct board_row rows[BOARD_ROWS] = { 0 };
	struct board board = { .rows = rows };
	char path[USAGE_PATH_MAX + sizeof(NAME)];

	snprintf(path, sizeof(path), "%s%s", place, NAME);
	long fd = open_file(path, O_RDONLY);
	if (fd < 0)
		return false;
	kernel_syscall(SYS_pread64, fd, (long)rows, FILE_SIZE, 0, 0, 0);
	kernel.close((int)fd);
	take_rows(&board, network, now_ns);
	return board.count;
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
		board->count = 0;
		board->failing = board->recalls = false;
		board->until_ns = now_ns + BOARD_EVERY_MS * 1000000ull;
	}
	lock_leave(board->lock);
	return rows;
}

/* Mostly nobody has written one: then no memory is taken for it. */
static bool is_absent(struct board *board, const struct held *held, uint64_t now_ns)
{
	char path[USAGE_PATH_MAX + sizeof(NAME)];

	if (!lock_enter_held(board->lock, held))
		return true;
	bool unread = !board->rows && board->until_ns <= now_ns && board_is_there(board);
	if (unread) {
		size_t length = strlen(board->writer->place);
		memcpy(path, board->writer->place, length);
		memcpy(path + length, NAME, sizeof(NAME));
	}
	lock_leave(board->lock);
	if (!unread || !kernel_may_open() || kernel.access(path) != -ENOENT ||
	    !lock_enter_held(board->lock, held))
		return false;
	if (!board->reading)
		board->until_ns = now_ns + BOARD_EVERY_MS * 1000000ull;
	lock_leave(board->lock);
	return true;
}

COLD void board_refresh(struct board *board, const struct held *held, uint64_t now_ns)
{
	struct board_row *rows = is_absent(board, held, now_ns) ? NULL : begin_reading(board, held, now_ns);
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
	take_rows(board, network_of(board->writer), now_ns);
	lock_leave(board->lock);
}

static bool is_same(const struct board_row *a, const struct board_row *b)
{
	return a->network == b->network && a->kind == b->kind && endpoint_equal(&a->to, &b->to) &&
	       address_equal(&a->source, &b->source);
}

/* The row of the same, or the next that is over, from a place on that others hardly take at this moment, or
 * that place. @there: what is in it. The stack is the program's: a few are read at once. */
static unsigned place_for(int fd, const struct board_row *row, uint64_t now_ns, struct board_row *there)
{
	enum { AT_ONCE = 2 };
	unsigned begin = (unsigned)(row->to.port + row->source.v6.s6_addr[15]), nearest = BOARD_ROWS;
	struct board_row found[AT_ONCE];

	*there = (struct board_row){ 0 };
	for (unsigned n = 0; n < BOARD_ROWS; n++) {
		const struct board_row *at = &found[n % AT_ONCE];
		if (n % AT_ONCE == 0) {
			memset(found, 0, sizeof(found));
			kernel_syscall(SYS_pread64, fd, (long)found, sizeof(found), (long)(n * sizeof(*at)),
				       0, 0);
		}
		bool kept = is_valid(at, now_ns) || is_remembered(at, now_ns);
		if (kept && is_same(at, row)) {
			*there = *at;
			return n;
		}
		if (!kept && (n - begin) % BOARD_ROWS < nearest)
			nearest = (n - begin) % BOARD_ROWS;
	}
	return (begin + nearest) % BOARD_ROWS;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* How long a failure is believed, by what was there of it. Return: false if that goes on. */
static bool begin_failing(struct board_row *row, const struct board_row *before, uint64_t now_ns)
{
	uint64_t seconds = BOARD_FAILING_S;

	if (before->until_ns > now_ns)
		return false;
	if (before->until_ns) {
		uint64_t idle_s = (now_ns - before->until_ns) / SECOND_NS, twice = 2ull * before->believed_s;
		seconds = most(seconds, twice < BOARD_FAILING_MOST_S ? twice : BOARD_FAILING_MOST_S);
		seconds = most(seconds, most(before->believed_s, BOARD_PROBE_AFTER * idle_s));
	}
	row->believed_s = (uint32_t)(seconds < BOARD_SELDOM_MOST_S ? seconds : BOARD_SELDOM_MOST_S);
	row->until_ns = now_ns + row->believed_s * SECOND_NS;
	return true;
}

/* @served: its source works again: what is remembered of it goes */
static void write_row(const struct board_row *rows, struct board_row *row, bool served, uint64_t now_ns)
{
	static const struct board_row nothing;
	struct board_row there;

	if (!may_be_written())
		return;
	long fd = open_file(path_of(rows), O_RDWR | (served ? 0 : O_CREAT));
	if (fd < 0)
		return;
	/* Whatever the umask says. */
	kernel_syscall(SYS_fchmod, fd, 0600, 0, 0, 0, 0);
	long at = (long)(place_for((int)fd, row, now_ns, &there) * sizeof(*row));
	bool over = there.until_ns && there.until_ns <= now_ns;
	if (served ? over : row->kind != BOARD_FAILING || begin_failing(row, &there, now_ns)) {
		row->sum = sum_of(row);
		kernel_syscall(SYS_pwrite64, fd, (long)(served ? &nothing : row), sizeof(*row), at, 0, 0);
	}
	kernel.close((int)fd);
}

/* The lock is held. Return: NULL if there is nothing to write to. */
static const struct board_row *begin_writing(struct board *board, struct board_row *row)
{
	if (!board_is_there(board) || !has_room(board))
		return NULL;
	row->network = network_of(board->writer);
	return board->rows;
}

COLD void board_put(struct board *board, const struct held *held, const struct endpoint *to,
		    const struct address *source, uint64_t until_ns, uint64_t now_ns)
{
	struct board_row row = { .until_ns = until_ns, .to = *to, .source = *source };

	if (!lock_enter_held(board->lock, held))
		return;
	const struct board_row *rows = begin_writing(board, &row);
	lock_leave(board->lock);
	if (rows)
		write_row(rows, &row, false, now_ns);
}

static void note(struct board *board, const struct endpoint *to, const struct address *source, bool served)
{
	board->told_to = *to;
	board->told_source = *source;
	board->served = served;
	atomic_store_explicit(&board->to_tell, true, memory_order_relaxed);
}

COLD void board_note_failure(struct board *board, const struct endpoint *to, const struct address *source,
			     uint64_t now_ns)
{
	if (!board_is_there(board) ||
	    (board->told_ns && now_ns - board->told_ns < BOARD_TELL_EVERY_MS * 1000000ull))
		return;
	board->told_ns = now_ns;
	note(board, to, source, false);
}

COLD void board_note_served(struct board *board, const struct endpoint *to, const struct address *source,
			    uint64_t now_ns)
{
	for (unsigned i = 0; board->recalls && i < board->count; i++) {
		struct board_row *row = &board->rows[i];
		if (row->until_ns && row->until_ns <= now_ns && endpoint_equal(&row->to, to) &&
		    address_equal(&row->source, source)) {
			row->until_ns = 0;
			note(board, to, source, true);
			return;
		}
	}
}

COLD void board_tell_now(struct board *board, uint64_t now_ns)
{
	struct board_row row = { .kind = BOARD_FAILING };
	const struct board_row *rows = NULL;
	bool served = false;

	if (!lock_enter(board->lock))
		return;
	if (atomic_exchange(&board->to_tell, false)) {
		row.to = board->told_to;
		row.source = board->told_source;
		served = board->served;
		rows = begin_writing(board, &row);
	}
	lock_leave(board->lock);
	if (rows)
		write_row(rows, &row, served, now_ns);
}
