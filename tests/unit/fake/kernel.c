// SPDX-License-Identifier: Apache-2.0
/* kernel - a scriptable stand-in for the kernel behind the table of pool/base/kernel.h, and for the clock. */
#include "tests/unit/fake/calls.h"

#include "pool/base/resting.h"
#include "tests/unit/check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* Files are read in pieces, as a reader has to allow for. */
enum { READ_PIECE = 24, CALLS_WITHOUT_END = 1000000 };

struct fake_kernel fake;

long fake_enter(enum fake_call call, int option)
{
	if (++fake.calls[call] > CALLS_WITHOUT_END)
		abort();
	for (unsigned i = 0; i < fake.fault_count; i++) {
		struct fault *f = &fake.faults[i];
		if (f->call != call || (f->option && f->option != option))
			continue;
		if (f->skip) {
			f->skip--;
			continue;
		}
		if (!f->times)
			continue;
		f->times--;
		return -f->error;
	}
	return 0;
}

static long fake_socket(int family, int type, int protocol)
{
	long rc = fake_enter(CALL_SOCKET, 0);
	struct fake_fd s = { .family = family, .type = type & 0xf, .protocol = protocol };
	return rc ? rc : fake_new_fd(0, &s);
}

static long fake_ioctl(int fd, unsigned long request, void *value)
{
	const struct fake_fd *s = fake_look_socket(fd);
	long rc = fake_enter(CALL_IOCTL, 0);
	if (rc || !s || request != SIOCINQ)
		return rc ? rc : -ENOTTY;
	*(int *)value = s->to_recv > 0 ? (int)s->to_recv : 0;
	return 0;
}

static void append(char *to, const void *data, size_t size)
{
	size_t used = strlen(to);
	if (size >= FAKE_OUTPUT - used)
		size = FAKE_OUTPUT - used - 1;
	memcpy(to + used, data, size);
	to[used + size] = '\0';
}

static long fake_sendto(int fd, const void *data, size_t size, int flags, const void *sa, socklen_t length)
{
	struct fake_fd *s = fake_look_socket(fd);
	long rc = fake_enter(CALL_SENDTO, 0);
	(void)flags, (void)sa, (void)length;
	if (rc)
		return rc;
	if (!s)
		return -EBADF;
	if (s->family == AF_UNIX)
		append(fake.syslog, data, size);
	if (s->family == AF_NETLINK)
		fake_netlink_send(s, data, size);
	return (long)size;
}

static long fake_openat(int directory, const char *path, int flags, mode_t mode)
{
	long rc = fake_enter(CALL_OPENAT, 0);
	(void)directory, (void)mode;
	if (rc)
		return rc;
	if (flags & O_WRONLY)
		return fake_new_fd(0, &(struct fake_fd){ .log_file = true });
	for (unsigned i = 0; i < fake.file_count; i++)
		if (!strcmp(fake.files[i].path, path))
			return fake_new_fd(0, &(struct fake_fd){ .file = &fake.files[i] });
	return -ENOENT;
}

static long fake_read(int fd, void *data, size_t size)
{
	struct fake_fd *s = fake_look(fd);
	long rc = fake_enter(CALL_READ, 0);
	if (rc)
		return rc;
	if (!s || !s->file)
		return -EBADF;
	size_t left = s->file->size - s->offset;
	size = size < left ? size : left;
	size = size < READ_PIECE ? size : READ_PIECE;
	memcpy(data, s->file->text + s->offset, size);
	s->offset += size;
	return (long)size;
}

static long fake_pread(int fd, void *data, size_t size, uint64_t offset)
{
	struct fake_fd *s = fake_look(fd);

	if (!s || !s->file || strncmp(s->file->path, "/proc/sys/", 10)) {
		if (s)
			s->offset = offset;
		return fake_read(fd, data, size);
	}
	/* By the first read or not at all (proc_sys_call_handler(), fs/proc/proc_sysctl.c). */
	long rc = fake_enter(CALL_READ, 0);
	if (rc)
		return rc;
	size = offset ? 0 : size < s->file->size ? size : s->file->size;
	memcpy(data, s->file->text, size);
	return (long)size;
}

static long fake_write(int fd, const void *data, size_t size)
{
	long rc = fake_enter(CALL_WRITE, 0);
	if (rc)
		return rc;
	if (fd != 2 && (!fake_look(fd) || !fake_look(fd)->log_file))
		return -EBADF;
	append(fd == 2 ? fake.output : fake.log_file, data, size);
	return (long)size;
}

static long fake_fstat(int fd, struct stat *out)
{
	struct fake_fd *s = fake_look(fd);
	long rc = fake_enter(CALL_FSTAT, 0);
	if (rc)
		return rc;
	if (fd == 2 ? !fake.stderr_inode : !s)
		return -EBADF;
	*out = (struct stat){ .st_dev = 1, .st_ino = fake.stderr_inode };
	if (s && s->log_file)
		out->st_mode = fake.log_mode, out->st_nlink = fake.log_names;
	if (s && s->file) {
		out->st_mode = s->file->mode;
		out->st_size = (off_t)s->file->size;
	}
	return 0;
}

static const struct fake_file *find(const char *path)
{
	for (unsigned i = 0; i < fake.file_count; i++)
		if (!strcmp(fake.files[i].path, path))
			return &fake.files[i];
	return NULL;
}

static long fake_access(const char *path)
{
	long rc = fake_enter(CALL_ACCESS, 0);
	return rc ? rc : find(path) ? 0 : -ENOENT;
}

