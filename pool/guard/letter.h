// SPDX-License-Identifier: Apache-2.0
/* letter - letters of ASCII, which protocols take in either case. The program's locale says nothing of them.
 */
#ifndef HEADROOM_POOL_GUARD_LETTER_H
#define HEADROOM_POOL_GUARD_LETTER_H

/**
 * guard_lower() - in lower case; what is no letter is as it was
 */
static inline char guard_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

#endif
