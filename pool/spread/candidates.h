// SPDX-License-Identifier: Apache-2.0
/* candidates - look up what has to be known before a source can be chosen, when it is not known or old.
 *
 * The port range (30 s), what `auto` stands for (30 s), for `spill` the natural source (5 s), for named
 * sources the prefixes on this machine's links (30 s). A source of another link than the destination's is
 * asked about once (links_part(), from memory; any where a tunnel has no prefix; then candidates_parted()):
 * behind a gateway, or by its own interface, it is used; else it is aside for this destination. Where all are
 * of another interface than the one with the gateway, whether there is a way back is doubtful, and
 * resort_be_wary() is told. */
#ifndef HEADROOM_POOL_SPREAD_CANDIDATES_H
#define HEADROOM_POOL_SPREAD_CANDIDATES_H

#include "pool/spread/events.h"
#include "pool/spread/spreading.h"

enum { CANDIDATES_NATURAL_LIFE_S = 5, CANDIDATES_AUTO_LIFE_S = 30, CANDIDATES_LINKS_LIFE_S = 30 };

/* What is old. */
struct candidates_age {
	bool range;    /* the port range, where it bears on the choice */
	bool list;     /* what `auto` stands for */
	bool natural;  /* the source the kernel would choose, where `spill` starts with it */
	bool segment;  /* the usage segment is not made yet */
	bool board;    /* what other processes found out, where the destination is new */
	bool siblings; /* what other processes have in use */
	bool trust;    /* how a connection under way is doing, where that matters */
	bool links;    /* the prefixes on this machine's links, where sources are named */
	bool first;    /* of a new destination: whether its sources are of the interface that leads there */
};

/**
 * candidates_age() - what has to be looked up for a destination; the lock is held
 * @spreads:	its source is ours to choose
 * Return: false if nothing has to be
 */
bool candidates_age(struct spreading *spreading, const struct destination *destination, bool spreads,
		    uint64_t now_ns, struct candidates_age *age);

/**
 * candidates_refresh() - look it up: a few system calls each; call without the lock
 * @held:	the socket it is for; nothing is entered if the process was forked meanwhile
 * @fd:		its number
 * @destination:	with a user, so that it stays
 */
void candidates_refresh(struct spreading *spreading, const struct held *held, int fd,
			struct destination *destination, const struct candidates_age *age,
			struct events *events, uint64_t now_ns);

/**
 * candidates_class_is_ordinary() - does a traffic class take the way to a destination that a socket without
 *one takes? If not, or if it cannot be known, the source of such a socket is the kernel's
 */
bool candidates_class_is_ordinary(const struct endpoint *to, uint8_t class);

/**
 * candidates_parted() - is a destination on the link of another interface than that of the source?
 *
 * There the peer answers over a way of its own, if at all. Not so if a routing rule gives the source an
 * uplink of its own, over a gateway or by the interface of the source; nor for an address that is on no link
 * (`lo`). Asks the kernel two to three questions: for the pairs that links_part() doubts.
 */
bool candidates_parted(const struct endpoint *to, const struct address *source);

#endif
