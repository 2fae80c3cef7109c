// SPDX-License-Identifier: Apache-2.0
/* guest - what the files of the client twin-guest share. */
#ifndef GUEST_H
#define GUEST_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { REPLY_MOST = 32768, TEXT_MOST = 1024, TAG_MOST = 48, PATIENCE_MS = 8000 };
enum protocol { HTTP, REDIS, MEMCACHED, RAW };

/* What became of an exchange. */
enum outcome {
	GOOD,
	LEFT,     /* the program closed before the answer, as it wanted */
	LOST_GET, /* a GET or HEAD without a body was answered by not one byte, as the first of its connection
		   */
	LOST,     /* another request, as the first */
	LATER_GET, /* the same of a later one of its connection */
	LATER,
	REFUSED, /* connect() failed */
	FULL,    /* the server has as many clients as it lets in */
	CUT,     /* the end in an answer */
	HUNG,
	MIXED,   /* a byte of another exchange */
	DAMAGED, /* an answer that is none */
	DIED,    /* no exchange, but a process that ended as it should not */
	OUTCOMES
};

/* What this client does. */
struct habits {
	enum protocol protocol;
	struct sockaddr_storage to;
	socklen_t to_size;
	const char
		*styles; /* b blocking, t with time limits, n non-blocking, e epoll from before connect() */
	unsigned pause_us, dwell_us; /* between exchanges; between connect() and request, for one in eight */
	unsigned others;             /* one in so many requests is no GET */
	unsigned more;               /* one in so many connections has a second and third request */
	unsigned leaves;             /* one in so many closes before the answer */
	unsigned halves;             /* requests are sent in two pieces */
	unsigned bodies;             /* http: may requests have bodies? */
};

enum step { DONE, WANTS_TO_READ, WANTS_TO_WRITE, WANTS_TIME };
enum stage { OPENS, CONNECTS, DWELLS, ASKS, READS };

struct exchange {
	int fd, epoll; /* the set, for style e and for a loop; -1 */
	unsigned seed;
	char style;
	enum stage stage;
	enum outcome outcome;
	uint64_t deadline_ns, dwell_until_ns;
	unsigned asked, ask_most; /* requests on this connection */
	unsigned state;           /* what we left on it ourselves */
	bool get, none, leaves;   /* of the request: repeatable; its answer has no body */
	char tag[TAG_MOST], text[TEXT_MOST];
	size_t text_size, sent, size;
	int error;
	char reply[REPLY_MOST];
};

extern struct habits habits;

unsigned draw(struct exchange *x, unsigned below);
uint64_t now_ns(void);

/** exchange_begin() - choose what to ask, of a new connection */
void exchange_begin(struct exchange *x, const char *name, unsigned long number);

/** exchange_step() - go on until a call would block; DONE: closed, and x->outcome says how it went */
enum step exchange_step(struct exchange *x);

/** exchange_run() - all of it, in the exchange's style */
void exchange_run(struct exchange *x);

/** request_make() - the next request of the exchange, into x->text */
void request_make(struct exchange *x);

/** reply_whole() - is the answer complete? Sets x->outcome if it is no answer to this request.
 * @ended:	the server has closed */
bool reply_whole(struct exchange *x, bool ended);

#endif
