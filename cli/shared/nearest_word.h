// SPDX-License-Identifier: Apache-2.0
/* nearest_word - what somebody meant who mistyped a word. */
#ifndef HEADROOM_CLI_SHARED_NEAREST_WORD_H
#define HEADROOM_CLI_SHARED_NEAREST_WORD_H

/**
 * nearest_word() - the word that is nearest to another
 * @known:	the words there are, NULL behind the last
 * Return: NULL if none is near: more than one letter in three differs
 */
const char *nearest_word(const char *word, const char *const *known);

#endif
