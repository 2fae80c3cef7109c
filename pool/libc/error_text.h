// SPDX-License-Identifier: Apache-2.0
/* error_text - what an errno value means, in words.
 *
 * Those of strerrordesc_np(), which glibc has from 2.32 on and musl not at all. strerror() may translate, and
 * then take locks and memory of the program's. */
#ifndef HEADROOM_POOL_LIBC_ERROR_TEXT_H
#define HEADROOM_POOL_LIBC_ERROR_TEXT_H

/**
 * error_text() - the text of an errno value
 * @error:	as in errno(3), positive
 * Return: a constant, in English; NULL for a number that Linux does not have
 */
const char *error_text(int error);

#endif
