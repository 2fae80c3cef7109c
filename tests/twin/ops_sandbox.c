/* SPDX-License-Identifier: Apache-2.0 */
/* ops_sandbox - what a program takes from itself, or moves to: limits, filters, roots, namespaces, shared
 * memory. */
#include "actor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void run_limit(struct strand *strand, const struct step *step)
{
	const char *what = step->arguments[0].word;
	rlim_t value = (rlim_t)step->arguments[1].number;
	struct rlimit limit = { value, value };
	bool files = !strcmp(what, "nofile");
	say_result(strand, setrlimit(files ? RLIMIT_NOFILE : RLIMIT_FSIZE, &limit));
	if (files)
		parity_is_known = false;
}

static void run_filter(struct strand *strand, const struct step *step)
{
	static const struct {
		const char *name;
		unsigned number;
	} calls[] = { { "bind", SYS_bind },
		      { "setsockopt", SYS_setsockopt },
		      { "getsockopt", SYS_getsockopt },
		      { "openat", SYS_openat },
		      { "getsockname", SYS_getsockname },
		      { "mmap", SYS_mmap },
		      { "fcntl", SYS_fcntl },
		      { "recvfrom", SYS_recvfrom },
		      { "ppoll", SYS_ppoll } };
	unsigned refused = SYS_bind;
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (!strcmp(calls[i].name, step->arguments[0].word))
			refused = calls[i].number;
	bool kill = step->arguments[1].word[0] == 'k';
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refused, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, kill ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof code / sizeof *code, code };
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (step->arguments[2].word[0] == 's')
		say_result(strand, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
	else
		say_result(strand, prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

/* Landlock: no file, or no bind() of TCP, is within reach any more; who breaks it gets EACCES. */
static void run_landlock(struct strand *strand, const struct step *step)
{
	struct {
		uint64_t files, network;
	} rules = { 0 };
	if (step->arguments[0].word[0] == 'f')
		rules.files = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
			      LANDLOCK_ACCESS_FS_MAKE_REG;
	else
		rules.network = 1; /* LANDLOCK_ACCESS_NET_BIND_TCP */
	int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	say_result(strand, fd < 0 ? fd : syscall(SYS_landlock_restrict_self, fd, 0));
	close(fd);
}

/* A filter that knows one family of sockets less: what asks for routes, as Docker's and systemd's do. */
static void run_filter_family(struct strand *strand, const struct step *step)
{
	bool kill = step->arguments[0].word[0] == 'k';
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, kill ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof code / sizeof *code, code };
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	say_result(strand, prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

static void run_chroot(struct strand *strand, const struct step *step)
{
	(void)step;
	say_result(strand, chroot("."));
	parity_is_known = false;
}

static void run_setns(struct strand *strand, const struct step *step)
{
	char name[40];
	snprintf(name, sizeof name, "TWIN_NS_%s", step->arguments[0].word);
	const char *path = getenv(name);
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	say_result(strand, fd < 0 ? fd : setns(fd, CLONE_NEWNET));
	close(fd);
}

static void run_unshare(struct strand *strand, const struct step *step)
{
	const char *what = step->arguments[0].word;
	say_result(strand, unshare(!strcmp(what, "net")     ? CLONE_NEWNET
				   : !strcmp(what, "files") ? CLONE_FILES
							    : CLONE_FS));
	if (strcmp(what, "net"))
		return;
	/* A new network is nothing without its loopback device. */
	struct ifreq request = { .ifr_name = "lo" };
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
}

/* Only after unshare net: the world's own range stays. */
static void run_range(struct strand *strand, const struct step *step)
{
	int fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY | O_CLOEXEC);
	dprintf(fd, "%ld %ld\n", step->arguments[0].number, step->arguments[1].number);
	close(fd);
	(void)strand;
}

/* Shared memory of its own: SIGBUS where somebody else has filled /dev/shm. */
static void run_shm(struct strand *strand, const struct step *step)
{
	size_t size = (size_t)step->arguments[0].number * 1024;
	int fd = shm_open("/twin-own", O_RDWR | O_CREAT, 0600);
	say_result(strand, fd < 0 ? fd : ftruncate(fd, (off_t)size));
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	shm_unlink("/twin-own");
	close(fd);
	if (memory == MAP_FAILED)
		return;
	memset(memory, 1, size);
	munmap(memory, size);
}

/* How many fds may still be opened, up to what the limit leaves. */
static void run_spare(struct strand *strand, const struct step *step)
{
	int fds[128], count = 0;
	(void)step;
	while (count < 128 && (fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		count++;
	say(strand, " count=");
	say_number(strand, count);
	while (count)
		close(fds[--count]);
}

/* Opens files until KEEP may still be opened, and keeps them: at the limit of fds. */
static void run_fill(struct strand *strand, const struct step *step)
{
	int fds[512], count = 0;
	parity_is_known = false;
	while (count < 512 && (fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		count++;
	for (long i = 0; i < step->arguments[0].number && count; i++)
		close(fds[--count]);
	(void)strand;
}

const struct operation sandbox_operations[] = {
	{ "limit", 1, "one:nofile|fsize int:8-64", run_limit },
	{ "filter", 0,
	  "one:bind|setsockopt|getsockopt|openat|getsockname|mmap|fcntl|recvfrom|ppoll one:errno|kill "
	  "one:prctl|seccomp",
	  run_filter },
	{ "landlock", 0, "one:files|bind", run_landlock },
	{ "filter-netlink", 0, "one:errno|kill", run_filter_family },
	{ "chroot", 1, "", run_chroot },
	{ "setns", 0, "one:other|near", run_setns },
	{ "unshare", 1, "one:net|files|fs", run_unshare },
	{ "range", 0, "int:1024-65535 int:1024-65535", run_range },
	{ "shm", 1, "int:4-64", run_shm },
	{ "spare", 2, "", run_spare },
	{ "fill", 0, "int:0-4", run_fill },
	{ NULL, 0, NULL, NULL },
};
