// SPDX-License-Identifier: Apache-2.0
/* rewrite - a service address with several backends behind it, as Cilium and others that replace kube-proxy
 * make it: connect() to it goes to one of them by chance, rewritten by a BPF program of the cgroup;
 * getpeername() shows the service
 *
 * rewrite CGROUP IP PORT BACKEND-PORT BACKEND-PORT COMMAND...: goes into the cgroup (a folder of a cgroup2
 * mount) and runs the command there. IPv4. Exit 77 where the kernel has no such programs or does not let us
 * load one.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define INSN(c, d, s, o, i) \
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define LOAD(d, s, field)  INSN(BPF_LDX | BPF_MEM | BPF_W, d, s, offsetof(struct bpf_sock_addr, field), 0)
#define STORE(d, field, s) INSN(BPF_STX | BPF_MEM | BPF_W, d, s, offsetof(struct bpf_sock_addr, field), 0)
#define SET(d, value)      INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, value)
#define COPY(d, s)         INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define AND(d, value)      INSN(BPF_ALU64 | BPF_AND | BPF_K, d, 0, 0, value)
/* 32 bits are compared: an address need not be positive. */
#define UNLESS(d, value, o) INSN(BPF_JMP32 | BPF_JNE | BPF_K, d, 0, o, (int32_t)(value))
#define CALL(function)      INSN(BPF_JMP | BPF_CALL, 0, 0, 0, function)
#define LEAVE               INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

static char said[65536];

static int load(const struct bpf_insn *code, size_t count, enum bpf_attach_type where)
{
	union bpf_attr a = { .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
			     .expected_attach_type = where,
			     .insns = (uintptr_t)code,
			     .insn_cnt = (uint32_t)count,
			     .license = (uintptr_t) "GPL",
			     .log_buf = (uintptr_t)said,
			     .log_size = sizeof(said),
			     .log_level = 1 };
	int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof(a));

	if (fd < 0) {
		warn("a BPF program cannot be loaded: %s", said);
		exit(errno == EINVAL || errno == EACCES ? 1 : 77);
	}
	return fd;
}

static void attach(int cgroup, int program, enum bpf_attach_type where)
{
	union bpf_attr a = { .target_fd = (uint32_t)cgroup,
			     .attach_bpf_fd = (uint32_t)program,
			     .attach_type = where,
			     .attach_flags = BPF_F_ALLOW_MULTI };

	if (syscall(SYS_bpf, BPF_PROG_ATTACH, &a, sizeof(a))) {
		warn("a BPF program cannot be attached");
		exit(77);
	}
}

static uint32_t port(const char *text)
{
	return htons((uint16_t)atoi(text));
}

static void join(int cgroup)
{
	int fd = openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", getpid());

	if (fd < 0 || write(fd, text, (size_t)length) != length) {
		warn("cgroup.procs");
		exit(77);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc < 7)
		errx(2, "usage: rewrite CGROUP IP PORT BACKEND-PORT BACKEND-PORT COMMAND...");
	uint32_t service = inet_addr(argv[2]);
	const struct bpf_insn on_connect[] = {
		COPY(6, 1),
		LOAD(0, 6, user_ip4),
		UNLESS(0, service, 8),
		LOAD(0, 6, user_port),
		UNLESS(0, port(argv[3]), 6),
		CALL(BPF_FUNC_get_prandom_u32),
		AND(0, 1),
		SET(1, (int32_t)port(argv[4])),
		UNLESS(0, 0, 1),
		SET(1, (int32_t)port(argv[5])),
		STORE(6, user_port, 1),
		SET(0, 1),
		LEAVE,
	};
	const struct bpf_insn on_peername[] = {
		COPY(6, 1),
		LOAD(0, 6, user_ip4),
		UNLESS(0, service, 2),
		SET(1, (int32_t)port(argv[3])),
		STORE(6, user_port, 1),
		SET(0, 1),
		LEAVE,
	};
	int cgroup = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (cgroup < 0) {
		warn("%s", argv[1]);
		return 77;
	}
	attach(cgroup, load(on_connect, sizeof(on_connect) / sizeof(*on_connect), BPF_CGROUP_INET4_CONNECT),
	       BPF_CGROUP_INET4_CONNECT);
	attach(cgroup,
	       load(on_peername, sizeof(on_peername) / sizeof(*on_peername), BPF_CGROUP_INET4_GETPEERNAME),
	       BPF_CGROUP_INET4_GETPEERNAME);
	join(cgroup);
	execvp(argv[6], argv + 6);
	err(2, "%s", argv[6]);
}
