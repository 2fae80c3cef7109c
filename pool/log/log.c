// SPDX-License-Identifier: Apache-2.0
/* log - write one line where the user wants it, without harm to the program. */
#include "pool/log/log.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/own_stack.h"
#include "pool/base/printable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = { "error", "warn", "info" };

ONCE void log_start(struct log *log, const struct settings *settings, const char *process)
{
	struct stat st;
	*log = (struct log){ .settings = settings, .process = process, .tokens = LOG_BURST };
	if (kernel.fstat(2, &st) == 0) {
		log->stderr_known = true;
		log->stderr_device = st.st_dev;
		log->stderr_inode = st.st_ino;
	}
}

bool log_allow(struct log *log, uint64_t now_ns, uint64_t *suppressed)
{
	uint64_t earned = clock_since(log->refilled_ns, now_ns) / (1000000000u / LOG_PER_SECOND);

	if (earned) {
		log->tokens = earned >= LOG_BURST || log->tokens + earned > LOG_BURST
				      ? LOG_BURST
				      : log->tokens + (unsigned)earned;
		log->refilled_ns = now_ns;
	}
	if (!log->tokens) {
		log->suppressed++;
		return false;
	}
	log->tokens--;
	*suppressed = log->suppressed;
	log->suppressed = 0;
	return true;
}

/* Room that is kept for what ends a line: a quote, a brace, the newline. */
enum { LINE_END_ROOM = 4 };

static bool has_room(const struct log_line *line, size_t size)
{
	return line->used + size <= sizeof(line->text) - LINE_END_ROOM;
}

/* All of it or nothing: half an escape or half a name is worse than none. */
static bool put(struct log_line *line, const char *text)
{
	size_t size = strlen(text);
	if (!has_room(line, size))
		return false;
	memcpy(line->text + line->used, text, size);
	line->used += size;
	return true;
}

static bool put_char(struct log_line *line, char c)
{
	return put(line, (char[]){ c, '\0' });
}

/* Both formats take the escapes of JSON (RFC 8259, section 7). A value too long is cut. */
static void put_quoted(struct log_line *line, const char *text)
{
	char one[PRINTABLE_MAX];
	bool room = put_char(line, '"');

	if (!room)
		return;
	while (*text && room) {
		bool mark = *text == '"' || *text == '\\';
		if (mark)
			snprintf(one, sizeof(one), "\\%c", *text++);
		else
			printable_next(&text, one);
		room = put(line, one);
	}
	line->text[line->used++] = '"'; /* from the room kept */
}

/* The name and, unless it is to be quoted, the value: a field that does not fit whole is left out. */
static bool put_field(struct log_line *line, const char *name, const char *bare)
{
	char head[80];
	const char *comma = line->used > 1 ? "," : "";
	int used = line->json ? snprintf(head, sizeof(head), "%s\"%s\":", comma, name)
			      : snprintf(head, sizeof(head), " %s=", name);

	if (used <= 0 || !has_room(line, (size_t)used + strlen(bare) + 2))
		return false;
	return put(line, head) && put(line, bare);
}

void log_text(struct log_line *line, const char *name, const char *value)
{
	bool bare = !line->json && *value && has_room(line, strlen(value) + strlen(name) + 8);
	char one[PRINTABLE_MAX];

	for (const char *c = value; *c && bare;) {
		bare = !strchr(" \"=\\", *c);
		printable_next(&c, one);
		bare = bare && *one != '\\';
	}
	if (put_field(line, name, bare ? value : "") && !bare)
		put_quoted(line, value);
}

void log_number(struct log_line *line, const char *name, uint64_t value)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
	put_field(line, name, digits);
}

/* RFC 3339 in UTC. Without gmtime_r(): that takes libc's time zone lock, and may read a file. The days are
 * counted as in Hinnant, "chrono-compatible low-level date algorithms", civil_from_days. */
static void put_time(struct log_line *line)
{
	struct timespec now = { 0 };
	char text[40];

	clock_read(CLOCK_REALTIME, &now);
	int64_t days = now.tv_sec / 86400 + 719468, seconds = now.tv_sec % 86400;
	int64_t era = days / 146097, day_of_era = days % 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t shifted_month = (5 * day_of_year + 2) / 153;
	int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
		 (int)(year_of_era + era * 400 + (month <= 2)), (int)month,
		 (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1), (int)(seconds / 3600),
		 (int)(seconds / 60 % 60), (int)(seconds % 60), (int)(now.tv_nsec / 1000000));
	log_text(line, "time", text);
}

void log_begin(const struct log *log, struct log_line *line, enum log_level level, const char *event)
{
	line->level = level;
	line->json = log->settings->log_format == LOG_FORMAT_JSON;
	line->used = 0;
	if (line->json) {
		put_char(line, '{');
		log_text(line, "app", "headroom");
		log_number(line, "schema", 1);
	} else {
		put(line, "headroom");
	}
	put_time(line);
	log_text(line, "level", level_names[level]);
	log_text(line, "prog", log->process);
	log_number(line, "pid", (uint64_t)kernel.getpid());
	log_text(line, "event", event);
}

/* Without O_APPEND it is the offset that counts, which may lie past the end. */
static bool end_is_within(int fd, size_t length, rlim_t limit)
{
	long at = kernel_syscall(SYS_lseek, fd, 0, SEEK_CUR, 0, 0, 0);
	return at >= 0 && (rlim_t)at + length <= limit;
}

/* A write may raise a signal, which stops or kills a program that was to write nothing: SIGXFSZ past
 * RLIMIT_FSIZE (setrlimit(2)), SIGTTOU in the background of a terminal with TOSTOP (termios(3)). Only what
 * cannot is written; blocking the signal would let the line through where the program's own is held back. */
