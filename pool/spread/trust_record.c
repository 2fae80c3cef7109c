// SPDX-License-Identifier: Apache-2.0
/* trust_record - what is known of a source towards a destination. */
#include "pool/spread/trust_record.h"

#include "pool/base/hot.h"

#include <errno.h>

#define SECOND_NS 1000000000ull

COLD struct trust_of_all *trust_of_all(struct ledger *ledger, struct destination *destination)
{
	if (destination->trust)
		return destination->trust;
	destination->trust = arena_alloc(ledger->arena, sizeof(struct trust_of_all));
	if (destination->trust)
		*destination->trust = (struct trust_of_all){ 0 };
	return destination->trust;
}

/* connect(2), tcp(7), ip(7). */
COLD bool trust_tells_of_network(int error)
{
	switch (error) {
	case 0: /* given up */
	case ETIMEDOUT:
	case ECONNREFUSED:
	case ECONNRESET:
	case ECONNABORTED:
	case EPIPE:
	case EPROTO:
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENETUNREACH:
	case ENETDOWN:
	case ENONET:
	case EACCES: /* a route that prohibits; a packet filter says EPERM */
	case EPERM:
		return true;
	default:
		return false;
	}
}

COLD uint64_t trust_pause_ns(unsigned times)
{
	uint64_t seconds = TRUST_ASIDE_MOST_S;

	if (times < 9)
		seconds = (uint64_t)TRUST_ASIDE_S << (times ? times - 1 : 0);
	return (seconds < TRUST_ASIDE_MOST_S ? seconds : TRUST_ASIDE_MOST_S) * SECOND_NS;
}
