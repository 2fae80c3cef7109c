// SPDX-License-Identifier: Apache-2.0
/* fuzz_port_range - what /proc says of ports: a list of any length is read whole
 *
 * As the kernel does a read from another place than the beginning gets nothing (proc_do_large_bitmap(),
 * kernel/sysctl.c). The first byte says whether reads are interrupted; the rest is the range, and after a NUL
 * the reserved ports. */
#include "fuzz.h"
#include "pool/base/kernel.h"
#include "pool/ports/range.h"

#include <errno.h>

enum { RANGE_FD = 10, RESERVED_FD, OTHER_FD };

static const char *contents[OTHER_FD + 1];
static int interrupts;

static long fuzz_openat(int directory, const char *path, int flags, mode_t mode)
{
	int fd = strstr(path, "port_range") ? RANGE_FD : strstr(path, "reserved") ? RESERVED_FD : OTHER_FD;

	(void)directory, (void)flags, (void)mode;
	return contents[fd] ? fd : -ENOENT;
}

static long fuzz_pread(int fd, void *data, size_t size, uint64_t offset)
{
	size_t length = strlen(contents[fd]);
	size_t left = offset < length ? length - offset : 0;
	size_t count = left < size ? left : size;

	if (offset)
		return 0;
	if (interrupts && interrupts++ % 2)
		return -EINTR;
	memcpy(data, contents[fd] + length - left, count);
	return (long)count;
}

static long fuzz_close(int fd)
{
	return fd < 0 ? -EBADF : 0;
}

/* As the kernel prints it: numbers and ranges, ascending. Of other text only that it does no harm is asked.
 */
static int is_a_list(const char *text)
{
	long last = -1;

	while (*text >= '1' && *text <= '9') {
		char *end;
		long first = strtol(text, &end, 10), to = first;
		if (*end == '-' && end[1] >= '1' && end[1] <= '9')
			to = strtol(end + 1, &end, 10);
		if (first <= last || to < first || to > 65535 || end - text > 11)
			return 0;
		last = to;
		text = *end == ',' ? end + 1 : end;
		if (*end != ',')
			break;
	}
	return !*text || !strcmp(text, "\n");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct port_range whole, got;

	if (!size)
		return 0;
	char *text = fuzz_text(data + 1, size - 1);
	size_t first = strlen(text);
	char *reserved = first < size - 1 ? text + first + 1 : text + first;

	interrupts = data[0] & 1;
	contents[RANGE_FD] = text;
	contents[RESERVED_FD] = reserved;
	contents[OTHER_FD] = "2\n";
	kernel.openat = fuzz_openat;
	kernel.pread = fuzz_pread;
	kernel.close = fuzz_close;
	if (port_range_parse(text, reserved, &whole)) {
		fuzz_must(whole.low && whole.low <= whole.high);
		bool read = port_range_read(&got);
		/* Of a longer range than the kernel ever prints the end is not read. */
		fuzz_must(read || first >= 63);
		if (first < 63 && is_a_list(reserved)) {
			fuzz_must(whole.reserved == got.reserved);
			fuzz_must(port_range_capacity(&got) <= 65535);
		}
	}
	free(text);
	return 0;
}
