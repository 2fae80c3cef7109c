// SPDX-License-Identifier: Apache-2.0
/* kernel - the system calls the library makes, as a table, so that a test can stand in for the kernel. */
#include "pool/base/kernel.h"
#include "pool/base/hot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Calling conventions: syscall(2), "Architecture calling conventions". libc's syscall() is no use here: it
 * is one of the hooked names, and it sets errno. */
#if defined(__x86_64__)
long kernel_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
long kernel_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}
#else
#error "headroom knows the system call convention of x86-64 and aarch64 only"
#endif

#define ARG(x) ((long)(x))

HOT_WHOLE static long real_socket(int family, int type, int protocol)
{
	return kernel_syscall(SYS_socket, family, type, protocol, 0, 0, 0);
}

HOT_WHOLE static long real_close(int fd)
{
	return kernel_syscall(SYS_close, fd, 0, 0, 0, 0, 0);
}

HOT static long real_bind(int fd, const void *sa, socklen_t length)
{
	return kernel_syscall(SYS_bind, fd, ARG(sa), length, 0, 0, 0);
}

HOT_WHOLE static long real_connect(int fd, const void *sa, socklen_t length)
{
	return kernel_syscall(SYS_connect, fd, ARG(sa), length, 0, 0, 0);
}

HOT_WHOLE static long real_listen(int fd, int backlog)
{
	return kernel_syscall(SYS_listen, fd, backlog, 0, 0, 0, 0);
}

HOT static long real_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	return kernel_syscall(SYS_setsockopt, fd, level, name, ARG(value), length, 0);
}

HOT static long real_getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
	return kernel_syscall(SYS_getsockopt, fd, level, name, ARG(value), ARG(length), 0);
}

HOT static long real_getsockname(int fd, void *sa, socklen_t *length)
{
	return kernel_syscall(SYS_getsockname, fd, ARG(sa), ARG(length), 0, 0, 0);
}

HOT_WHOLE static long real_ioctl(int fd, unsigned long request, void *value)
{
	return kernel_syscall(SYS_ioctl, fd, (long)request, ARG(value), 0, 0, 0);
}

HOT_WHOLE static long real_sendto(int fd, const void *data, size_t size, int flags, const void *sa,
				  socklen_t length)
{
	return kernel_syscall(SYS_sendto, fd, ARG(data), (long)size, flags, ARG(sa), length);
}

HOT static long real_recv(int fd, void *data, size_t size, int flags)
{
	return kernel_syscall(SYS_recvfrom, fd, ARG(data), (long)size, flags, 0, 0);
}

HOT_WHOLE static long real_openat(int directory, const char *path, int flags, mode_t mode)
{
	return kernel_syscall(SYS_openat, directory, ARG(path), flags, mode, 0, 0);
}

HOT_WHOLE static long real_pread(int fd, void *data, size_t size, uint64_t offset)
{
	return kernel_syscall(SYS_pread64, fd, ARG(data), (long)size, (long)offset, 0, 0);
}

HOT_WHOLE static long real_read(int fd, void *data, size_t size)
{
	return kernel_syscall(SYS_read, fd, ARG(data), (long)size, 0, 0, 0);
}

HOT_WHOLE static long real_write(int fd, const void *data, size_t size)
{
	return kernel_syscall(SYS_write, fd, ARG(data), (long)size, 0, 0, 0);
}

/* On 64-bit Linux libc's struct stat is the kernel's. */
HOT_WHOLE static long real_fstat(int fd, struct stat *out)
{
	return kernel_syscall(SYS_fstat, fd, ARG(out), 0, 0, 0, 0);
}

/* As the loader does it for /etc/ld.so.preload (elf/rtld.c). */
HOT_WHOLE static long real_access(const char *path)
{
#if defined(SYS_access)
	return kernel_syscall(SYS_access, ARG(path), F_OK, 0, 0, 0, 0);
#else
	return kernel_syscall(SYS_faccessat, AT_FDCWD, ARG(path), F_OK, 0, 0, 0);
#endif
}

HOT_WHOLE static long real_lstat(const char *path, struct stat *out)
{
	return kernel_syscall(SYS_newfstatat, AT_FDCWD, ARG(path), ARG(out), AT_SYMLINK_NOFOLLOW, 0, 0);
}

HOT_WHOLE static long real_fcntl(int fd, int command, long argument)
{
	return kernel_syscall(SYS_fcntl, fd, command, argument, 0, 0, 0);
}

HOT_WHOLE static long real_dup3(int fd, int target, int flags)
{
	return kernel_syscall(SYS_dup3, fd, target, flags, 0, 0, 0);
}

HOT_WHOLE static long real_epoll_ctl(int epoll, int operation, int fd, void *event)
{
	return kernel_syscall(SYS_epoll_ctl, epoll, operation, fd, ARG(event), 0, 0);
}

HOT_WHOLE static long real_ppoll(struct pollfd *fds, unsigned count, const struct timespec *timeout)
{
	/* What is left of the time is written there. The kernel lets pass that it cannot
	 * (poll_select_finish(), fs/select.c); qemu-user fails with EFAULT. */
	struct timespec left = timeout ? *timeout : (struct timespec){ 0 };

	return kernel_syscall(SYS_ppoll, ARG(fds), count, timeout ? ARG(&left) : 0, 0, 0, 0);
}

