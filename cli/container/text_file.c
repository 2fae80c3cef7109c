// SPDX-License-Identifier: Apache-2.0
/* text_file - the beginning of a small file, most often of /proc. */
#include "cli/container/text_file.h"

#include <fcntl.h>
#include <unistd.h>

size_t text_file_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t got = fd < 0 ? 0 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	got = got > 0 ? got : 0;
	text[got] = '\0';
	return (size_t)got;
}
