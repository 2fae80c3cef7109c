// SPDX-License-Identifier: Apache-2.0
/* readable - may we follow a pointer of the program's? */
#include "preload/base/readable.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "preload/base/process.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>

enum { PAGE_BITS = 12 };

/* Of the pages that could be read each is in the place its number says. */
static inline atomic_uintptr_t *place_of(uintptr_t page)
{
	return &shim.readable_pages[page % SHIM_READABLE_PAGES];
}

/* An option that does not exist: the kernel reads its value, and nothing else happens (sk_setsockopt(),
 * net/core/sock.c). MPTCP refuses it unread; getsockopt() there reads the length it is given, which memory
 * checkers take for the size of a buffer. Only a networked program's own kinds of call, for sandboxes' sake.
 */
ONCE static bool ask(int fd, uintptr_t address)
{
	enum { NO_SUCH_OPTION = 0x7ffffff0 };
	int ignored;
	long rc = kernel.setsockopt(fd, SOL_SOCKET, NO_SUCH_OPTION, (const void *)address, sizeof(int));

	if (rc == -EOPNOTSUPP)
		rc = kernel.getsockopt(fd, SOL_SOCKET, NO_SUCH_OPTION, &ignored, (socklen_t *)address);
	return rc == -ENOPROTOOPT || rc == -EINVAL;
}

static inline bool page_readable(int fd, uintptr_t address)
{
	uintptr_t page = address >> PAGE_BITS;

	if (likely(page && atomic_load_explicit(place_of(page), memory_order_relaxed) == page))
		return true;
	if (!page || !ask(fd, address & ~(uintptr_t)3))
		return false;
	atomic_store_explicit(place_of(page), page, memory_order_relaxed);
	return true;
}

HOT_WHOLE bool readable(int fd, const void *address, socklen_t length)
{
	uintptr_t first = (uintptr_t)address, last = first + (length ? length - 1 : 0);

	/* Longer than any address: the kernel will say EINVAL. */
	if (unlikely(length > sizeof(struct sockaddr_storage) || last < first))
		return false;
	return page_readable(fd, first) &&
	       (likely(first >> PAGE_BITS == last >> PAGE_BITS) || page_readable(fd, last));
}

bool readable_bytes(int fd, const void *bytes, size_t size)
{
	uintptr_t at = (uintptr_t)bytes >> PAGE_BITS, last = ((uintptr_t)bytes + size - 1) >> PAGE_BITS;

	if (!size || size > READABLE_MOST)
		return false;
	for (; at <= last; at++)
		if (!page_readable(fd, at << PAGE_BITS))
			return false;
	return true;
}
