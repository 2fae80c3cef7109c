// SPDX-License-Identifier: Apache-2.0
/* fuzz_log - whatever a program is called and a message says: one line, and nothing that acts on a terminal
 *
 * The first byte chooses the format; the rest is the program's name, and after a NUL the message. */
#include "fuzz.h"
#include "pool/base/kernel.h"
#include "pool/log/log.h"

#include <errno.h>

static char written[16384];
static size_t used;

static long fuzz_openat(int directory, const char *path, int flags, mode_t mode)
{
	(void)directory, (void)path, (void)flags, (void)mode;
	return 10;
}

static long fuzz_write(int fd, const void *data, size_t size)
{
	fuzz_must(fd == 10 && used + size < sizeof(written));
	memcpy(written + used, data, size);
	used += size;
	return (long)size;
}

static long fuzz_close(int fd)
{
	return fd < 0 ? -EBADF : 0;
}

/* No fd of the machine's: which are open here differs from place to place. */
static long fuzz_fcntl(int fd, int command, long argument)
{
	(void)command, (void)argument;
	return fd;
}

static long fuzz_fstat(int fd, struct stat *st)
{
	(void)fd;
	*st = (struct stat){ .st_mode = S_IFREG | 0640, .st_nlink = 1 };
	return 0;
}

/* Quotes that are not escaped come in pairs; outside them a line of JSON has nothing but its own signs. */
static void check_line(const char *line, size_t size, bool json)
{
	bool quoted = false;

	fuzz_must(size > 1 && line[size - 1] == '\n');
	for (size_t i = 0; i < size - 1; i++) {
		unsigned char c = (unsigned char)line[i];
		fuzz_must(c >= 0x20 && c != 0x7f);
		if (quoted && c == '\\') {
			i++;
			fuzz_must(strchr("\"\\u", line[i]));
		} else if (c == '"') {
			quoted = !quoted;
		} else if (json && !quoted) {
			fuzz_must(strchr("{}:,0123456789", c));
		}
	}
	fuzz_must(!quoted);
	fuzz_must(!json || (line[0] == '{' && line[size - 2] == '}'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct settings settings;
	static struct log log;

	if (!size)
		return 0;
	char *text = fuzz_text(data + 1, size - 1);
	size_t first = strlen(text);

	settings_default(&settings);
	settings.log_to = LOG_TO_FILE;
	strcpy(settings.log_path, "log");
	settings.log_format = data[0] & 1 ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT;
	kernel.fstat = fuzz_fstat;
	kernel.fcntl = fuzz_fcntl;
	log_start(&log, &settings, text);
	kernel.openat = fuzz_openat;
	kernel.write = fuzz_write;
	kernel.close = fuzz_close;
	used = 0;
	log_message(&log, LOG_LEVEL_ERROR, "config", first < size - 1 ? text + first + 1 : "");
	check_line(written, used, data[0] & 1);
	free(text);
	return 0;
}
