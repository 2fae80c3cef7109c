// SPDX-License-Identifier: Apache-2.0
/* proc_net_tcp - the kernel's list of TCP sockets from /proc/net/tcp and /proc/net/tcp6. */
#include "pool/ports/proc_net_tcp.h"

#include "pool/base/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 32768, TICKS_PER_S = 100 /* USER_HZ */ };

/* Skips spaces and reads a number; the separator behind it (a colon, a space) is skipped too. */
static unsigned long number(const char **at, int base)
{
	char *end;
	unsigned long value = strtoul(*at, &end, base);
	*at = *end ? end + 1 : end;
	return value;
}

/* Eight hexadecimal digits for each 32 bits, as the machine holds them (%08X of a __be32,
 * net/ipv4/tcp_ipv4.c). */
static bool endpoint(const char **at, struct endpoint *out, uint8_t *family)
{
	char word[9] = "";

	*out = (struct endpoint){ 0 };
	while (**at == ' ')
		++*at;
	size_t digits = strspn(*at, "0123456789ABCDEFabcdef");
	if ((digits != 8 && digits != 32) || (*at)[digits] != ':')
		return false;
	for (size_t i = 0; i < digits / 8; i++) {
		memcpy(word, *at + i * 8, 8);
		out->ip.words_be[i] = (uint32_t)strtoul(word, NULL, 16);
	}
	*family = digits == 8 ? AF_INET : AF_INET6;
	if (digits == 8)
		out->ip = address_from_v4(out->ip.words_be[0]);
	*at += digits + 1;
	out->port = (uint16_t)number(at, 16);
	return true;
}

bool proc_net_tcp_line(const char *line, struct socket_seen *seen)
{
	char *end;

	*seen = (struct socket_seen){ .quiet_ms = SOCKET_QUIET_UNKNOWN };
	strtoul(line, &end, 10); /* the number of the line */
	if (end == line || *end != ':')
		return false;
	line = end + 1;
	if (!endpoint(&line, &seen->source, &seen->family) ||
	    !endpoint(&line, &seen->destination, &seen->family))
		return false;
	seen->state = (uint8_t)number(&line, 16);
	seen->send_queue = (uint32_t)number(&line, 16);
	seen->receive_queue = (uint32_t)number(&line, 16);
	unsigned long timer = number(&line, 16), ticks = number(&line, 16);
	seen->expires_ms = timer ? (uint32_t)(ticks * 1000 / TICKS_PER_S) : 0;
	seen->retransmits = (uint8_t)number(&line, 16);
	seen->uid = (uint32_t)number(&line, 10);
	number(&line, 10); /* unanswered probes */
	seen->inode = (uint32_t)number(&line, 10);
	return true;
}

static bool wanted(const struct kernel_filter *filter, const struct socket_seen *seen)
{
	const struct endpoint *to = filter->destination;

	if (filter->states && !(filter->states & 1u << seen->state))
		return false;
	return !to || (address_equal(&to->ip, &seen->destination.ip) &&
		       (!to->port || to->port == seen->destination.port));
}

static void take_lines(struct kernel_view *view, const struct kernel_filter *filter, char *text, size_t *held,
		       socket_visitor *visit, void *context)
{
	struct socket_seen seen;
	char *line = text, *end;

	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (proc_net_tcp_line(line, &seen) && wanted(filter, &seen)) {
			view->sockets++;
			visit(&seen, context);
		}
	}
	*held = strlen(line);
	memmove(text, line, *held);
}

static int read_file(struct kernel_view *view, const struct kernel_filter *filter, const char *path,
		     socket_visitor *visit, void *context)
{
	char text[PIECE];
	size_t held = 0;
	uint64_t at = 0;
	long got;
	int interrupted = 0;

	long fd = kernel_private_fd(kernel.openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0));
	if (fd < 0)
		return (int)fd;
	while ((got = kernel.pread((int)fd, text + held, sizeof(text) - 1 - held, at)) > 0 ||
	       (got == -EINTR && interrupted++ < KERNEL_EINTR_MAX)) {
		held += got > 0 ? (size_t)got : 0;
		at += got > 0 ? (uint64_t)got : 0;
		text[held] = '\0';
		take_lines(view, filter, text, &held, visit, context);
	}
	kernel.close((int)fd);
	return (int)got;
}

int proc_net_tcp_read(struct kernel_view *view, const struct kernel_filter *filter, socket_visitor *visit,
		      void *context)
{
	int rc = read_file(view, filter, filter->udp ? "/proc/net/udp" : "/proc/net/tcp", visit, context);
	if (rc)
		return rc;
	rc = read_file(view, filter, filter->udp ? "/proc/net/udp6" : "/proc/net/tcp6", visit, context);
	return rc == -ENOENT ? 0 : rc; /* a kernel without IPv6 */
}
