// SPDX-License-Identifier: Apache-2.0
/* range - how many ports a tuple space has: the range less the reserved ports. */
#include "pool/ports/range.h"

#include "pool/base/arena.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"

#include <string.h>

#define RESERVED "/proc/sys/net/ipv4/ip_local_reserved_ports"

/* Each second port, of five digits and a comma. */
enum { RESERVED_TEXT_MOST = 6 * 32768 + 1 };

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

/* Where there is no memory for all of it what there is of it counts. */
COLD static void each_of_many(char *part, span_visitor *take, void *context)
{
	struct arena arena = { 0 };
	char *whole = arena_alloc(&arena, RESERVED_TEXT_MOST);

	if (whole && kernel_read_file(RESERVED, whole, RESERVED_TEXT_MOST) > 0) {
		each_span(whole, take, context);
	} else {
		char *comma = strrchr(part, ',');
		if (comma)
			*comma = '\0';
		each_span(part, take, context);
	}
	arena_release(&arena);
}

/* A list is told by one read or not at all: a second one, from where the first ended, gets nothing
 * (proc_do_large_bitmap(), kernel/sysctl.c). Most are short, and a program's thread may have little stack. */
void port_range_each_reserved(span_visitor *take, void *context)
{
	char part[1024];
	long got = kernel_read_file(RESERVED, part, sizeof(part));

	if (got == (long)sizeof(part) - 1)
		each_of_many(part, take, context);
	else if (got > 0)
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
