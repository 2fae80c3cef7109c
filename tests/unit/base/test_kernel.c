// SPDX-License-Identifier: Apache-2.0
/* test_kernel - the table of system calls, against the real kernel. */
#include "pool/base/kernel.h"
#include "tests/unit/check.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

Test(kernel, every_call_is_the_real_one)
{
	const long *calls = (const void *)&kernel, *real = (const void *)&kernel_real;
	for (size_t i = 0; i < sizeof(kernel) / sizeof(*calls); i++)
		check(calls[i] && calls[i] == real[i]);
	check_number(kernel.getpid(), getpid());
}

/* Other threads are calling through the table while it is put in place: restraint.h. */
Test(kernel, of_those_that_refuse_none_is_missing)
{
	const long *calls = (const void *)&kernel_refusing;
	for (size_t i = 0; i < sizeof(kernel_refusing) / sizeof(*calls); i++)
		check(calls[i]);
	check_number(kernel_refusing.futex_wait(NULL, 0, 0), -EPERM);
	check_number(kernel_refusing.futex_wake(NULL), -EPERM);
}

Test(kernel, failures_are_negative_and_errno_stays)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	struct stat st;
	struct pollfd none = { .fd = -1 };
	struct timespec at_once = { 0 };
	char byte = 0;
	socklen_t length = sizeof(sa);
	errno = 12345;
	check_number(kernel.socket(-1, 0, 0), -EAFNOSUPPORT);
	check_number(kernel.close(-1), -EBADF);
	check_number(kernel.bind(-1, &sa, sizeof(sa)), -EBADF);
	check_number(kernel.connect(-1, &sa, sizeof(sa)), -EBADF);
	check_number(kernel.setsockopt(-1, SOL_SOCKET, SO_REUSEADDR, &byte, 1), -EBADF);
	check_number(kernel.getsockopt(-1, SOL_SOCKET, SO_REUSEADDR, &byte, &length), -EBADF);
	check_number(kernel.getsockname(-1, &sa, &length), -EBADF);
	check_number(kernel.ioctl(-1, FIONREAD, &byte), -EBADF);
	check_number(kernel.sendto(-1, &byte, 1, 0, &sa, sizeof(sa)), -EBADF);
	check_number(kernel.recv(-1, &byte, 1, 0), -EBADF);
	check_number(kernel.openat(AT_FDCWD, "/nonexistent/x", O_RDONLY, 0), -ENOENT);
	check_number(kernel.read(-1, &byte, 1), -EBADF);
	check_number(kernel.pread(-1, &byte, 1, 0), -EBADF);
	check_number(kernel.write(-1, &byte, 1), -EBADF);
	check_number(kernel.fstat(-1, &st), -EBADF);
	check_number(kernel.fcntl(-1, F_GETFD, 0), -EBADF);
	check_number(kernel.ppoll(&none, 1, &at_once), 0);
	check_number(errno, 12345);
}

/* The program may close the number of a file of ours, and open a socket that gets it. */
Test(kernel, pread_does_not_wait_for_a_socket)
{
	int pair[2];
	char byte;

	check_number(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	check_number(kernel.pread(pair[0], &byte, 1, 0), -ESPIPE);
	close(pair[0]);
	close(pair[1]);
}

Test(kernel, sockets_work)
{
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(local);
	char got[4] = "";
	long fd = kernel.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	check(fd >= 0);
	check_number(kernel.bind((int)fd, &local, sizeof(local)), 0);
	check_number(kernel.getsockname((int)fd, &local, &length), 0);
	check(local.sin_port);
	check_number(kernel.sendto((int)fd, "abc", 3, MSG_DONTWAIT, &local, length), 3);
	check_number(kernel.recv((int)fd, got, sizeof(got), MSG_DONTWAIT), 3);
	check_text(got, "abc");
	check_number(kernel.close((int)fd), 0);
	check_number(fcntl((int)fd, F_GETFD), -1);
}

Test(kernel, files_work)
{
	char path[] = "/tmp/headroom-unit-XXXXXX", got[16] = "";
	struct stat st;
	close(mkstemp(path));
	long fd = kernel.openat(AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
	check_number(kernel.write((int)fd, "hello", 5), 5);
	check_number(kernel.fstat((int)fd, &st), 0);
	check_number(st.st_size, 5);
	check_number(kernel.close((int)fd), 0);
	check_number(kernel_read_file(path, got, sizeof(got)), 5);
	check_text(got, "hello");
	check_number(kernel_read_file(path, got, 4), 3);
	check_text(got, "hel");
	unlink(path);
	check_number(kernel_read_file(path, got, sizeof(got)), -ENOENT);
	check_number(kernel_read_file("/tmp", got, sizeof(got)), -EISDIR);
}

Test(kernel, an_fd_of_ours_is_never_0_to_2)
{
	int high = fcntl(0, F_DUPFD_CLOEXEC, 50);
	close(0);
	long fd = kernel.openat(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0);
	check_number(fd, 0);
	fd = kernel_private_fd(fd);
	check(fd > 2);
	check_number(fcntl((int)fd, F_GETFD), FD_CLOEXEC);
	check_number(fcntl(0, F_GETFD), -1);
	check_number(kernel_private_fd(fd), fd);
	check_number(kernel_private_fd(-EMFILE), -EMFILE);
	dup2(high, 0);
}

Test(kernel_text, numbers_are_read_one_after_the_other)
{
	const char *at = "32768\t60999\n";

	check_number(kernel_number(&at), 32768);
	check_number(kernel_number(&at), 60999);
	check(*at == '\n');
	check_number(kernel_number(&at), 0);
	at = "-1";
	check_number(kernel_number(&at), 0);
	at = "99999999999999999999999999";
	check(kernel_number(&at) == UINT64_MAX && !*at);
}

Test(kernel_text, a_digit_is_what_it_is)
{
	check_number(kernel_hex_digit('9'), 9);
	check_number(kernel_hex_digit('f'), 15);
	check(kernel_hex_digit('g') < 0 && kernel_hex_digit('A') < 0 && kernel_hex_digit('/') < 0 &&
	      kernel_hex_digit(':') < 0 && kernel_hex_digit('\0') < 0);
}
