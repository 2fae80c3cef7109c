// SPDX-License-Identifier: Apache-2.0
/* text_file - the beginning of a small file, most often of /proc. */
#ifndef HEADROOM_CLI_CONTAINER_TEXT_FILE_H
#define HEADROOM_CLI_CONTAINER_TEXT_FILE_H

#include <stddef.h>

/**
 * text_file_read() - what one read() gives
 * @text:	filled, with a NUL behind
 * @size:	of it, in bytes
 * Return: bytes read; 0 if nothing can be read
 */
size_t text_file_read(const char *path, char *text, size_t size);

#endif
