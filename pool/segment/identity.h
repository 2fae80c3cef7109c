// SPDX-License-Identifier: Apache-2.0
/* identity - what tells a process from all others: its pid, when that was its own, its namespaces. */
#ifndef HEADROOM_POOL_SEGMENT_IDENTITY_H
#define HEADROOM_POOL_SEGMENT_IDENTITY_H

#include "pool/segment/layout.h"

/**
 * usage_identify() - enter who the calling process is: pid, namespaces, command line
 *
 * @header:	its network namespace is not asked for where it is there already
 *
 * What /proc does not tell stays 0.
 */
void usage_identify(struct usage_header *header);

/**
 * usage_identify_network() - the network namespace of this thread: its inode, and its cookie
 */
void usage_identify_network(uint64_t *inode, uint64_t *cookie);

/**
 * usage_network_namespace(), usage_network_cookie() - each by itself. The first of a process to look into its
 * /proc/PID takes 10 us
 */
uint64_t usage_network_namespace(void);
uint64_t usage_network_cookie(void);

/**
 * usage_network_cookie_of() - that of a socket
 */
uint64_t usage_network_cookie_of(int fd);

/**
 * usage_start_ticks() - when a process began, in clock ticks since boot
 * @stat:	text of /proc/PID/stat (proc(5), field 22)
 * Return: 0 if it does not say
 */
uint64_t usage_start_ticks(const char *stat);

/**
 * usage_namespace() - the inode that names a namespace
 * @path:	such as /proc/self/ns/net (namespaces(7))
 * Return: 0 if it is not to be had
 */
uint64_t usage_namespace(const char *path);

#endif
