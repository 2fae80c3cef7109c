// SPDX-License-Identifier: Apache-2.0
/* traffic_classes - towards one destination: which traffic classes take the way that none takes. */
#ifndef HEADROOM_POOL_ROUTES_TRAFFIC_CLASSES_H
#define HEADROOM_POOL_ROUTES_TRAFFIC_CLASSES_H

#include <stdbool.h>
#include <stdint.h>

/* A bit for each of the 64 there are without the bits of ECN (RFC 2474, section 3). */
struct traffic_classes {
	uint64_t known, ordinary;
	uint64_t until_ns; /* then none is known any longer */
};

enum { TRAFFIC_CLASSES_LIFE_S = 30 };

/**
 * traffic_classes_know() - is it known of a class?
 * @ordinary:	whether its way is that of a socket without one
 */
static inline bool traffic_classes_know(const struct traffic_classes *classes, uint8_t class, uint64_t now_ns,
					bool *ordinary)
{
	*ordinary = classes->ordinary >> (class >> 2) & 1;
	return classes->until_ns > now_ns && classes->known >> (class >> 2) & 1;
}

/**
 * traffic_classes_enter() - remember it for TRAFFIC_CLASSES_LIFE_S
 */
static inline void traffic_classes_enter(struct traffic_classes *classes, uint8_t class, uint64_t now_ns,
					 bool ordinary)
{
	uint64_t bit = 1ull << (class >> 2);

	if (classes->until_ns <= now_ns)
		*classes = (struct traffic_classes){ .until_ns = now_ns +
								 TRAFFIC_CLASSES_LIFE_S * 1000000000ull };
	classes->known |= bit;
	classes->ordinary = ordinary ? classes->ordinary | bit : classes->ordinary & ~bit;
}

#endif
