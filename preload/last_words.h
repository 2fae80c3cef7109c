// SPDX-License-Identifier: Apache-2.0
/* last_words - what is open when the process ends. */
#ifndef HEADROOM_PRELOAD_LAST_WORDS_H
#define HEADROOM_PRELOAD_LAST_WORDS_H

/**
 * last_words() - enter the end of every connection that the kernel is about to close with the process
 */
void last_words(void);

#endif
