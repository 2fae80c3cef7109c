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

enum memcached_event {
	MEMCACHED_BAD,
	MEMCACHED_MORE,
	MEMCACHED_WORD, /* word number `words` - 1 is in `text` */
	MEMCACHED_LINE, /* the line has ended */
	MEMCACHED_DATA, /* the data block has ended, with its CR LF */
};

/**
 * memcached_line_start() - a line comes next
 */
void memcached_line_start(struct memcached_line *line);

/**
 * memcached_data_start() - a block of `left` bytes and CR LF comes next
 */
void memcached_data_start(struct memcached_line *line);

/**
 * memcached_line_follow() - the next byte, not of a data block
 */
enum memcached_event memcached_line_follow(struct memcached_line *line, char c);

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
