// SPDX-License-Identifier: Apache-2.0
/* page - the size of a page: 4 KiB, on aarch64 16 or 64 KiB as well. */
#ifndef HEADROOM_POOL_LIBC_PAGE_H
#define HEADROOM_POOL_LIBC_PAGE_H

#include <stddef.h>
#include <sys/auxv.h>

/**
 * page_size() - in bytes, a power of two; getauxval(3)
 */
static inline size_t page_size(void)
{
	return getauxval(AT_PAGESZ);
}

/**
 * page_start() - where the page begins that an address or offset is in
 */
static inline size_t page_start(size_t at)
{
	return at & ~(page_size() - 1);
}

#endif
