// SPDX-License-Identifier: Apache-2.0
/* keep - may a connection that the program closes be parked? The program, the guard and the kernel are asked.
 *
 * Bytes that no hook sees (stdio in libc, io_uring, raw system calls) make the kernel's counts differ from
 * the guard's: closed for real. sendfile() and splice() are seen, and refused. fclose() never parks: stdio
 * may still write. Others who may hold the connection, by dup(), SCM_RIGHTS or a fork since its socket()
 * (`forks`), rule parking out. Ours is an fd by F_DUPFD_CLOEXEC, from half of RLIMIT_NOFILE or 8,192 on,
 * in the fd table as SOCKET_PARKED. */
#ifndef HEADROOM_POOL_REUSE_KEEP_H
#define HEADROOM_POOL_REUSE_KEEP_H

#include "pool/reuse/reuse.h"

/**
 * keep_connection() - its last fd is about to be closed; the lock is held
 * @fd:		that fd
 * @rtt_us:	filled: round-trip time
 *
 * What needs no system call is asked first. None of the system calls can block, and no fork is to see them
 * half done.
 * Return: an fd of ours of the connection, which has left its epoll sets, to be given to parked_enter(); -1
 *if it is to be closed for real: the reason is counted
 */
int keep_connection(struct reusing *reusing, struct tracked *tracked, int fd, uint64_t now_ns,
		    uint32_t *rtt_us);

/**
 * keep_refused() - instead of parked_enter(): count the reason; the lock is held
 */
void keep_refused(struct reuse *reuse, enum reuse_refusal refusal);

#endif
