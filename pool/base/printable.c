// SPDX-License-Identifier: Apache-2.0
/* printable - text from outside, made fit to be shown. */
#include "pool/base/printable.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Return: how many bytes the character has, or 0 if they are not UTF-8: cut off, overlong, a surrogate, or
 * above U+10FFFF (RFC 3629, section 3). */
static unsigned decode(const char *text, uint32_t *out)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *byte = (const unsigned char *)text;
	unsigned length = *byte < 0x80 ? 1 : *byte < 0xc0 ? 0 : *byte < 0xe0 ? 2 : *byte < 0xf0 ? 3 : 4;
	uint32_t code = length < 2 ? *byte : *byte & (0xffu >> (length + 1));

	if (!length || *byte >= 0xf8)
		return 0;
	for (unsigned i = 1; i < length; i++) {
		if ((byte[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (byte[i] & 0x3f);
	}
	if (code < least[length] || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
		return 0;
	*out = code;
	return length;
}

/* What a terminal or a viewer obeys instead of showing it: controls (ISO 6429), line and paragraph separator,
 * and the characters that change the direction of the text around them (Unicode, UAX 9, table 4). */
static bool is_order(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x61c || code == 0x200e ||
	       code == 0x200f || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
	       code == 0xfeff;
}

void printable_next(const char **text, char *out)
{
	uint32_t code = 0xfffd;
	unsigned length = decode(*text, &code);

	if (length && !is_order(code)) {
		memcpy(out, *text, length);
		out[length] = '\0';
	} else {
		snprintf(out, PRINTABLE_MAX, "\\u%04x", code & 0xffff);
	}
	*text += length ? length : 1;
}

char *printable_text(const char *text, char *out, size_t size)
{
	char one[PRINTABLE_MAX];
	size_t used = 0;

	while (*text) {
		printable_next(&text, one);
		size_t length = strlen(one);
		if (used + length >= size)
			break;
		memcpy(out + used, one, length);
		used += length;
	}
	out[used] = '\0';
	return out;
}
