// SPDX-License-Identifier: Apache-2.0
/* process - what the files of the program `process` share */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { MAIN_PORT = 5000, CHILD_PORT = 5001, SILENT_PORT = 5002, LAST_FD = 63 };

struct process_case {
	const char *name;
	void (*run)(char **arguments);
};

extern const struct process_case fork_cases[], signal_cases[], file_cases[], sandbox_cases[], number_cases[];

/** say() - one line on standard output, or appended to the file that PROCESS_OUT names */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** patience() - how many times as slow as others this machine is: PROCESS_PATIENCE, else 1 */
long patience(void);

/** try_connect() - a TCP connect() to 127.0.0.1. Return: 0 or errno */
int try_connect(int fd, unsigned port);

/** opened() - a new connection. Return: its fd; a failure is said and gives -1 */
int opened(unsigned port);

/** open_some() - several connections, in order of their fd numbers */
void open_some(int *fds, int count, unsigned port);

/** silent_server() - from here on a connect() to SILENT_PORT gets no answer */
void silent_server(void);

/** reset_on_close() - close() of this socket sends RST, so that it leaves no TIME_WAIT */
void reset_on_close(int fd);

/** close_numbers() - close() on each number from @first to LAST_FD, open or not */
void close_numbers(int first);

/** say_child() - waits for a child and says how it ended */
void say_child(pid_t pid);

#endif
