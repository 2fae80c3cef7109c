// SPDX-License-Identifier: Apache-2.0
/* nearest_word - what somebody meant who mistyped a word. */
#include "cli/shared/nearest_word.h"

#include <string.h>

enum { LONGEST = 32 };

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;
	return ab < c ? ab : c;
}

/* Letters to add, take away or replace (Levenshtein's distance); two that changed places count as one. */
static unsigned distance(const char *a, size_t m, const char *b, size_t n)
{
	unsigned rows[3][LONGEST + 1];
	unsigned *before = rows[0], *last = rows[1], *now = rows[2];

	for (size_t j = 0; j <= n; j++)
		last[j] = (unsigned)j;
	memset(before, 0, sizeof(rows[0]));
	for (size_t i = 1; i <= m; i++) {
		now[0] = (unsigned)i;
		for (size_t j = 1; j <= n; j++) {
			now[j] = least(last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
		unsigned *spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[n];
}

const char *nearest_word(const char *word, const char *const *known)
{
	size_t length = strlen(word);
	const char *nearest = NULL;
	unsigned least_distance = LONGEST;

	for (; *known && length <= LONGEST; known++) {
		size_t other = strlen(*known);
		unsigned d = other <= LONGEST ? distance(word, length, *known, other) : LONGEST;
		if (d < least_distance && d * 3 <= (other > 3 ? other + 1 : other)) {
			least_distance = d;
			nearest = *known;
		}
	}
	return nearest;
}
