// SPDX-License-Identifier: Apache-2.0
/* toggle - threads that connect and close in every way while somebody else disables and enables the shim
 *
 * toggle load THREADS FILE: towards 127.0.0.1, ports 5000 (reset at the close) and 5001 (asks, reads the
 *	answer, closes: can be parked). FILE gets the numbers of struct seen. At SIGUSR1 all end and close,
 *and HELD connections are made to port 5002, of which each second one is closed again. Says "done", and ends
 *	at SIGTERM.
 * toggle some COUNT: that many connections to port 5000, one after the other
 * toggle later: says "ready"; for each line one connection, for "fork" in a child, and from what source
 * toggle filter: puts itself under a filter that kills for access() and its kin, at once by a system call
 *that no hook sees, and connects for two seconds
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RESET_PORT = 5000, ASKED_PORT = 5001, HELD_PORT = 5002, HELD = 40, THREADS_MAX = 64 };

/* Connections by what source they left from, and calls that failed. */
struct seen {
	_Atomic uint64_t natural, spread, failed;
};

static struct seen nowhere, *seen = &nowhere;
static atomic_bool stop;

static void fail(const char *what)
{
	atomic_fetch_add(&seen->failed, 1);
	warn("%s", what);
}

static void set_linger(int fd)
{
	struct linger linger = { .l_onoff = 1 };
	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)))
		fail("setsockopt");
}

static struct sockaddr_in loopback(unsigned port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* bind(ip, 0), and sometimes a look at the port: it has to be the one that is connected with. */
static in_port_t bind_port(int fd, bool look)
{
	struct sockaddr_in at = loopback(0);
	socklen_t size = sizeof(at);

	if (bind(fd, (struct sockaddr *)&at, sizeof(at)))
		fail("bind");
	if (!look)
		return 0;
	if (getsockname(fd, (struct sockaddr *)&at, &size) || !at.sin_port)
		fail("getsockname");
	return at.sin_port;
}

static void connect_to(int fd, unsigned port, bool waits)
{
	struct sockaddr_in to = loopback(port);
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t size = sizeof(error);

	if (!connect(fd, (struct sockaddr *)&to, sizeof(to)))
		return;
	if (waits || errno != EINPROGRESS) {
		fail("connect");
		return;
	}
	while (poll(&ready, 1, -1) < 0)
		;
	/* Programs learn of it in either way. */
	if (ready.fd % 2 && connect(fd, (struct sockaddr *)&to, sizeof(to)) && errno != EISCONN)
		fail("connect again");
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) || error)
		fail("SO_ERROR");
}

static void count(int fd, in_port_t shown)
{
	struct sockaddr_in from;
	socklen_t size = sizeof(from);

	if (getsockname(fd, (struct sockaddr *)&from, &size))
		fail("getsockname");
	if (shown && from.sin_port != shown)
		fail("another port than shown");
	atomic_fetch_add(from.sin_addr.s_addr == htonl(INADDR_LOOPBACK) ? &seen->natural : &seen->spread, 1);
}

static int opened(unsigned port, unsigned turn)
{
	bool waits = turn % 2, binds = turn % 8 == 3;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (waits ? 0 : SOCK_NONBLOCK), 0);

	if (fd < 0) {
		fail("socket");
		return -1;
	}
	in_port_t shown = binds ? bind_port(fd, turn % 16 == 3) : 0;
	connect_to(fd, port, waits);
	if (!binds)
		count(fd, 0);
	else if (shown)
		count(fd, shown);
	return fd;
}

static void ask(int fd)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	char answer[256];
	struct pollfd ready = { .fd = fd, .events = POLLIN };

	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != sizeof(request) - 1)
		fail("send");
	while (poll(&ready, 1, -1) < 0)
		;
	if (recv(fd, answer, sizeof(answer), 0) <= 0)
		fail("recv");
}

