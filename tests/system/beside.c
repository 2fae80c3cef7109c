// SPDX-License-Identifier: Apache-2.0
/* beside - another preload with hooks of its own, as tracers have: it counts and passes on */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static atomic_int connects;

static void *next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
	int (*real)(int, const struct sockaddr *, socklen_t);

	*(void **)&real = next("connect");
	atomic_fetch_add(&connects, address->sa_family == AF_INET);
	return real(fd, address, length);
}

int close(int fd)
{
	int (*real)(int);

	*(void **)&real = next("close");
	return real(fd);
}

__attribute__((destructor)) static void end(void)
{
	dprintf(1, "beside: saw connects: %d\n", atomic_load(&connects) > 0);
}
