// SPDX-License-Identifier: Apache-2.0
/* printable - text from outside (names, paths, lines of files), made fit to be shown.
 *
 * Such text ends up on terminals, in log files and in JSON. A newline in it would forge a log line, an escape
 * sequence would be obeyed by a terminal, a byte that is not UTF-8 makes JSON invalid. */
#ifndef HEADROOM_POOL_BASE_PRINTABLE_H
#define HEADROOM_POOL_BASE_PRINTABLE_H

#include <stddef.h>

enum { PRINTABLE_MAX = 8 }; /* \uXXXX, or one character of UTF-8, and the NUL */

/**
 * printable_next() - take one character of a text
 * @text:	moved past it; not at its NUL
 * @out:	PRINTABLE_MAX bytes: the character as it is; or, for control characters (C0, DEL, C1), line
 * and paragraph separators and changes of direction, its escape \uXXXX (RFC 8259, section 7); \ufffd for a
 * byte that is not UTF-8 (RFC 3629)
 */
void printable_next(const char **text, char *out);

/**
 * printable_text() - a whole text
 * @size:	of @out; what does not fit is cut off between characters
 * Return: @out
 */
char *printable_text(const char *text, char *out, size_t size);

/**
 * one_or_many() - "port" or "ports", "is" or "are"
 */
static inline const char *one_or_many(unsigned long long count, const char *one, const char *many)
{
	return count == 1 ? one : many;
}

#endif