static void *work(void *argument)
{
	unsigned turn = (unsigned)(uintptr_t)argument * 7;

	while (!atomic_load(&stop)) {
		bool asks = ++turn % 64 == 0;
		int fd = opened(asks ? ASKED_PORT : RESET_PORT, turn);
		if (asks)
			ask(fd);
		else
			set_linger(fd);
		if (close(fd))
			fail("close");
	}
	return NULL;
}

static void map(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, sizeof(*seen)))
		err(1, "%s", path);
	void *at = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		err(1, "mmap");
	seen = at;
	close(fd);
}

static void load(unsigned threads, const char *path)
{
	pthread_t all[THREADS_MAX];
	sigset_t ends;
	int number;

	map(path);
	sigemptyset(&ends);
	sigaddset(&ends, SIGUSR1);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	for (uintptr_t i = 0; i < threads; i++)
		if (pthread_create(&all[i], NULL, work, (void *)i))
			errx(1, "pthread_create");
	sigwait(&ends, &number);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(all[i], NULL);
	for (unsigned i = 0; i < HELD; i++) {
		int fd = opened(HELD_PORT, i);
		if (i % 2)
			close(fd);
	}
	puts("done");
	fflush(stdout);
	sigwait(&ends, &number);
}

static void some(unsigned how_many)
{
	for (unsigned i = 0; i < how_many; i++) {
		int fd = opened(RESET_PORT, i);
		set_linger(fd);
		close(fd);
	}
	printf("%llu natural, %llu spread, %llu failed\n", (unsigned long long)atomic_load(&seen->natural),
	       (unsigned long long)atomic_load(&seen->spread),
	       (unsigned long long)atomic_load(&seen->failed));
}

/* Without a hook of the shim between. */
static void filter_access(void)
{
	static struct sock_filter code[] = {
		{ BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr) },
#if defined(SYS_access)
		{ BPF_JMP | BPF_JEQ | BPF_K, 2, 0, SYS_access },
#else
		{ BPF_JMP | BPF_JEQ | BPF_K, 2, 0, SYS_faccessat },
#endif
		{ BPF_JMP | BPF_JEQ | BPF_K, 1, 0, SYS_newfstatat },
		{ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW },
		{ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS },
	};
	static struct sock_fprog program
		__attribute__((unused)) = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err(1, "prctl");
#if defined(__x86_64__)
	long rc;
	register long r10 __asm__("r10") = 0;
	__asm__ volatile("syscall"
			 : "=a"(rc)
			 : "a"((long)SYS_seccomp), "D"((long)SECCOMP_SET_MODE_FILTER), "S"(0L), "d"(&program),
			   "r"(r10)
			 : "rcx", "r11", "memory");
	if (rc)
		exit(77);
#else
	exit(77);
#endif
}

static void filter(void)
{
	struct timespec now;
	int fd = opened(RESET_PORT, 1);

	set_linger(fd);
	close(fd);
	filter_access();
	clock_gettime(CLOCK_MONOTONIC, &now);
	for (time_t until = now.tv_sec + 3; now.tv_sec < until; clock_gettime(CLOCK_MONOTONIC, &now)) {
		fd = opened(RESET_PORT, 1);
		set_linger(fd);
		close(fd);
	}
}

/* A child for each line, as servers have them that fork. */
static void later(void)
{
	char line[16];

	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		uint64_t before = atomic_load(&seen->spread);
		if (*line == 'f' && fork()) {
			wait(NULL);
			continue;
		}
		int fd = opened(RESET_PORT, 1);
		set_linger(fd);
		close(fd);
		puts(atomic_load(&seen->spread) > before ? "spread" : "natural");
		fflush(stdout);
		if (*line == 'f')
			_exit(0);
	}
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "load"))
		load((unsigned)atoi(argv[2]), argv[3]);
	else if (argc == 3 && !strcmp(argv[1], "some"))
		some((unsigned)atoi(argv[2]));
	else if (argc == 2 && !strcmp(argv[1], "later"))
		later();
	else if (argc == 2 && !strcmp(argv[1], "filter"))
		filter();
	else
		errx(2, "usage: see toggle.c");
	return 0;
}
