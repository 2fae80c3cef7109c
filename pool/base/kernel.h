// SPDX-License-Identifier: Apache-2.0
/* kernel - the system calls the library makes, as a table, so that a test can stand in for the kernel. */
#ifndef HEADROOM_POOL_BASE_KERNEL_H
#define HEADROOM_POOL_BASE_KERNEL_H

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

/* Not in the headers of the oldest libc we build on (linux/in.h). */
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* How often a call is made again after EINTR: a sandbox may answer so for ever (seccomp(2)). */
enum { KERNEL_EINTR_MAX = 8 };

/* Every call returns what the system call returns: a result, or a negative errno. None touches errno, none
 * is a cancellation point. Arguments are those of the man page of the same name, section 2. */
struct kernel_calls {
	long (*socket)(int family, int type, int protocol);
	long (*close)(int fd);
	long (*bind)(int fd, const void *sa, socklen_t length);
	long (*connect)(int fd, const void *sa, socklen_t length);
	long (*listen)(int fd, int backlog);
	long (*setsockopt)(int fd, int level, int name, const void *value, socklen_t length);
	long (*getsockopt)(int fd, int level, int name, void *value, socklen_t *length);
	long (*getsockname)(int fd, void *sa, socklen_t *length);
	long (*ioctl)(int fd, unsigned long request, void *value);
	long (*sendto)(int fd, const void *data, size_t size, int flags, const void *sa, socklen_t length);
	long (*recv)(int fd, void *data, size_t size, int flags);
	long (*openat)(int directory, const char *path, int flags, mode_t mode);
	long (*read)(int fd, void *data, size_t size);
	long (*pread)(int fd, void *data, size_t size, uint64_t offset); /* ESPIPE of a socket: never waits */
	long (*write)(int fd, const void *data, size_t size);
	long (*fstat)(int fd, struct stat *out);
	long (*access)(const char *path); /* F_OK */
	long (*lstat)(const char *path, struct stat *out);
	long (*fcntl)(int fd, int command, long argument);
	long (*dup3)(int fd, int target, int flags);
	long (*epoll_ctl)(int epoll, int operation, int fd, void *event);
	long (*ppoll)(struct pollfd *fds, unsigned count, const struct timespec *timeout);
	long (*getpid)(void);
	/* futex(2) of this process alone: wait while *word is @value, for @most_ns; wake all who wait. */
	long (*futex_wait)(void *word, unsigned value, uint64_t most_ns);
	long (*futex_wake)(void *word);
};

/* The table in use. Set at rest to the real calls; a test puts its own functions in. */
extern struct kernel_calls kernel;

/* The real calls, for a test that wants them back. */
extern const struct kernel_calls kernel_real;

/* Every call but close() fails with EPERM, and is not made: see restraint.h. */
extern const struct kernel_calls kernel_refusing;

/**
 * kernel_syscall() - make a system call without libc
 * @number:	SYS_* of <sys/syscall.h>
 * @a..@f:	its arguments
 * Return: its result or a negative errno
 */
long kernel_syscall(long number, long a, long b, long c, long d, long e, long f);

/**
 * kernel_may_open() - may an fd of our own be opened at this moment? See restraint.h
 */
bool kernel_may_open(void);

/**
 * kernel_may_open_more() - the same, where it was allowed earlier in the same run on a stack of ours: nothing
 * is asked while nobody else can have changed it
 */
bool kernel_may_open_more(void);

/**
 * kernel_keep_private() - keep an fd of our own out of 0..2
 * @fd:		an fd just opened by us, or a negative errno
 * Return: an fd above 2 (close-on-exec), or a negative errno; @fd is closed if it was moved
 */
long kernel_keep_private(long fd);

/**
 * kernel_private_fd() - open an fd of our own, if one may be opened at this moment
 * @opening:	the call that opens it, close-on-exec; not made if none may be opened
 * Return: an fd above 2, or a negative errno; -EMFILE too if the call was not made
 */
#define kernel_private_fd(opening) (kernel_may_open() ? kernel_keep_private(opening) : -(long)EMFILE)

/**
 * kernel_read_file() - the start of a small file, such as one of /proc that holds a line: it comes at once
 *
 * By pread(): a program that closes numbers it has no longer may close ours, and another thread's socket get
 * it; to read that would wait for its peer.
 * @out:	gets at most @size - 1 bytes and a terminating 0, which is all of it after a failure
 * Return: bytes read, or a negative errno
 */
long kernel_read_file(const char *path, char *out, size_t size);

/**
 * kernel_number() - the number that comes next in what the kernel writes, after blanks; 0 where there is none
 *
 * By hand, as strtoul() is two pages of libc that a program may not have yet, each a page fault.
 * @at:	moved behind it
 */
static inline uint64_t kernel_number(const char **at)
{
	uint64_t number = 0;

	while (**at == ' ' || **at == '\t')
		++*at;
	for (; **at >= '0' && **at <= '9'; ++*at)
		number = number < UINT64_MAX / 10 ? number * 10 + (uint64_t)(**at - '0') : UINT64_MAX;
	return number;
}

/**
 * kernel_hex_digit() - what a hexadecimal digit stands for, in small letters
 * Return: -1 if it is none
 */
static inline int kernel_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
