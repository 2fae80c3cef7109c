// SPDX-License-Identifier: Apache-2.0
/* memcached_line - lines of words, and blocks of data, of memcached's text protocol. */
#include "pool/guard/memcached_line.h"

#include <string.h>

void memcached_line_start(struct memcached_line *line)
{
	line->place = MEMCACHED_BEGIN;
	line->words = 0;
}

void memcached_data_start(struct memcached_line *line)
{
	line->place = line->left ? MEMCACHED_IN_DATA : MEMCACHED_DATA_CR;
}

static bool word_byte(struct memcached_line *line, char c)
{
	if ((unsigned char)c < ' ')
		return false;
	if (line->place != MEMCACHED_IN_WORD) {
		line->place = MEMCACHED_IN_WORD;
		line->text_size = 0;
		if (line->words < UINT32_MAX)
			line->words++;
	}
	if (line->text_size < MEMCACHED_WORD_MAX)
		line->text[line->text_size++] = c;
	return true;
}

bool memcached_line_follow(struct memcached_line *line, char c, const struct memcached_ends *ends,
			   struct guard *guard)
{
	bool in_word = line->place == MEMCACHED_IN_WORD;

	switch ((enum memcached_place)line->place) {
	case MEMCACHED_BEGIN:
		return c != ' ' && word_byte(line, c);
	case MEMCACHED_IN_WORD:
	case MEMCACHED_SPACE:
		if (c != ' ' && c != '\r')
			return word_byte(line, c);
		line->place = c == ' ' ? MEMCACHED_SPACE : MEMCACHED_LF;
		return !in_word || ends->word(guard);
	case MEMCACHED_LF:
		return c == '\n' && ends->line(guard);
	case MEMCACHED_DATA_CR:
		line->place = MEMCACHED_DATA_LF;
		return c == '\r';
	case MEMCACHED_DATA_LF:
		if (c != '\n')
			return false;
		ends->data(guard);
		return true;
	case MEMCACHED_IN_DATA:
		break;
	}
	return false;
}

size_t memcached_data_skip(struct memcached_line *line, size_t size)
{
	size_t take = size < line->left ? size : (size_t)line->left;

	line->left -= take;
	if (!line->left)
		line->place = MEMCACHED_DATA_CR;
	return take;
}

bool memcached_is(const struct memcached_line *line, const char *word)
{
	size_t size = line->text_size;

	return size < MEMCACHED_WORD_MAX && size == strlen(word) && !memcmp(line->text, word, size);
}

bool memcached_number(const struct memcached_line *line, uint64_t *number)
{
	*number = 0;
	if (!line->text_size || line->text_size == MEMCACHED_WORD_MAX)
		return false;
	for (unsigned i = 0; i < line->text_size; i++) {
		unsigned digit = (unsigned)(line->text[i] - '0');
		if (line->text[i] < '0' || digit > 9 || *number > (UINT64_MAX - digit) / 10)
			return false;
		*number = *number * 10 + digit;
	}
	return true;
}
