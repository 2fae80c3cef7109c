// SPDX-License-Identifier: Apache-2.0
/* recent_read - what short-lived processes counted, as if each name were one process that has ended. */
#ifndef HEADROOM_POOL_SEGMENT_RECENT_READ_H
#define HEADROOM_POOL_SEGMENT_RECENT_READ_H

#include "pool/segment/read.h"
#include "pool/segment/recent.h"

/**
 * recent_read() - visit what is in the file, one struct usage for each name and network namespace
 * @folder:	directory of a user's segments, for the path that is told
 * @owner:	uid the file has to belong to
 * @visit:	as for usage_walk(); `merged` of the usage is how many processes it stands for
 * Return: 0; -ENOENT if there is no such file; -EINVAL, with @reason filled
 */
int recent_read(struct arena *arena, const char *folder, unsigned owner, usage_visit *visit, void *argument,
		char *reason);

/**
 * recent_read_buffer() - the same of a file in memory
 */
bool recent_read_buffer(struct arena *arena, const struct recent *recent, const char *path, unsigned owner,
			usage_visit *visit, void *argument);

#endif
