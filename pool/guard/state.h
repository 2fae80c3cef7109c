// SPDX-License-Identifier: Apache-2.0
/* state - what a guard knows of one connection: that of all guards, and that of each kind. */
#ifndef HEADROOM_POOL_GUARD_STATE_H
#define HEADROOM_POOL_GUARD_STATE_H

#include "pool/guard/http_headers.h"
#include "pool/guard/memcached_line.h"
#include "pool/guard/reason.h"
#include "pool/guard/redis_number.h"
#include "pool/guard/request_queue.h"

#include <stdbool.h>
#include <stdint.h>

enum guard_kind {
	GUARD_OFF,
	GUARD_HTTP,
	GUARD_HTTP_BODIES, /* the same, and the rule's owner says that the server reads the bodies of requests
			    */
	GUARD_REDIS,
	GUARD_MEMCACHED,
	GUARD_RAW,
	GUARD_KINDS
};

struct guard_http {
	struct http_stream request, reply;
	struct request_queue waiting;
	bool understood; /* a whole request head */
	bool heads;      /* the same, also if it was refused */
	bool bodies;     /* requests may have them */
	bool repeatable; /* the first head is that of a GET or HEAD without a body, and nothing came after it
			  */
};

/* Arrays within arrays that are followed; the longest name or start of an error that is looked at. */
enum { REDIS_DEPTH_MAX = 24, REDIS_TEXT_MAX = 28 };

struct redis_commands {
	struct redis_number number;
	uint64_t arguments; /* of this command still to come */
	uint64_t left;      /* bytes of this argument still to come; of an inline command: so far */
	uint8_t place;      /* enum command_place */
	uint8_t judging;    /* enum judging: what the next argument decides */
	uint8_t text_size;  /* REDIS_TEXT_MAX: too long to be of interest */
	bool understood;    /* a whole command */
	char text[REDIS_TEXT_MAX];
};

struct redis_replies {
	struct redis_number number;
	uint64_t left;                      /* bytes of this string still to come */
	uint64_t elements[REDIS_DEPTH_MAX]; /* still to come, by depth */
	uint32_t attributes;                /* a bit by depth: these elements come before a value */
	uint8_t depth;
	uint8_t place; /* enum reply_place */
	uint8_t type;  /* the type byte of the value being read */
	uint8_t text_size;
	char text[REDIS_TEXT_MAX];
};

struct guard_redis {
	uint64_t waiting; /* complete commands without a complete reply */
	struct redis_commands commands;
	struct redis_replies replies;
};

struct memcached_commands {
	struct memcached_line line;
	uint8_t command;    /* index of the command being read */
	bool quiet;         /* meta: with the flag q */
	bool no_reply;      /* ends in noreply */
	bool last_no_reply; /* so did the last complete one */
	bool understood;    /* a whole command */
};

struct memcached_replies {
	struct memcached_line line;
	uint8_t answer; /* index of the answer being read */
};

struct guard_memcached {
	struct request_queue waiting;
	struct memcached_commands commands;
	struct memcached_replies replies;
	bool open_to_all; /* a command was sent that a server which wants a login refuses; lasts over uses */
};

/* As many first bytes as it takes to tell a protocol from others (MongoDB's header). */
enum { GUARD_FIRST_MAX = 16 };

/* What is known of one connection. Its owner sees to it that one thread at a time calls. */
struct guard {
	uint64_t sent, received;  /* bytes since guard_start() */
	uint8_t kind;             /* enum guard_kind */
	uint8_t reason;           /* enum guard_reason */
	uint8_t doubt;            /* the same: never parked, but what follows is followed still */
	bool was_clean;           /* when guard_reset() was called */
	bool asked, answered;     /* since then: the program sent, received */
	bool last_received;       /* the last bytes were received */
	uint8_t speaks;           /* enum guard_kind: of raw, what it was found to speak */
	uint32_t promised_idle_s; /* how long the server keeps it open (Keep-Alive: timeout=) */
	uint32_t promised_uses;   /* how many more requests it answers (Keep-Alive: max=) */
	uint32_t
		authority; /* http: a hash of whom all requests were for; 0: none was made; lasts over uses */
	uint8_t first_size;
	uint8_t first[GUARD_FIRST_MAX]; /* the first bytes that the program sent */
	union {
		struct guard_http http;
		struct guard_redis redis;
		struct guard_memcached memcached;
	};
};

/**
 * guard_refuse() - what the caller knows rules out parking; an earlier reason stays
 */
static inline void guard_refuse(struct guard *guard, enum guard_reason reason)
{
	if (guard->reason == GUARD_REASON_NONE)
		guard->reason = (uint8_t)reason;
}

/**
 * guard_doubt() - a message was taken as the program takes it: that rules out parking, but what the program
 * asks next on this connection may still be asked again
 */
static inline void guard_doubt(struct guard *guard, enum guard_reason reason)
{
	if (guard->doubt == GUARD_REASON_NONE && guard->reason == GUARD_REASON_NONE)
		guard->doubt = (uint8_t)reason;
}

#endif
