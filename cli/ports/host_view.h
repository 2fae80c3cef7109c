// SPDX-License-Identifier: Apache-2.0
/* host_view - all TCP sockets of a network namespace from one pass: its ports, and every tuple space.
 *
 * The sockets are kept, 16 bytes each. So ports can be asked about after the pass, and the tuple spaces be
 * counted by what came of it, without a second list that would differ from the first. */
#ifndef HEADROOM_CLI_PORTS_HOST_VIEW_H
#define HEADROOM_CLI_PORTS_HOST_VIEW_H

#include "cli/ports/verdict.h"
#include "pool/ports/tuple_space.h"

#include <net/if.h>
#include <uthash.h>

enum { HOST_TUPLES_MAX = 50000, HOST_SOCKETS_MAX = 4000000 };

/* One tuple space. The counts are of ports that connect() may pick. */
struct host_tuple {
	struct tuple_key key;
	uint32_t index;
	uint32_t in_use, time_wait, reusable; /* reusable: of the TIME_WAITs */
	uint32_t by_state[SOCKET_STATES];
	uint32_t unanswered; /* SYNs that were sent again */
	uint32_t unbound;    /* only of one with an interface: ports that sockets without one hold besides */
	uint32_t first_parity; /* in use and not reusable, of the ports that a plain connect() tries first */
	uint32_t doubtful; /* of those in use: a socket holds the port anyway, so no doubt of its headroom */
	UT_hash_handle hh;
};

struct host_socket {
	uint32_t tuple, inode, uid; /* the last two: with `holders` */
	uint16_t port;
	uint8_t state;
	bool unanswered;
};

/* What the kernel said of single ports, kept from look to look: an answer stands for a minute. */
struct port_answers {
	struct {
		uint64_t at_ns; /* 0: not asked */
		bool blocked;
	} ports[65536];
	uint16_t next;
};

struct host_view {
	bool holders; /* in: who holds each socket is wanted, not only who blocks a port */
	struct port_space ports;
	struct kernel_view view;
	struct host_tuple *table, **by_index;
	struct host_socket *sockets;
	size_t socket_count, socket_room;
	uint64_t states[SOCKET_STATES]; /* of all sockets, with a port of the range or without */
	uint64_t left_out;              /* sockets for which there was no room */
	uint32_t capacity;              /* at most: ports that are neither reserved nor known to be blocked */
	uint32_t blocked;               /* known to be blocked, reserved ones aside */
	uint32_t doubtful;              /* of the capacity */
	uint32_t first_parity;          /* of the capacity: what a plain connect() tries first */
	int asked;                      /* of port_space_ask(): 0, or why not all were asked */
};

/**
 * host_view_read() - of the caller's network namespace; no port is asked about yet
 * @view:	all zero, but for `holders`
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int host_view_read(struct host_view *view);

/**
 * host_view_ask() - ask the kernel about doubtful ports; enters what is known in @answers first
 * @answers:	kept from look to look, or NULL
 * @limit_ns:	no question after so long; 0: no limit
 */
void host_view_ask(struct host_view *view, struct port_answers *answers, uint64_t limit_ns);

/**
 * host_view_count() - count ports and tuple spaces by what is known of the ports now
 */
void host_view_count(struct host_view *view);

/**
 * host_view_room() - of one tuple space
 * @tuple:	NULL: one of which no port is in use
 */
struct room host_view_room(const struct host_view *view, const struct host_tuple *tuple);

/**
 * host_view_worst() - the verdict of the worst tuple space, or of one that nobody uses yet if that is worse
 */
enum verdict host_view_worst(const struct host_view *view, unsigned threshold);

/**
 * host_view_sort() - the tuple spaces of which a port is in use, that with the least headroom first
 * @count:	out
 * Return: an array for free(); NULL when memory is short
 */
const struct host_tuple **host_view_sort(const struct host_view *view, unsigned *count);

enum { HOST_SOURCE_TEXT_MAX = ADDRESS_TEXT_MAX + IF_NAMESIZE };

/**
 * host_source_text() - "10.0.0.5", or "10.0.0.5%eth0" of sockets that are bound to an interface
 * @out:	HOST_SOURCE_TEXT_MAX bytes
 * Return: @out
 */
const char *host_source_text(const struct tuple_key *key, char *out);

/**
 * host_view_in_doubt() - is there a tuple space, used or not, whose verdict is VERDICT_UNKNOWN?
 */
bool host_view_in_doubt(const struct host_view *view, unsigned threshold);

/**
 * host_view_end() - give memory back
 */
void host_view_end(struct host_view *view);

#endif
