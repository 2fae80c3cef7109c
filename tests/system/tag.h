// SPDX-License-Identifier: Apache-2.0
/* tag - what the files of the program `tag` share */
#ifndef TAG_H
#define TAG_H

#include <stdbool.h>
#include <stddef.h>

enum tag_kind { TAG_HTTP, TAG_REDIS, TAG_MEMCACHED, TAG_RAW };

/* One connection. */
struct peer {
	int fd;
	unsigned number;
	enum tag_kind kind;
	bool bytewise;
	unsigned state; /* what SELECT, MULTI left */
	size_t size;
	char buffer[4096];
};

void tag_send(struct peer *peer, const char *bytes, size_t size);
void tag_wait(unsigned ms);

/** tag_answer() - answers the request at the start of the buffer. Return: false to close */
bool tag_answer(struct peer *peer);

#endif
