// SPDX-License-Identifier: Apache-2.0
/* attach_raw - as attach_client, from 127.0.0.1 port 5000, in a program without any C library: what Go makes,
 * too, are system calls of its own from a static program. x86-64. */
#include <stddef.h>

static long call(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return result;
}

enum { READ = 0, WRITE = 1, CLOSE = 3, SOCKET = 41, CONNECT = 42, EXIT = 60 };

/* struct sockaddr_in: AF_INET, port 5000, 127.0.0.1 */
static const unsigned char name[16] = { 2, 0, 5000 >> 8, 5000 & 0xff, 127, 0, 0, 1 };

static char *put(char *at, long number, const char *text)
{
	char digits[24];
	int count = 0;

	do
		digits[count++] = (char)('0' + number % 10);
	while (number /= 10);
	while (count)
		*at++ = digits[--count];
	while (*text)
		*at++ = *text++;
	return at;
}

static void connect_all(long asked)
{
	long connected = 0, error = 0;
	char text[96], *end;

	for (long i = 0; i < asked; i++) {
		long fd = call(SOCKET, 2, 1, 0);
		long result = call(CONNECT, fd, (long)name, sizeof(name));
		if (result < 0) {
			error = -result;
			call(CLOSE, fd, 0, 0);
		}
		connected += !result;
	}
	end = put(text, connected, " connected, ");
	end = put(end, asked - connected, " failed, errno ");
	end = put(end, error, "\n");
	call(WRITE, 1, (long)text, end - text);
}

__attribute__((force_align_arg_pointer, used)) void _start(void)
{
	char line[32];
	long got;

	while ((got = call(READ, 0, (long)line, sizeof(line))) > 0) {
		long asked = 0;
		for (long i = 0; i < got && line[i] >= '0' && line[i] <= '9'; i++)
			asked = asked * 10 + line[i] - '0';
		connect_all(asked);
	}
	call(EXIT, 0, 0, 0);
}
