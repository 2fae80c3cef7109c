// SPDX-License-Identifier: Apache-2.0
/* recent_file - the file of what short-lived processes counted: making, opening and mapping it. */
#ifndef HEADROOM_POOL_SEGMENT_RECENT_FILE_H
#define HEADROOM_POOL_SEGMENT_RECENT_FILE_H

#include "pool/segment/recent_layout.h"

#include <stdbool.h>
#include <stddef.h>

/**
 * recent_open() - open it, if it is one and nobody but its user can write to it
 * @place:	directory of this user's segments; not looked at, as it is the file itself that is to be
 * trusted
 * @owner:	uid it has to belong to
 * @write:	for reading and writing
 * Return: an fd, or a negative errno
 */
long recent_open(const char *place, unsigned owner, bool write);

/**
 * recent_make() - make it, empty; another may be faster
 */
void recent_make(int directory);

/**
 * recent_map() - map it
 * Return: NULL if it cannot be
 */
struct recent *recent_map(int fd);

/**
 * recent_unmap()
 */
void recent_unmap(struct recent *recent);

/**
 * recent_populate() - memory for a part of it, so that no store there can raise SIGBUS
 * Return: false if there is none
 */
bool recent_populate(int fd, struct recent *recent, const void *at, size_t size);

#endif
