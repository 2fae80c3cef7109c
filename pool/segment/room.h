// SPDX-License-Identifier: Apache-2.0
/* room - may usage segments take memory of a file system that programs need for their own?
 *
 * A store into shared memory of the program's own raises SIGBUS when its tmpfs is full (mmap(2)), and Docker
 * gives a container 64 MiB of it. So the files of one user take a sixteenth of it at most, and nothing when
 * less than a quarter would be left. */
#ifndef HEADROOM_POOL_SEGMENT_ROOM_H
#define HEADROOM_POOL_SEGMENT_ROOM_H

#include "pool/segment/directory.h"

enum { USAGE_ROOM_SHARE = 16, USAGE_ROOM_MOST = 32 * 1024 * 1024, USAGE_ROOM_FREE = 4 };

/**
 * usage_room() - may a file of ours grow by so much?
 * @directory:	fd of where the user's segments are; read from its start, if the answer depends on it
 * @names:	to read with
 */
bool usage_room(int directory, uint64_t bytes, struct usage_names *names);

#endif
