// SPDX-License-Identifier: Apache-2.0
/* memcached_line - lines of words, and blocks of data, of memcached's text protocol. */
#ifndef HEADROOM_POOL_GUARD_MEMCACHED_LINE_H
#define HEADROOM_POOL_GUARD_MEMCACHED_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest word that is looked at, and the NUL: 20 digits fit. */
enum { MEMCACHED_WORD_MAX = 24 };

struct memcached_line {
	uint64_t left;     /* bytes of the data block still to come */
	uint32_t words;    /* begun on this line */
	uint8_t place;     /* enum memcached_place */
	uint8_t text_size; /* MEMCACHED_WORD_MAX: too long to be of interest */
	char text[MEMCACHED_WORD_MAX];
};

enum memcached_place {
	MEMCACHED_BEGIN,
	MEMCACHED_IN_WORD,
	MEMCACHED_SPACE,
	MEMCACHED_LF,
	MEMCACHED_IN_DATA,
	MEMCACHED_DATA_CR,
	MEMCACHED_DATA_LF,
};

/**
 * memcached_line_start() - a line comes next
 */
void memcached_line_start(struct memcached_line *line);

/**
 * memcached_data_start() - a block of `left` bytes and CR LF comes next
 */
void memcached_data_start(struct memcached_line *line);

struct guard;

/* What is to be done where something ends. The first two return false if it breaks the form. */
struct memcached_ends {
	bool (*word)(struct guard *guard); /* word number `words` - 1 is in `text` */
	bool (*line)(struct guard *guard);
	void (*data)(struct guard *guard); /* a data block, with its CR LF */
};

/**
 * memcached_line_follow() - the next byte, not of a data block
 * @ends:	called with @guard
 * Return: false if it breaks the form
 */
bool memcached_line_follow(struct memcached_line *line, char c, const struct memcached_ends *ends,
			   struct guard *guard);

/**
 * memcached_data_skip() - bytes of a data block
 * Return: how many of them
 */
size_t memcached_data_skip(struct memcached_line *line, size_t size);

/**
 * memcached_is() - is the word that has ended this one?
 */
bool memcached_is(const struct memcached_line *line, const char *word);

/**
 * memcached_number() - the word that has ended, as a number below 2^64
 * Return: false if it is none
 */
bool memcached_number(const struct memcached_line *line, uint64_t *number);

#endif