static long fake_lstat(const char *path, struct stat *out)
{
	long rc = fake_enter(CALL_LSTAT, 0);
	const struct fake_file *file = find(path);
	if (rc || !file)
		return rc ? rc : -ENOENT;
	*out = (struct stat){ .st_mode = file->mode, .st_uid = file->owner };
	return 0;
}

static long fake_ppoll(struct pollfd *fds, unsigned count, const struct timespec *timeout)
{
	long rc = fake_enter(CALL_PPOLL, 0);
	const struct fake_fd *s = count ? fake_look_socket(fds[0].fd) : NULL;
	if (rc)
		return rc;
	uint64_t most_ns =
		timeout ? (uint64_t)timeout->tv_sec * 1000000000u + (uint64_t)timeout->tv_nsec : UINT64_MAX;
	/* Nothing to wait for but time. */
	if (!count) {
		fake.now_ns += most_ns;
		return 0;
	}
	if (most_ns > fake.poll_most_ns)
		fake.poll_most_ns = most_ns;
	fds[0].revents = fake.stderr_ready;
	if (s)
		fds[0].revents = (short)((s->to_recv != -EAGAIN ? POLLIN : 0) | (s->error ? POLLERR : 0) |
					 (s->peer_end ? POLLRDHUP : 0));
	else if (fds[0].fd != 2)
		fds[0].revents = POLLNVAL;
	return fds[0].revents != 0;
}

static long fake_futex_wait(void *word, unsigned value, uint64_t most_ns)
{
	long rc = fake_enter(CALL_FUTEX_WAIT, 0);
	(void)word;
	(void)value;
	if (fake.while_waiting)
		fake.while_waiting(fake.while_waiting_argument);
	fake.now_ns += most_ns;
	fake.waited_ns += most_ns;
	return rc ? rc : -ETIMEDOUT;
}

static long fake_futex_wake(void *word)
{
	(void)word;
	return fake_enter(CALL_FUTEX_WAKE, 0);
}

static long fake_getpid(void)
{
	long rc = fake_enter(CALL_GETPID, 0);
	return rc ? rc : FAKE_PID;
}

void fake_fail(enum fake_call call, int error)
{
	fake_fail_some(call, error, 0, UINT32_MAX);
}

void fake_fail_option(enum fake_call call, int option, int error)
{
	fake_fail(call, error);
	fake.faults[fake.fault_count - 1].option = option;
}

void fake_fail_some(enum fake_call call, int error, unsigned skip, unsigned times)
{
	if (fake.fault_count == FAKE_FAULTS)
		abort();
	fake.faults[fake.fault_count++] =
		(struct fault){ .call = call, .error = error, .skip = skip, .times = times };
}

void fake_recover(void)
{
	fake.fault_count = 0;
}

struct fake_file *fake_file(const char *path, const char *text)
{
	struct fake_file file = { .path = path, .text = text, .size = strlen(text), .mode = S_IFREG | 0644 };
	unsigned i = 0;

	while (i < fake.file_count && strcmp(fake.files[i].path, path))
		i++;
	if (i == FAKE_FILES)
		abort();
	if (i == fake.file_count)
		fake.file_count++;
	fake.files[i] = file;
	return &fake.files[i];
}

void fake_range(uint16_t low, uint16_t high, const char *reserved, int time_wait_reuse)
{
	enum { SIZE = sizeof(fake.sysctls[0]) };
	fake.low = low;
	fake.high = high;
	snprintf(fake.sysctls[0], SIZE, "%u\t%u\n", low, high);
	snprintf(fake.sysctls[1], SIZE, "%s\n", reserved);
	snprintf(fake.sysctls[2], SIZE, "%d\n", time_wait_reuse);
	fake_file("/proc/sys/net/ipv4/ip_local_port_range", fake.sysctls[0]);
	fake_file("/proc/sys/net/ipv4/ip_local_reserved_ports", fake.sysctls[1]);
	fake_file("/proc/sys/net/ipv4/tcp_tw_reuse", fake.sysctls[2]);
}

unsigned fake_total_calls(void)
{
	unsigned total = 0;
	for (int i = 0; i < FAKE_CALLS; i++)
		total += fake.calls[i];
	return total;
}

void fake_start(void)
{
	limit_time();
	memset(&fake, 0, sizeof(fake));
	fake.natural_v4 = ip("10.0.0.1");
	fake.natural_v6 = ip("fd00::1");
	fake.network = 1;
	fake.log_mode = S_IFREG | 0640;
	fake.log_names = 1;
	fake.stderr_inode = 7;
	fake.stderr_ready = POLLOUT;
	fake.clock_stopped = true;
	fake.now_ns = 1000 * 1000000000ull;
	fake.realtime_s = 1700000000;
	fake_range(40000, 40099, "", 0);
	resting_stop();
	kernel = (struct kernel_calls){
		.socket = fake_socket,
		.close = fake_close,
		.bind = fake_bind,
		.connect = fake_connect,
		.listen = fake_listen,
		.setsockopt = fake_setsockopt,
		.getsockopt = fake_getsockopt,
		.getsockname = fake_getsockname,
		.ioctl = fake_ioctl,
		.sendto = fake_sendto,
		.recv = fake_recv,
		.openat = fake_openat,
		.read = fake_read,
		.pread = fake_pread,
		.write = fake_write,
		.fstat = fake_fstat,
		.access = fake_access,
		.lstat = fake_lstat,
		.fcntl = fake_fcntl,
		.dup3 = fake_dup3,
		.epoll_ctl = fake_epoll_ctl,
		.ppoll = fake_ppoll,
		.getpid = fake_getpid,
		.futex_wait = fake_futex_wait,
		.futex_wake = fake_futex_wake,
	};
}

void fake_stop(void)
{
	kernel = kernel_real;
	fake.clock_stopped = false;
}
