// SPDX-License-Identifier: Apache-2.0
/* process_table - which process holds a socket. */
#ifndef HEADROOM_POOL_PORTS_PROCESS_TABLE_H
#define HEADROOM_POOL_PORTS_PROCESS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A socket to be found, and what its finder wants to know it by. */
struct wanted_socket {
	uint32_t inode, tag, note, uid;
	bool found; /* in: it is not looked for, as it is known already */
	int pid;    /* out: of a process that holds it; 0: none was found */
};

struct process {
	int pid;
	char name[16]; /* comm (proc(5)); what printable.h would escape is '?' */
};

/* What could not be looked at. */
struct process_search {
	unsigned refused; /* processes whose fds we may not see */
	size_t missing;   /* sockets with an inode that no visible process holds */
};

typedef void process_visitor(const struct process *process, const struct wanted_socket *socket,
			     void *context);

/**
 * process_table_find() - find the processes that hold these sockets, by /proc/PID/fd (proc(5))
 * @wanted:	sorted by inode in here; inode 0 is looked for nowhere
 * @visit:	called once for each socket and process that holds it: a socket that several share, several
 * times Return: 0 or a negative errno
 */
int process_table_find(struct wanted_socket *wanted, size_t count, struct process_search *search,
		       process_visitor *visit, void *context);

#endif
