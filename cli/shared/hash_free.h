// SPDX-License-Identifier: Apache-2.0
/* hash_free - free all that is in a hash table of uthash, made by malloc() and its kin. */
#ifndef HEADROOM_CLI_SHARED_HASH_FREE_H
#define HEADROOM_CLI_SHARED_HASH_FREE_H

#include <stdlib.h>
#include <uthash.h>

/**
 * HASH_FREE() - afterwards the table is empty
 * @type:	of what is in it, with a member `hh`
 * @head:	the table
 */
#define HASH_FREE(type, head)                           \
	do {                                            \
		type *freed_, *next_;                   \
		HASH_ITER (hh, (head), freed_, next_) { \
			HASH_DEL((head), freed_);       \
			free(freed_);                   \
		}                                       \
	} while (0)

#endif