static bool may_write(int fd, const struct stat *st, size_t length)
{
	struct rlimit limit;
	struct termios terminal = { 0 };
	int group = 0;

	if (S_ISREG(st->st_mode))
		return kernel_syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit, 0, 0) == 0 &&
		       (limit.rlim_cur == RLIM_INFINITY || ((rlim_t)st->st_size + length <= limit.rlim_cur &&
							    end_is_within(fd, length, limit.rlim_cur)));
	/* No terminal, one without TOSTOP, or not ours: no SIGTTOU (n_tty_write(), __tty_check_change()). */
	return !S_ISCHR(st->st_mode) || kernel.ioctl(fd, TCGETS, &terminal) || !(terminal.c_lflag & TOSTOP) ||
	       kernel.ioctl(fd, TIOCGPGRP, &group) ||
	       group == (int)kernel_syscall(SYS_getpgid, 0, 0, 0, 0, 0, 0);
}

/* Under inetd(8) standard error is the client's connection. A socket of systemd's journal is where a
 * service's lines belong: JOURNAL_STREAM names it (systemd.exec(5)). Others get lines if HEADROOM_LOG=stderr
 * or a rule file says so. */
static bool socket_is_meant(const struct log *log, const struct stat *st)
{
	const struct settings *settings = log->settings;

	return settings->log_asked ||
	       (settings->journal_inode && settings->journal_device == (uint64_t)st->st_dev &&
		settings->journal_inode == (uint64_t)st->st_ino);
}

void log_stderr(const struct log *log, const char *text, size_t length)
{
	struct stat st;
	struct pollfd ready = { .fd = 2, .events = POLLOUT };
	static const struct timespec at_once = { 0 };

	if (!log->stderr_known || kernel.fstat(2, &st) || st.st_dev != log->stderr_device ||
	    st.st_ino != log->stderr_inode)
		return;
	if ((S_ISSOCK(st.st_mode) && !socket_is_meant(log, &st)) || !may_write(2, &st, length))
		return;
	for (int interrupted = 0; length;) {
		/* A pipe without a reader raises SIGPIPE, a full one blocks: write to neither. */
		if (kernel.ppoll(&ready, 1, &at_once) != 1 || ready.revents & (POLLERR | POLLHUP | POLLNVAL))
			return;
		size_t part = length < 4096 ? length : 4096;
		long written = S_ISSOCK(st.st_mode)
				       ? kernel.sendto(2, text, part, MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0)
				       : kernel.write(2, text, part);
		if (written == -EINTR && interrupted++ < KERNEL_EINTR_MAX)
			continue;
		if (written <= 0)
			return;
		text += written;
		length -= (size_t)written;
	}
}

long log_open_file(const char *path)
{
	struct stat st;
	long fd = kernel_private_fd(kernel.openat(
		AT_FDCWD, path,
		O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW, 0640));
	if (fd < 0)
		return fd;
	long rc = kernel.fstat((int)fd, &st);
	/* A device (/dev/null) nobody but root can plant. */
	if (!rc && !S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
		rc = -EINVAL;
	if (!rc && S_ISREG(st.st_mode) && st.st_nlink > 1)
		rc = -EMLINK;
	if (rc)
		kernel.close((int)fd);
	return rc ? rc : fd;
}

static void write_file(const char *path, const char *text, size_t length)
{
	struct stat st;
	long fd = log_open_file(path);

	if (fd < 0)
		return;
	if (kernel.fstat((int)fd, &st) == 0 && may_write((int)fd, &st, length))
		kernel.write((int)fd, text, length);
	kernel.close((int)fd);
}

/* syslog(3) keeps state of the program's (openlog), so the datagram is sent by hand, as RFC 3164 has it. */
static void write_syslog(enum log_level level, const char *text, size_t length)
{
	static const int severity[] = { 3, 4, 6 };
	enum { FACILITY_DAEMON = 3 };
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	char packet[LOG_LINE_MAX + 48];

	int used = snprintf(packet, sizeof(packet), "<%d>headroom[%ld]: %.*s",
			    FACILITY_DAEMON * 8 + severity[level], kernel.getpid(), (int)length, text);
	long fd = kernel_private_fd(kernel.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (fd < 0)
		return;
	kernel.sendto((int)fd, packet, (size_t)used, MSG_NOSIGNAL | MSG_DONTWAIT, &to, sizeof(to));
	kernel.close((int)fd);
}

void log_end(const struct log *log, struct log_line *line)
{
	if (line->level > log->settings->log_level)
		return;
	if (line->json)
		line->text[line->used++] = '}';
	line->text[line->used++] = '\n';
	switch (log->settings->log_to) {
	case LOG_TO_STDERR:
		log_stderr(log, line->text, line->used);
		break;
	case LOG_TO_FILE:
		write_file(log->settings->log_path, line->text, line->used);
		break;
	case LOG_TO_SYSLOG:
		write_syslog(line->level, line->text, line->used - 1);
		break;
	case LOG_TO_NOTHING:
		break;
	}
}

struct message {
	const struct log *log;
	enum log_level level;
	const char *event, *text;
};

static void write_message(void *argument)
{
	const struct message *m = argument;
	struct log_line line;

	log_begin(m->log, &line, m->level, m->event);
	log_text(&line, "msg", m->text);
	log_end(m->log, &line);
}

COLD void log_message(const struct log *log, enum log_level level, const char *event, const char *message)
{
	struct message m = { .log = log, .level = level, .event = event, .text = message };
	if (level <= log->settings->log_level)
		own_stack_run(write_message, &m);
}
