// SPDX-License-Identifier: Apache-2.0
/* kernel - a scriptable stand-in for the kernel behind the table of pool/base/kernel.h, and for the clock. */
#ifndef HEADROOM_TESTS_UNIT_FAKE_KERNEL_H
#define HEADROOM_TESTS_UNIT_FAKE_KERNEL_H

#include "pool/base/address.h"
#include "pool/base/kernel.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum fake_call {
	CALL_SOCKET,
	CALL_CLOSE,
	CALL_BIND,
	CALL_CONNECT,
	CALL_LISTEN,
	CALL_SETSOCKOPT,
	CALL_GETSOCKOPT,
	CALL_GETSOCKNAME,
	CALL_IOCTL,
	CALL_SENDTO,
	CALL_RECV,
	CALL_OPENAT,
	CALL_READ,
	CALL_WRITE,
	CALL_FSTAT,
	CALL_ACCESS,
	CALL_LSTAT,
	CALL_FCNTL,
	CALL_DUP3,
	CALL_EPOLL_CTL,
	CALL_PPOLL,
	CALL_GETPID,
	CALL_FUTEX_WAIT,
	CALL_FUTEX_WAKE,
	FAKE_CALLS,
};

enum {
	FAKE_FDS = 4096,
	FAKE_FIRST_FD = 100,
	FAKE_FILES = 8,
	FAKE_FAULTS = 8,
	FAKE_LIMITS = 32,
	FAKE_OPTIONS = 4,
	FAKE_WATCHES = 16,
	FAKE_ADDRESSES = 128,
	FAKE_ROUTES = 8,
	FAKE_OUTPUT = 16384,
	FAKE_PID = 4711,
	FAKE_IPV6_MINHOPCOUNT = 73, /* linux/in6.h */
	FAKE_SO_NETNS_COOKIE = 71,  /* asm-generic/socket.h */
};

struct fake_file {
	const char *path, *text;
	size_t size;
	mode_t mode; /* as in struct stat */
	uid_t owner;
};

/* An option of a socket that nothing here acts on. */
struct fake_option {
	int level, name;
	socklen_t length; /* 0: not set */
	uint8_t value[16];
};

/* A socket, an open file, or an epoll set. */
struct fake_fd {
	bool used;
	bool epoll;
	bool cloexec;
	int status; /* fcntl(2): F_GETFL */
	const struct fake_file *file;
	bool log_file;
	size_t offset;

	int family, type, protocol;
	uint64_t cookie, network; /* SO_COOKIE, SO_NETNS_COOKIE */
	struct endpoint local;    /* port 0: none yet */
	struct endpoint peer;
	bool answers;      /* and would have answered (IP_MINTTL) */
	bool listened;     /* at some time, be it for a moment */
	bool keeps_source; /* was bound to an address once: keeps a source past a failed connect() */
	bool connected, spreading;
	bool time_wait; /* closed; the four values are still taken */
	int least_ttl;
	int no_port, reuse_port, transparent, v6only;
	uint32_t range;
	char device[16];
	struct linger linger;
	struct fake_option options[FAKE_OPTIONS];
	uint8_t tcp_state, tcp_state_next; /* after the next TCP_INFO, if not 0 */
	bool peer_end;                     /* for poll(2): POLLRDHUP */
	uint32_t silent_ms;                /* tcpi_last_data_recv */
	uint64_t sent, received;           /* of TCP_INFO: bytes acknowledged, bytes received */
	uint32_t unacked, not_sent, rtt_us, min_rtt_us;
	int error;         /* SO_ERROR */
	long to_recv;      /* what recv() answers: bytes there, or a negative errno */
	char request[192]; /* netlink: what was asked last */
	bool in_dump;      /* and the reply is out, the end mark is due */
};

/* Makes a call fail. */
struct fault {
	enum fake_call call;
	int option; /* of setsockopt() and getsockopt(), command of fcntl(), operation of epoll_ctl(); 0: any
		     */
	int error;  /* errno */
	unsigned skip, times; /* leave that many alone, then fail that many */
};

/* The four values a tuple space may have less of than the range has: others use the rest. */
struct fake_limit {
	struct address source;
	struct endpoint to;
	unsigned ports;
};

/* What epoll_ctl() entered. */
struct fake_watch {
	int epoll, fd;
	uint64_t cookie; /* of the socket */
	uint32_t events;
	uint64_t data;
};

/* What RTM_GETADDR tells. */
struct fake_interface_address {
	struct address address;
	unsigned interface;
	uint8_t scope, flags;
	uint8_t bits;        /* of the prefix; 0: 24, or 64 of IPv6 */
	struct address peer; /* of a point-to-point link */
};

/* What RTM_GETROUTE tells; the first that matches. Where none does: on the link of interface 2. */
struct fake_route {
	struct address net;
	unsigned bits;         /* of the 128-bit form */
	struct address from;   /* unset: any source */
	uint8_t traffic_class; /* 0: any */
	struct address source, gateway;
	unsigned interface;
};

