// SPDX-License-Identifier: Apache-2.0
/* port_range - how many ports a tuple space has: the range less the reserved ports. */
#include "port_range.h"

#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* The kernel prints the reserved ports ascending and joined (proc_do_large_bitmap, kernel/sysctl.c). */
static uint32_t reserved_between(const char *text, unsigned long low, unsigned long high)
{
	uint32_t count = 0;

	while (*text >= '0' && *text <= '9') {
		char *end;
		unsigned long first = strtoul(text, &end, 10), last = first;
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (first < low)
			first = low;
		if (last > high)
			last = high;
		if (first <= last)
			count += (uint32_t)(last - first + 1);
		text = *end == ',' ? end + 1 : end;
	}
	return count;
}

bool port_range_parse(const char *range, const char *reserved, struct port_range *out)
{
	char *end;
	unsigned long low = strtoul(range, &end, 10);
	unsigned long high = strtoul(end, &end, 10);

	if (!low || low > high || high > 65535)
		return false;
	*out = (struct port_range){ .low = (uint16_t)low,
				    .high = (uint16_t)high,
				    .reserved = reserved_between(reserved, low, high) };
	return true;
}

/* The list of reserved ports may be as long as 32,768 of them: it is read in parts, each cut at a comma, as a
 * program's thread may have little stack. */
static uint32_t read_reserved(unsigned long low, unsigned long high)
{
	char part[1024];
	size_t held = 0;
	uint32_t count = 0;
	long got;
	int interrupted = 0;

	long fd = kernel_private_fd(kernel.openat(AT_FDCWD, "/proc/sys/net/ipv4/ip_local_reserved_ports",
						  O_RDONLY | O_CLOEXEC, 0));
	if (fd < 0)
		return 0;
	while ((got = kernel.read((int)fd, part + held, sizeof(part) - 1 - held)) > 0 ||
	       (got == -EINTR && interrupted++ < KERNEL_EINTR_MAX)) {
		held += got > 0 ? (size_t)got : 0;
		part[held] = '\0';
		char *comma = strrchr(part, ',');
		if (!comma)
			continue;
		*comma = '\0';
		count += reserved_between(part, low, high);
		held = strlen(comma + 1);
		memmove(part, comma + 1, held);
	}
	kernel.close((int)fd);
	part[held] = '\0';
	return count + reserved_between(part, low, high);
}

bool port_range_read(struct port_range *out)
{
	char range[64], reuse[16];

	if (kernel_read_file("/proc/sys/net/ipv4/ip_local_port_range", range, sizeof(range)) <= 0)
		return false;
	if (!port_range_parse(range, "", out))
		return false;
	out->reserved = read_reserved(out->low, out->high);
	if (kernel_read_file("/proc/sys/net/ipv4/tcp_tw_reuse", reuse, sizeof(reuse)) > 0)
		out->time_wait_reuse = (uint8_t)strtoul(reuse, NULL, 10);
	return true;
}
