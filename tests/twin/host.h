// SPDX-License-Identifier: Apache-2.0
/* host - what the files of the server twin-host share. */
#ifndef HOST_H
#define HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HOST_BUFFER = 16384 };
enum protocol { HTTP, REDIS, MEMCACHED, RAW };
enum framing { LENGTH, CHUNKED, TO_THE_END, HTTP_1_0, FRAMINGS };
enum cut { WHOLE, BYTEWISE, PIECES, HALVES };

/* How this server behaves; a chance is one in so many, 0: never. */
struct manners {
	enum protocol protocol;
	bool framings[FRAMINGS];
	enum cut cut;
	unsigned delay_us;          /* before an answer, up to this */
	unsigned bodies;            /* HEAD, 204 and 304 are answered with a body: chance */
	bool unread;                /* the body of a request is not read */
	unsigned second, second_us; /* a second answer: chance, and up to how long after the first */
	unsigned after;             /* closes after so many answers; 0: does not */
	unsigned by_chance;         /* closes after an answer: chance */
	unsigned close_us;          /* and up to so long after it */
	unsigned idle_us;           /* closes when idle for so long; 0: does not */
	bool nagle;                 /* Nagle's algorithm is left on */
	bool reset, announces;      /* closes by RST; says so before */
	unsigned workers, clients, reload_ms;
};

/* One connection. */
struct visit {
	int fd;
	unsigned seed, answers, state;
	bool ends; /* closes after this answer */
	char tag[64];
	size_t size;
	char buffer[HOST_BUFFER];
};

extern struct manners manners;

/** one_in() - Return: true once in @chance times, by the visit's own random numbers */
bool one_in(struct visit *visit, unsigned chance);

/** say() - send bytes, cut as the server's manners are. Return: false if the client has gone */
bool say(struct visit *visit, const char *bytes, size_t size);

/** host_answer() - answers the requests in the buffer. Return: false to close */
bool host_answer(struct visit *visit);

#endif