struct fake_kernel {
	unsigned calls[FAKE_CALLS];
	struct fault faults[FAKE_FAULTS];
	unsigned fault_count;
	struct fake_fd fds[FAKE_FDS];
	uint64_t last_cookie;
	uint64_t network; /* the namespace of sockets to come; 0: a kernel that does not tell */
	struct fake_watch watches[FAKE_WATCHES];
	unsigned watch_count;
	unsigned resets;      /* connections closed with SO_LINGER of 0 */
	size_t tcp_info_size; /* what the kernel has of struct tcp_info; 0: all of it */
	struct fake_file files[FAKE_FILES];
	unsigned file_count;
	char sysctls[3][512]; /* text of the files of fake_range() */

	uint16_t low, high; /* the range */
	struct address natural_v4, natural_v6;
	struct address not_local[4];  /* bind() refuses these */
	struct address unroutable[4]; /* nothing leaves from these */
	unsigned not_local_count, unroutable_count;
	int no_route; /* errno of every connect(), unless 0 */
	struct fake_limit limits[FAKE_LIMITS];
	unsigned limit_count;
	struct fake_interface_address addresses[FAKE_ADDRESSES];
	unsigned address_count;
	struct fake_route routes[FAKE_ROUTES];
	unsigned route_count, routes_asked;

	long backlog; /* what sock_diag tells of a listener: so many to accept, or a negative errno */
	unsigned backlogs_asked;

	long connect_result;   /* of the program's connect() once it has a port: 0 or a negative errno */
	uint64_t connect_ns;   /* what each takes */
	bool connect_waits;    /* and that is no processor time */
	uint64_t poll_most_ns; /* the longest that a ppoll() for fds was to wait */
	uint64_t waited_ns;    /* so much of the time was none, and with futex_wait() */
	void (*while_waiting)(void *); /* runs inside futex_wait() */
	void *while_waiting_argument;
	unsigned program_connects; /* how many were made */
	void (*meanwhile)(void *); /* runs inside the program's connect() */
	void *meanwhile_argument;
	void (*while_asking)(void *); /* runs inside a question by netlink, once */
	void *while_asking_argument;

	char output[FAKE_OUTPUT];   /* written to fd 2 */
	char log_file[FAKE_OUTPUT]; /* written to a file opened for writing */
	mode_t log_mode;            /* of that file, as in struct stat */
	nlink_t log_names;
	char syslog[FAKE_OUTPUT]; /* sent over AF_UNIX */
	ino_t stderr_inode;
	short stderr_ready; /* what poll says of fd 2; 0: nothing */

	bool clock_stopped; /* the clock shows now_ns */
	uint64_t now_ns;
	uint64_t coarse_lag_ns; /* CLOCK_MONOTONIC_COARSE is this much behind */
	int64_t realtime_s;     /* CLOCK_REALTIME */
};

extern struct fake_kernel fake;

/**
 * fake_start() - put the fake in place of the kernel: range 40000-40099, nothing open, the clock at 1,000 s
 */
void fake_start(void);

/**
 * fake_stop() - the real kernel and clock again
 */
void fake_stop(void);

/**
 * fake_fail() - from now on a call fails
 */
void fake_fail(enum fake_call call, int error);

/**
 * fake_fail_option() - from now on a call fails for one option, command or operation
 */
void fake_fail_option(enum fake_call call, int option, int error);

/**
 * fake_fail_some() - a call fails @times times, after @skip times
 */
void fake_fail_some(enum fake_call call, int error, unsigned skip, unsigned times);

/**
 * fake_recover() - nothing fails any longer
 */
void fake_recover(void);

/**
 * fake_file() - a file there is to be read
 * @text:	kept
 */
struct fake_file *fake_file(const char *path, const char *text);

/**
 * fake_range() - the ports of the namespace, also as files of /proc
 */
void fake_range(uint16_t low, uint16_t high, const char *reserved, int time_wait_reuse);

/**
 * fake_limit() - others leave only @ports ports from a source to a destination
 */
void fake_limit(const char *source, const char *to, unsigned ports);

/**
 * fake_tcp_socket() - what the program's socket() gives
 * Return: fd
 */
int fake_tcp_socket(int family);

/**
 * fake_fd() - what is behind an fd
 */
struct fake_fd *fake_fd(int fd);

/**
 * fake_epoll() - an epoll set
 * Return: fd
 */
int fake_epoll(void);

/**
 * fake_watch() - what an epoll set has of an open fd
 * Return: NULL if nothing
 */
struct fake_watch *fake_watch(int epoll, int fd);

/**
 * fake_close_socket() - the program's close()
 * @time_wait:	leave the four values taken
 */
void fake_close_socket(int fd, bool time_wait);

/**
 * fake_total_calls() - system calls made through the table so far
 */
unsigned fake_total_calls(void);

/**
 * fake_open_fds() - how many fds are open
 */
unsigned fake_open_fds(void);

struct fake_connect {
	int fd;
	struct endpoint to;
};

/**
 * fake_program_connect() - the program's own connect(), for attempt_run()
 * @argument:	struct fake_connect
 */
long fake_program_connect(void *argument);

struct fake_bind {
	int fd;
	struct endpoint local;
};

/**
 * fake_program_bind() - the program's own bind(), for deferral_bind()
 * @argument:	struct fake_bind
 */
long fake_program_bind(void *argument);

#endif
