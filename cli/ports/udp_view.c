// SPDX-License-Identifier: Apache-2.0
/* udp_view - the UDP ports of a network namespace: how many of the range are held, from where, by whom. */
#include "cli/ports/udp_view.h"
#include "pool/base/printable.h"

#include <stdlib.h>
#include <string.h>

enum { HOLDERS_SHOWN = 3, SOURCES_SEEN_MAX = 256 };

struct reading {
	struct udp_view *view;
	const struct port_space *ports;
	bool held[65536];
	struct udp_source sources[SOURCES_SEEN_MAX];
	unsigned source_count;
	size_t room;
};

static void count_source(struct reading *reading, const struct address *ip)
{
	for (unsigned i = 0; i < reading->source_count; i++)
		if (address_equal(&reading->sources[i].ip, ip)) {
			reading->sources[i].ports++;
			return;
		}
	if (reading->source_count < SOURCES_SEEN_MAX)
		reading->sources[reading->source_count++] = (struct udp_source){ .ip = *ip, .ports = 1 };
}

static void want(struct reading *reading, uint32_t inode)
{
	struct udp_view *view = reading->view;

	if (view->wanted_count == reading->room) {
		size_t room = reading->room ? 2 * reading->room : 256;
		struct wanted_socket *grown = reallocarray(view->wanted, room, sizeof(*grown));
		if (!grown)
			return;
		view->wanted = grown;
		reading->room = room;
	}
	view->wanted[view->wanted_count++] = (struct wanted_socket){ .inode = inode };
}

static void see(const struct socket_seen *seen, void *context)
{
	struct reading *reading = context;
	const struct port_range *range = &reading->ports->range;
	unsigned port = seen->source.port;

	reading->view->sockets++;
	if (port < range->low || port > range->high || reading->ports->ports[port].reserved)
		return;
	reading->view->in_use += !reading->held[port];
	reading->held[port] = true;
	count_source(reading, &seen->source.ip);
	want(reading, seen->inode);
}

static int most_first(const void *a, const void *b)
{
	const struct udp_source *x = a, *y = b;
	return (x->ports < y->ports) - (x->ports > y->ports);
}

void udp_view_read(struct udp_view *view, const struct port_space *ports)
{
	struct kernel_filter udp = { .udp = true };
	struct reading *reading = calloc(1, sizeof(*reading));
	struct kernel_view how;

	*view = (struct udp_view){ .range = (uint32_t)ports->range.high - ports->range.low + 1,
				   .reserved = ports->range.reserved };
	if (!reading)
		return;
	reading->view = view;
	reading->ports = ports;
	view->known = !kernel_view_read(&how, &udp, see, reading);
	qsort(reading->sources, reading->source_count, sizeof(*reading->sources), most_first);
	view->source_count =
		reading->source_count < UDP_SOURCES_MAX ? reading->source_count : UDP_SOURCES_MAX;
	memcpy(view->sources, reading->sources, view->source_count * sizeof(*view->sources));
	free(reading);
}

static void found(const struct process *process, const struct wanted_socket *socket, void *context)
{
	(void)socket;
	holders_add(context, process, 0);
}

void udp_view_find(struct udp_view *view)
{
	process_table_find(view->wanted, view->wanted_count, &view->search, found, &view->holders);
	for (size_t i = 0; i < view->wanted_count; i++)
		view->without_process += !view->wanted[i].found;
	holders_sort(&view->holders);
}

static struct room room_of(const struct udp_view *view)
{
	uint32_t usable = view->range - view->reserved;

	return (struct room){ .range = view->range,
			      .reserved = view->reserved,
			      .in_use = view->in_use,
			      .left = usable > view->in_use ? usable - view->in_use : 0 };
}

enum verdict udp_view_verdict(const struct udp_view *view, unsigned threshold)
{
	struct room room = room_of(view);

	return view->known ? room_verdict(&room, threshold) : VERDICT_FINE;
}

static void put_sources(const struct udp_view *view, int indent, FILE *out)
{
	char text[ADDRESS_TEXT_MAX];

	fprintf(out, "%*son ", indent, "");
	for (unsigned i = 0; i < view->source_count; i++)
		fprintf(out, "%s%s %u", i ? ", " : "",
			address_is_unset(&view->sources[i].ip) ? "all addresses"
							       : address_format(&view->sources[i].ip, text),
			view->sources[i].ports);
	fputc('\n', out);
}

void udp_view_put(const struct udp_view *view, const char *label, FILE *out)
{
	struct room room = room_of(view);
	int indent = (int)strlen(label);

	if (!view->known)
		return;
	fprintf(out, "%s%u of %u %s left%s\n", label, room.left, view->range - view->reserved,
		one_or_many(view->range - view->reserved, "port", "ports"),
		room.left ? "" : ": connect() and sendto() fail with EAGAIN");
	if (!view->in_use)
		return;
	put_sources(view, indent, out);
	if (!view->holders.count && !view->without_process)
		return;
	fprintf(out, "%*sby ", indent, "");
	holders_put(&view->holders, HOLDERS_SHOWN, view->without_process, out);
	fputc('\n', out);
}

void udp_view_json(const struct udp_view *view, struct json *json)
{
	struct room room = room_of(view);
	char text[ADDRESS_TEXT_MAX];

	if (!view->known) {
		json_null(json, "udp");
		return;
	}
	json_open(json, "udp", '{');
	json_text(json, "verdict", verdict_name(room_verdict(&room, 80)));
	json_number(json, "in_use", view->in_use);
	json_number(json, "headroom", room.left);
	json_open(json, "sources", '[');
	for (unsigned i = 0; i < view->source_count; i++) {
		json_open(json, NULL, '{');
		json_text(json, "source", address_format(&view->sources[i].ip, text));
		json_number(json, "ports", view->sources[i].ports);
		json_close(json, '}');
	}
	json_close(json, ']');
	holders_json(json, "processes", &view->holders);
	json_number(json, "without_process", view->without_process);
	json_close(json, '}');
}

void udp_view_end(struct udp_view *view)
{
	holders_end(&view->holders);
	free(view->wanted);
	view->wanted = NULL;
}
