// SPDX-License-Identifier: Apache-2.0
/* knee - make the kernel try every port once, so that connect() stays fast past half of the range.
 *
 * Without help connect() walks all ports of one parity before it tries the others (__inet_hash_connect,
 * net/ipv4/inet_hashtables.c): from half of the range in use each call walks thousands of taken ports. A
 * socket with IP_LOCAL_PORT_RANGE is spared that from Linux 6.8 on. 1..65535 stands for the namespace's own
 * range, as each end outside of it is ignored. From 6.3 to 6.7, and from 6.1.37 on in 6.1, the option is
 * there, but the parity is kept; a small window of the range, moved when it is full, keeps the walk short.
 *
 * Far from the knee the option gains nothing, costs a system call, and takes the odd ports that the kernel
 * keeps for bind(0). So it is set near the knee only: see slowness.h.
 *
 * A connection to an address of this host may meet itself: the kernel picks the port that it is to connect
 * to, and where nobody listens the two ends are one (RFC 9293, 3.5). Of a port of the other parity that
 * cannot be while half of the range is free, so with the option that port is left for the last.
 *
 * By the kernel's release:
 *
 *   6.8 and later     IP_LOCAL_PORT_RANGE = 1..65535: the namespace's range, and the parity scan is off
 *   before 6.8        the option keeps the parity: one of up to 32 windows of at least 64 ports, from a
 *                     random one on; EADDRNOTAVAIL moves to the next
 *   before 6.3, but   ENOPROTOOPT at the first try, then never again. `even` and `spill` keep each source
 *     not 6.1.37 on   below half while they can
 *
 * What a vendor has put into an older release the number does not say; a window is right with either scan,
 * so it is tried. A refusal by an MPTCP socket says nothing: MPTCP got the option later than TCP. Not set
 * on a socket with a port or a range of the program's. The option costs 0.4 us. EADDRNOTAVAIL without it
 * leaves a port of an odd range untried: then connect() is made again with it. tests/kernels runs it on
 * other kernels. */
#ifndef HEADROOM_POOL_SPREAD_KNEE_H
#define HEADROOM_POOL_SPREAD_KNEE_H

#include "pool/base/address.h"
#include "pool/ports/range.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum knee_way { KNEE_WHOLE_RANGE, KNEE_WINDOW, KNEE_UNAIDED };
enum { KNEE_WINDOWS = 32 };

struct knee {
	atomic_int way; /* enum knee_way; the kernel may refuse the option at any connect() */
};

/* What one connect() is given. Through windows it walks from a random one on. */
struct knee_aid {
	bool possible; /* the option is ours to set */
	bool on;
	unsigned tried; /* windows; with the whole range there is one */
	uint32_t random;
	uint16_t last;           /* port to be tried after all others; 0: none is */
	struct port_range range; /* of the namespace */
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
 * knee_is_near() - is enough in use that a connect() may have to walk? True where the capacity is not known.
 * @in_use:	ports of the tuple space
 */
static inline bool knee_is_near(uint32_t in_use, const struct port_range *range)
{
	return in_use * 4 >= port_range_capacity(range);
}

/**
 * knee_keeps_for_last() - the port that a connection could meet itself on, or 0
 * @source:	that it leaves from; NULL: not known
 */
uint16_t knee_keeps_for_last(const struct endpoint *to, const struct address *source,
			     const struct port_range *range);

/**
 * knee_is_whole() - does one window stand for the whole range?
 */
bool knee_is_whole(const struct knee *knee, const struct knee_aid *aid);

/**
 * knee_may_be_local() - can a connection have the same address at both ends?
 * @source:	NULL: not known
 */
bool knee_may_be_local(const struct endpoint *to, const struct address *source);

/**
 * knee_remove() - set the option before a connect(); each call moves on to the next window
 * Return: true if it was set
 */
bool knee_remove(struct knee *knee, int fd, struct knee_aid *aid);

/**
 * knee_has_more() - after EADDRNOTAVAIL: may there be a port that was not tried?
 *
 * There is with windows left. And connect() leaves out a port of an odd range, unless the option is set
 * (__inet_hash_connect(), net/ipv4/inet_hashtables.c): then @aid is on from here.
 */
bool knee_has_more(const struct knee *knee, struct knee_aid *aid);

#endif
