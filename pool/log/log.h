// SPDX-License-Identifier: Apache-2.0
/* log - write one line where the user wants it, without harm to the program.
 *
 * No fd is kept: a file is opened for each line, standard error is written to only while it is still the
 * file it was at start (a program may close fd 2 and get a socket with that number), and only when that
 * cannot block or raise SIGPIPE.
 *
 * Events are noticed under the lock (spread/events.c) and written after it (events_write()). Syslog is a
 * datagram to /dev/log made by hand, as openlog() would change the program's state. Standard error: only
 * when ppoll() says so, and when neither SIGXFSZ nor SIGTTOU can come of it. Fds of ours are close-on-exec
 * and above 2 (kernel_private_fd()). 20 lines at once, 10 a second; `failover` once a second, `exhausted`
 * once in 5 s a destination. */
#ifndef HEADROOM_POOL_LOG_LOG_H
#define HEADROOM_POOL_LOG_LOG_H

#include "pool/rules/settings.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { LOG_LINE_MAX = 1024, LOG_BURST = 20, LOG_PER_SECOND = 10 };

struct log {
	const struct settings *settings;
	const char *process;
	bool stderr_known;
	dev_t stderr_device;
	ino_t stderr_inode;
	/* Rate limit; guarded by the shim's lock. */
	unsigned tokens;
	uint64_t refilled_ns;
	uint64_t suppressed;
};

/* One line under construction. */
struct log_line {
	enum log_level level;
	bool json;
	size_t used;
	char text[LOG_LINE_MAX];
};

/**
 * log_start() - remember what standard error is now
 */
void log_start(struct log *log, const struct settings *settings, const char *process);

/**
 * log_allow() - may one more line be written now? Call with the shim's lock held.
 * @suppressed:	how many were not, since the last that was
 */
bool log_allow(struct log *log, uint64_t now_ns, uint64_t *suppressed);

/**
 * log_begin() - start a line with time, level, program and pid
 * @event:	name of the event, one word
 */
void log_begin(const struct log *log, struct log_line *line, enum log_level level, const char *event);

/**
 * log_text() / log_number() - add a field; quotes, and what printable.h tells of, are escaped in @value
 */
void log_text(struct log_line *line, const char *name, const char *value);
void log_number(struct log_line *line, const char *name, uint64_t value);

/**
 * log_open_file() - open a log file to append to, made if it is missing
 *
 * In a folder that others may write to, another user may have put something else at the path. A symbolic link
 * would lead the lines into any file of ours, a second name (hard link) too; a FIFO would show them to its
 * reader, and kill us with SIGPIPE when that goes.
 *
 * Return: an fd above 2, or a negative errno; -ELOOP for a symbolic link, -EINVAL for what is no regular
 * file, -EMLINK for a file with a second name
 */
long log_open_file(const char *path);

/**
 * log_end() - finish the line and write it
 */
void log_end(const struct log *log, struct log_line *line);

/**
 * log_stderr() - write text to standard error under the same care
 */
void log_stderr(const struct log *log, const char *text, size_t length);

/**
 * log_message() - a whole line: event, and text in the field `msg`
 */
void log_message(const struct log *log, enum log_level level, const char *event, const char *message);

#endif
