// SPDX-License-Identifier: Apache-2.0
/* range - how many ports a tuple space has: the range less the reserved ports. */
#include "pool/ports/range.h"

#include "pool/base/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

typedef void span_visitor(unsigned long first, unsigned long last, void *context);

/* The kernel prints the reserved ports ascending and joined (proc_do_large_bitmap, kernel/sysctl.c). */
static void each_span(const char *text, span_visitor *take, void *context)
{
	while (*text >= '0' && *text <= '9') {
		unsigned long first = kernel_number(&text), last = first;
		if (*text == '-') {
			text++;
			last = kernel_number(&text);
		}
		take(first, last, context);
		text += *text == ',';
	}
}

static void add_reserved(unsigned long first, unsigned long last, void *context)
{
	struct port_range *range = context;
	if (first < range->low)
		first = range->low;
	if (last > range->high)
		last = range->high;
	if (first <= last)
		range->reserved += (uint32_t)(last - first + 1);
}

bool port_range_parse(const char *range, const char *reserved, struct port_range *out)
{
	uint64_t low = kernel_number(&range), high = kernel_number(&range);

	if (!low || low > high || high > 65535)
		return false;
	*out = (struct port_range){ .low = (uint16_t)low, .high = (uint16_t)high };
	each_span(reserved, add_reserved, out);
	return true;
}

/* The list of reserved ports may be as long as 32,768 of them: it is read in parts, each cut at a comma, as a
 * program's thread may have little stack. */
void port_range_each_reserved(span_visitor *take, void *context)
{
	char part[1024];
	size_t held = 0;
	uint64_t at = 0;
	long got;
	int interrupted = 0;

	long fd = kernel_private_fd(kernel.openat(AT_FDCWD, "/proc/sys/net/ipv4/ip_local_reserved_ports",
						  O_RDONLY | O_CLOEXEC, 0));
	if (fd < 0)
		return;
	while ((got = kernel.pread((int)fd, part + held, sizeof(part) - 1 - held, at)) > 0 ||
	       (got == -EINTR && interrupted++ < KERNEL_EINTR_MAX)) {
		held += got > 0 ? (size_t)got : 0;
		at += got > 0 ? (uint64_t)got : 0;
		part[held] = '\0';
		if (held && part[held - 1] == '\n')
			break;
		char *comma = strrchr(part, ',');
		if (!comma)
			continue;
		*comma = '\0';
		each_span(part, take, context);
		held = strlen(comma + 1);
		memmove(part, comma + 1, held);
	}
	kernel.close((int)fd);
	part[held] = '\0';
	each_span(part, take, context);
}

/* Return: @missing where /proc does not tell. */
static uint32_t number_at(const char *path, uint32_t missing)
{
	char text[16];
	const char *at = text;

	return kernel_read_file(path, text, sizeof(text)) > 0 ? (uint32_t)kernel_number(&at) : missing;
}

bool port_range_read(struct port_range *out)
{
	char range[64];

	if (kernel_read_file("/proc/sys/net/ipv4/ip_local_port_range", range, sizeof(range)) <= 0)
		return false;
	if (!port_range_parse(range, "", out))
		return false;
	port_range_each_reserved(add_reserved, out);
	out->time_wait_reuse = (uint8_t)number_at("/proc/sys/net/ipv4/tcp_tw_reuse", 0);
	out->reuse_delay_ms = number_at("/proc/sys/net/ipv4/tcp_tw_reuse_delay", 0);
	out->waits_bound = number_at("/proc/sys/net/ipv4/tcp_max_tw_buckets", UINT32_MAX) + 1;
	return true;
}
