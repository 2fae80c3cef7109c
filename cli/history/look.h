// SPDX-License-Identifier: Apache-2.0
/* look - what one look of `headroom record` keeps: of the namespace, of its fullest tuple spaces, and whose
 * the connections are. */
#ifndef HEADROOM_CLI_HISTORY_LOOK_H
#define HEADROOM_CLI_HISTORY_LOOK_H

#include "cli/ports/verdict.h"
#include "pool/base/address.h"

#include <net/if.h>

enum {
	LOOK_VERSION = 1,
	LOOK_SPACES_MAX = 32,
	LOOK_OWNERS_MAX = 256,
	LOOK_OWNERS_OF_SPACE = 8,
	LOOK_STATES = 16,
	LOOK_GROUP_MAX = 48,
	LOOK_HOST_MAX = 64,
	LOOK_BLOCKERS = 0xffff /* the space of an owner that keeps ports from every connect() */
};

/* All of these are as they are on disk: no padding, no pointer. */
struct look_space {
	struct endpoint to;
	struct address source;
	char device[IF_NAMESIZE]; /* of sockets that are bound to an interface; else empty */
	uint32_t in_use, time_wait;
	uint32_t at_least, at_most; /* headroom */
	uint32_t verdict, threshold_percent;
};
_Static_assert(sizeof(struct look_space) == 80, "as it is on disk");

struct look_owner {
	uint16_t space; /* index, or LOOK_BLOCKERS */
	uint16_t processes;
	uint32_t ports;
	int32_t pid; /* of one of them; 0: none that showed */
	char group[LOOK_GROUP_MAX];
};
_Static_assert(sizeof(struct look_owner) == 60, "as it is on disk");

struct look_host {
	uint32_t version;
	uint16_t space_count, owner_count;
	uint64_t realtime_ns, network;
	uint16_t low, high;
	uint32_t reserved, blocked, doubtful, capacity;
	uint32_t udp_in_use, verdict;
	uint32_t in_use, spaces_all; /* of all tuple spaces, kept here or not */
	uint32_t states[LOOK_STATES];
	char host[LOOK_HOST_MAX], kernel[LOOK_HOST_MAX];
	uint32_t reserved_zero;
};
_Static_assert(sizeof(struct look_host) % 8 == 0, "as it is on disk");

struct look {
	struct look_host host;
	struct look_space spaces[LOOK_SPACES_MAX];
	struct look_owner owners[LOOK_OWNERS_MAX];
};

/**
 * look_write() - as it is kept
 * @out:	LOOK_BYTES_MAX bytes
 * Return: bytes
 */
enum { LOOK_BYTES_MAX = sizeof(struct look) };
size_t look_write(const struct look *look, void *out);

/**
 * look_read() - trusts nothing: counts are in bounds, texts end and are printable
 * Return: false if it is none, or of another version
 */
bool look_read(const void *data, size_t size, struct look *out);

/**
 * look_find() - the same tuple space in another look
 * Return: NULL if it is not kept there
 */
const struct look_space *look_find(const struct look *look, const struct look_space *space);

/**
 * look_source() - "10.0.0.5", or "10.0.0.5%eth0"
 * @out:	LOOK_SOURCE_MAX bytes
 * Return: @out
 */
enum { LOOK_SOURCE_MAX = ADDRESS_TEXT_MAX + IF_NAMESIZE };
const char *look_source(const struct look_space *space, char *out);

#endif