HOT static long real_getpid(void)
{
	return kernel_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

HOT_WHOLE static long real_futex_wait(void *word, unsigned value, uint64_t most_ns)
{
	struct timespec most = { .tv_sec = (time_t)(most_ns / 1000000000),
				 .tv_nsec = (long)(most_ns % 1000000000) };
	return kernel_syscall(SYS_futex, ARG(word), FUTEX_WAIT | FUTEX_PRIVATE_FLAG, value, ARG(&most), 0, 0);
}

HOT_WHOLE static long real_futex_wake(void *word)
{
	return kernel_syscall(SYS_futex, ARG(word), FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, 0, 0, 0);
}

#define REAL_CALLS                                                                                        \
	{                                                                                                 \
		.socket = real_socket, .close = real_close, .bind = real_bind, .connect = real_connect,   \
		.listen = real_listen, .setsockopt = real_setsockopt, .getsockopt = real_getsockopt,      \
		.getsockname = real_getsockname, .ioctl = real_ioctl, .sendto = real_sendto,              \
		.recv = real_recv, .openat = real_openat, .read = real_read, .pread = real_pread,         \
		.write = real_write, .fstat = real_fstat, .access = real_access, .lstat = real_lstat,     \
		.fcntl = real_fcntl, .dup3 = real_dup3, .epoll_ctl = real_epoll_ctl, .ppoll = real_ppoll, \
		.getpid = real_getpid, .futex_wait = real_futex_wait, .futex_wake = real_futex_wake,      \
	}

struct kernel_calls kernel = REAL_CALLS;
const struct kernel_calls kernel_real = REAL_CALLS;

#define U __attribute__((unused))
#define REFUSED(name, ...)                      \
	static long refused_##name(__VA_ARGS__) \
	{                                       \
		return -EPERM;                  \
	}
REFUSED(socket, U int family, U int type, U int protocol)
REFUSED(bind, U int fd, U const void *sa, U socklen_t length)
REFUSED(listen, U int fd, U int backlog)
REFUSED(setsockopt, U int fd, U int level, U int name, U const void *value, U socklen_t length)
REFUSED(getsockopt, U int fd, U int level, U int name, U void *value, U socklen_t *length)
REFUSED(getsockname, U int fd, U void *sa, U socklen_t *length)
REFUSED(ioctl, U int fd, U unsigned long request, U void *value)
REFUSED(sendto, U int fd, U const void *data, U size_t size, U int flags, U const void *sa,
	U socklen_t length)
REFUSED(recv, U int fd, U void *data, U size_t size, U int flags)
REFUSED(openat, U int directory, U const char *path, U int flags, U mode_t mode)
REFUSED(read, U int fd, U void *data, U size_t size)
REFUSED(pread, U int fd, U void *data, U size_t size, U uint64_t offset)
REFUSED(write, U int fd, U const void *data, U size_t size)
REFUSED(fstat, U int fd, U struct stat *out)
REFUSED(access, U const char *path)
REFUSED(lstat, U const char *path, U struct stat *out)
REFUSED(fcntl, U int fd, U int command, U long argument)
REFUSED(dup3, U int fd, U int target, U int flags)
REFUSED(epoll_ctl, U int epoll, U int operation, U int fd, U void *event)
REFUSED(ppoll, U struct pollfd *fds, U unsigned count, U const struct timespec *timeout)
REFUSED(getpid, void)
REFUSED(futex_wait, U void *word, U unsigned value, U uint64_t most_ns)
REFUSED(futex_wake, U void *word)
#undef REFUSED
#undef U

const struct kernel_calls kernel_refusing = {
	.socket = refused_socket,
	.close = real_close, /* of what another thread has open at this moment */
	.bind = refused_bind,
	.connect = refused_bind,
	.listen = refused_listen,
	.setsockopt = refused_setsockopt,
	.getsockopt = refused_getsockopt,
	.getsockname = refused_getsockname,
	.ioctl = refused_ioctl,
	.sendto = refused_sendto,
	.recv = refused_recv,
	.openat = refused_openat,
	.read = refused_read,
	.pread = refused_pread,
	.write = refused_write,
	.fstat = refused_fstat,
	.access = refused_access,
	.lstat = refused_lstat,
	.fcntl = refused_fcntl,
	.dup3 = refused_dup3,
	.epoll_ctl = refused_epoll_ctl,
	.ppoll = refused_ppoll,
	.getpid = refused_getpid,
	.futex_wait = refused_futex_wait,
	.futex_wake = refused_futex_wake,
};

long kernel_keep_private(long fd)
{
	if (fd < 0 || fd > 2)
		return fd;
	long moved = kernel.fcntl((int)fd, F_DUPFD_CLOEXEC, 3);
	kernel.close((int)fd);
	return moved;
}

long kernel_read_file(const char *path, char *out, size_t size)
{
	long fd = kernel_private_fd(kernel.openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0));
	if (fd < 0)
		return fd;
	long got;
	int interrupted = 0;
	do
		got = kernel.pread((int)fd, out, size - 1, 0);
	while (got == -EINTR && interrupted++ < KERNEL_EINTR_MAX);
	out[got > 0 ? got : 0] = '\0';
	kernel.close((int)fd);
	return got;
}
