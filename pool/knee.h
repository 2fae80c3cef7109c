// SPDX-License-Identifier: Apache-2.0
/* knee - make the kernel try every port once, so that connect() stays fast past half of the range.
 *
 * Without help connect() walks all ports of one parity before it tries the others (__inet_hash_connect,
 * net/ipv4/inet_hashtables.c): from half of the range in use each call walks thousands of taken ports. A
 * socket with IP_LOCAL_PORT_RANGE is spared that from Linux 6.8 on. 1..65535 stands for the namespace's own
 * range, as each end outside of it is ignored. From 6.3 to 6.7, and from 6.1.37 on in 6.1, the option is
 * there, but the parity is kept; a small window of the range, moved when it is full, keeps the walk short. */
#ifndef HEADROOM_POOL_KNEE_H
#define HEADROOM_POOL_KNEE_H

#include "port_range.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum knee_way { KNEE_WHOLE_RANGE, KNEE_WINDOW, KNEE_UNAIDED };
enum { KNEE_WINDOWS = 32 };

struct knee {
	atomic_int way; /* enum knee_way; the kernel may refuse the option at any connect() */
};

/* One connect()'s walk through the windows. All zero before the first. */
struct knee_walk {
	unsigned first, tried;
};

/**
 * knee_start() - find out from the kernel's release which way is right
 */
void knee_start(struct knee *knee);

/**
 * knee_way_of_release() - the way for a kernel release such as "6.5.0-14-generic"
 */
enum knee_way knee_way_of_release(const char *release);

/**
 * knee_remove() - set the option before a connect()
 * @walk:	where a walk through windows stands; each call moves it on
 * @random:	start of that walk
 * Return: true if it was set
 */
bool knee_remove(struct knee *knee, int fd, const struct port_range *range, struct knee_walk *walk,
		 uint32_t random);

/**
 * knee_has_more() - after EADDRNOTAVAIL: is there a window not tried yet?
 */
bool knee_has_more(const struct knee *knee, const struct port_range *range, const struct knee_walk *walk);

#endif
