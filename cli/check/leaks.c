// SPDX-License-Identifier: Apache-2.0
/* leaks - `headroom check --leaks`: processes that do not close their connections.
 *
 * Two signs: sockets in CLOSE_WAIT, which the peer closed and the program did not; and a number of
 * connections to one destination that grows from look to look and never falls.
 */
#include "cli/check/leaks.h"

#include "cli/ports/holders.h"
#include "cli/ports/identity_json.h"
#include "cli/shared/complain.h"
#include "cli/shared/hash_free.h"
#include "cli/shared/identity.h"
#include "cli/shared/json.h"
#include "cli/shared/sleep.h"
#include "cli/shared/terminal.h"
#include "cli/shared/view_complaints.h"
#include "pool/base/clock.h"
#include "pool/base/printable.h"
#include "pool/ports/space.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

enum {
	LOOKS = 4,
	MANY = 10,            /* CLOSE_WAITs, or connections more at the end of the sample */
	SOCKETS_MAX = 400000, /* looked for at once: 20 bytes each */
	PLACES_MAX = 20000,
	ROWS_SHOWN = 20,
};

/* A destination; or, of accepted connections, the listener's endpoint, with reserved_zero set. */
struct place {
	struct endpoint endpoint;
	uint32_t index;
	UT_hash_handle hh;
};

struct leak_key {
	int pid; /* 0: of processes that do not show; then of this user */
	uint32_t place, uid;
};

/* One process and place. */
struct leak {
	struct leak_key key;
	struct process process;
	const struct place *place;
	uint32_t close_wait, oldest_ms; /* SOCKET_QUIET_UNKNOWN if not told */
	uint32_t uid;
	uint32_t open[LOOKS];
	UT_hash_handle hh;
};

/* The sockets of one look. Those that are in CLOSE_WAIT are in the last one twice: to be counted as
 * connections, and with CLOSE_WAIT_TAG, to be counted as forgotten. */
struct looked {
	struct wanted_socket *sockets;
	size_t count, room;
};

enum { CLOSE_WAIT_TAG = 1 << 30 };

struct named {
	int pid;
	struct process process;
	UT_hash_handle hh;
};

/* To walk over the fds of all processes takes longer than all else. It is done at the first look, and at the
 * last for those that have come meanwhile; what the looks between have seen, one of these has mostly seen
 * too. */
struct leaks {
	struct port_space *listening;
	struct place *places, *by_index[PLACES_MAX];
	struct looked looks[LOOKS];
	struct named *named;
	struct leak *leaks;
	struct process_search search;
	size_t left_out;
	unsigned look;
	bool close_wait_pass, walked_first;
};

static bool accepted(const struct leaks *leaks, const struct socket_seen *seen)
{
	return leaks->listening->ports[seen->source.port].blocked == BLOCKED_LISTEN;
}

static const struct place *place_of(struct leaks *leaks, const struct socket_seen *seen)
{
	struct endpoint endpoint = seen->destination;
	struct place *place;

	if (accepted(leaks, seen)) {
		endpoint = seen->source;
		endpoint.reserved_zero = 1;
	}
	HASH_FIND(hh, leaks->places, &endpoint, sizeof(endpoint), place);
	unsigned count = HASH_COUNT(leaks->places);
	if (place || count == PLACES_MAX || !(place = calloc(1, sizeof(*place))))
		return place;
	place->endpoint = endpoint;
	place->index = count;
	leaks->by_index[count] = place;
	HASH_ADD(hh, leaks->places, endpoint, sizeof(endpoint), place);
	return place;
}

static bool make_room(struct looked *looked)
{
	if (looked->count < looked->room)
		return true;
	size_t room = looked->room ? looked->room * 2 : 1024;
	struct wanted_socket *grown =
		looked->room < SOCKETS_MAX ? reallocarray(looked->sockets, room, sizeof(*grown)) : NULL;
	if (!grown)
		return false;
	looked->sockets = grown;
	looked->room = room;
	return true;
}

static void see(const struct socket_seen *seen, void *context)
{
	struct leaks *leaks = context;
	struct looked *looked = &leaks->looks[leaks->look];

	/* A client that stays is no leak of the server's. */
	if (!seen->inode || (!leaks->close_wait_pass && accepted(leaks, seen)))
		return;
	const struct place *place = make_room(looked) ? place_of(leaks, seen) : NULL;
	if (!place) {
		leaks->left_out++;
		return;
	}
	looked->sockets[looked->count++] = (struct wanted_socket){
		.inode = seen->inode,
		.tag = place->index | (leaks->close_wait_pass ? CLOSE_WAIT_TAG : 0),
		.note = seen->quiet_ms,
		.uid = seen->uid,
	};
}

static void found(const struct process *process, const struct wanted_socket *socket, void *context)
{
	struct leaks *leaks = context;
	struct named *named;

	(void)socket;
	HASH_FIND_INT(leaks->named, &process->pid, named);
	if (named || !(named = calloc(1, sizeof(*named))))
		return;
	named->pid = process->pid;
	named->process = *process;
	HASH_ADD_INT(leaks->named, pid, named);
}

static int by_inode(const void *a, const void *b)
{
	const struct wanted_socket *x = a, *y = b;
	return (x->inode > y->inode) - (x->inode < y->inode);
}

/* In a look that a walk has sorted. */
static int pid_in(const struct looked *looked, const struct wanted_socket *socket)
{
	const struct wanted_socket *hit =
		looked->count ? bsearch(socket, looked->sockets, looked->count, sizeof(*socket), by_inode)
			      : NULL;
	return hit ? hit->pid : 0;
}

/* Whose a socket was at the first look it is at the last. Mostly there is nobody left to look for. */
static void carry_over(const struct looked *first, struct looked *last)
{
	for (size_t i = 0; i < last->count; i++) {
		last->sockets[i].pid = pid_in(first, &last->sockets[i]);
		last->sockets[i].found = last->sockets[i].pid;
	}
}

static struct leak *leak_of(struct leaks *leaks, const struct wanted_socket *socket, int pid)
{
	static const struct process nobody = { .name = "?" };
	uint32_t place = socket->tag & ~(uint32_t)CLOSE_WAIT_TAG;
	struct leak_key key = { .pid = pid, .place = place, .uid = pid ? 0 : socket->uid };
	const struct named *named;
	struct leak *leak;

	HASH_FIND(hh, leaks->leaks, &key, sizeof(key), leak);
	if (leak || !(leak = calloc(1, sizeof(*leak))))
		return leak;
	HASH_FIND_INT(leaks->named, &pid, named);
	*leak = (struct leak){ .key = key,
			       .process = named ? named->process : nobody,
			       .uid = socket->uid,
			       .place = leaks->by_index[place],
			       .oldest_ms = SOCKET_QUIET_UNKNOWN };
	HASH_ADD(hh, leaks->leaks, key, sizeof(key), leak);
	return leak;
}

/* What cannot be laid at a process's door is a leak all the same: it is entered under its user. */
static void enter(struct leaks *leaks, unsigned look, const struct wanted_socket *socket)
{
	int pid = socket->pid;

	if (!pid && look && leaks->walked_first)
		pid = pid_in(&leaks->looks[0], socket);
	if (!pid && look < LOOKS - 1)
		pid = pid_in(&leaks->looks[LOOKS - 1], socket);
	struct leak *leak = leak_of(leaks, socket, pid);
	if (!leak)
		return;
	if (!(socket->tag & CLOSE_WAIT_TAG)) {
		leak->open[look]++;
		return;
	}
	leak->close_wait++;
	if (socket->note != SOCKET_QUIET_UNKNOWN &&
	    (leak->oldest_ms == SOCKET_QUIET_UNKNOWN || socket->note > leak->oldest_ms))
		leak->oldest_ms = socket->note;
}

static int read_sockets(struct leaks *leaks, uint32_t states, bool quiet)
{
	struct kernel_filter filter = { .states = states, .quiet = quiet };
	struct kernel_view view;

	leaks->close_wait_pass = quiet;
	int rc = kernel_view_read(&view, &filter, see, leaks);
	return rc ? view_complain_failed(rc) : STATUS_FINE;
}

/* What the looks take is part of the sample. */
static void sleep_until(uint64_t began_ns, double after_s)
{
	double left_s = after_s - (double)clock_since(began_ns, clock_ns()) / 1e9;

	if (left_s > 0)
		sleep_s(left_s);
}

static int look(struct leaks *leaks, double sample_s)
{
	struct kernel_filter listeners = { .states = 1u << STATE_LISTEN };
	const uint32_t open = 1u << STATE_ESTABLISHED | 1u << STATE_SYN_SENT | 1u << STATE_CLOSE_WAIT;
	struct kernel_view view;
	int status;

	kernel_view_read(&view, &listeners, port_space_visit, leaks->listening);
	if (view.way == VIEW_PROC)
		view_complain(&view);
	/* With no time between the looks one is as good as four. */
	unsigned first = sample_s > 0 ? 0 : LOOKS - 1;
	uint64_t began_ns = clock_ns();
	for (leaks->look = first; leaks->look < LOOKS; leaks->look++) {
		struct looked *looked = &leaks->looks[leaks->look];
		bool last = leaks->look == LOOKS - 1;
		sleep_until(began_ns, sample_s * leaks->look / (LOOKS - 1));
		if ((status = read_sockets(leaks, open, false)) ||
		    (last && (status = read_sockets(leaks, 1u << STATE_CLOSE_WAIT, true))))
			return status;
		leaks->walked_first |= !leaks->look;
		if (last && leaks->walked_first)
			carry_over(&leaks->looks[0], looked);
		if (last || !leaks->look)
			process_table_find(looked->sockets, looked->count, &leaks->search, found, leaks);
	}
	for (unsigned i = first; i < LOOKS; i++)
		for (size_t k = 0; k < leaks->looks[i].count; k++)
			enter(leaks, i, &leaks->looks[i].sockets[k]);
	for (struct leak *l = leaks->leaks; l; l = l->hh.next)
		for (unsigned i = 0; i < first; i++)
			l->open[i] = l->open[LOOKS - 1];
	if (leaks->left_out)
		complain("--leaks", "too many sockets: %zu were not looked at", leaks->left_out);
	holders_complain(&leaks->search);
	return STATUS_FINE;
}

static bool only_grows(const struct leak *leak)
{
	for (unsigned i = 1; i < LOOKS; i++)
		if (leak->open[i] < leak->open[i - 1])
			return false;
	return leak->open[LOOKS - 1] > leak->open[0];
}

static bool is_leak(const struct leak *leak)
{
	return leak->close_wait >= MANY ||
	       (only_grows(leak) && leak->open[LOOKS - 1] - leak->open[0] >= MANY);
}

static int worst_first(const struct leak *a, const struct leak *b)
{
	uint32_t x = a->close_wait + a->open[LOOKS - 1] - a->open[0];
	uint32_t y = b->close_wait + b->open[LOOKS - 1] - b->open[0];
	return (x < y) - (x > y);
}

static void put_culprit(const struct leak *l)
{
	char mark[IDENTITY_MARK_MAX];
	const struct passwd *user = l->process.pid ? NULL : getpwuid(l->uid);

	if (l->process.pid)
		printf("%s[%d]%s", l->process.name, l->process.pid, identity_mark(l->process.pid, mark));
	else if (user)
		printf("a process of %s, which does not show,", user->pw_name);
	else
		printf("a process of user %u, which does not show,", l->uid);
}

static void put_rows(const struct leaks *leaks, double sample_s)
{
	char place[ENDPOINT_TEXT_MAX], age[64];
	unsigned shown = 0;
	bool hidden = false;

	for (const struct leak *l = leaks->leaks; l; l = l->hh.next) {
		if (!is_leak(l))
			continue;
		hidden |= !l->process.pid;
		if (shown++ >= ROWS_SHOWN)
			continue;
		terminal_style(stdout, STYLE_BOLD);
		put_culprit(l);
		terminal_style(stdout, STYLE_NONE);
		printf(" %s %s\n", l->place->endpoint.reserved_zero ? "as the server at" : "to",
		       endpoint_format(&l->place->endpoint, place));
		if (l->close_wait >= MANY) {
			printf("  %u in CLOSE_WAIT: the peer has closed, the program has not", l->close_wait);
			if (l->oldest_ms != SOCKET_QUIET_UNKNOWN)
				printf("; the oldest for %s",
				       terminal_duration(l->oldest_ms / 1e3, age, sizeof(age)));
			putchar('\n');
		}
		if (only_grows(l))
			printf("  %u %s, then %u: only growing, over %.1f s\n", l->open[0],
			       one_or_many(l->open[0], "connection", "connections"), l->open[LOOKS - 1],
			       sample_s);
	}
	if (shown > ROWS_SHOWN)
		printf("and %u more; --json has them all\n", shown - ROWS_SHOWN);
	if (shown)
		puts("What to do: close what the peer has closed (a read of 0 bytes), on error\n"
		     "paths too; bound the pool.");
	if (hidden)
		puts("To see which process it is: run this as root, with /proc mounted.");
	if (shown)
		return;
	puts("no process seems to leak connections");
}

static void put_json(const struct leaks *leaks, double sample_s)
{
	struct json json = { .out = stdout };
	char place[ENDPOINT_TEXT_MAX];

	json_open(&json, NULL, '{');
	json_number(&json, "schema", 1);
	json_text(&json, "kind", "leaks");
	json_real(&json, "sample_seconds", sample_s);
	json_number(&json, "sockets_without_visible_process", leaks->search.missing);
	json_number(&json, "sockets_left_out", leaks->left_out);
	json_open(&json, "leaks", '[');
	for (const struct leak *l = leaks->leaks; l; l = l->hh.next) {
		if (!is_leak(l))
			continue;
		json_open(&json, NULL, '{');
		if (l->process.pid) {
			json_number(&json, "pid", (uint64_t)l->process.pid);
			json_text(&json, "name", l->process.name);
			identity_json(&json, l->process.pid);
		} else {
			json_null(&json, "pid");
			json_null(&json, "name");
		}
		json_number(&json, "uid", l->uid);
		json_text(&json, l->place->endpoint.reserved_zero ? "server" : "destination",
			  endpoint_format(&l->place->endpoint, place));
		json_number(&json, "close_wait", l->close_wait);
		if (l->oldest_ms == SOCKET_QUIET_UNKNOWN)
			json_null(&json, "oldest_close_wait_seconds");
		else
			json_real(&json, "oldest_close_wait_seconds", l->oldest_ms / 1e3);
		json_open(&json, "connections", '[');
		for (unsigned i = 0; i < LOOKS; i++)
			json_number(&json, NULL, l->open[i]);
		json_close(&json, ']');
		json_bool(&json, "only_grows", only_grows(l));
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
}

static void end(struct leaks *leaks)
{
	HASH_FREE(struct leak, leaks->leaks);
	HASH_FREE(struct place, leaks->places);
	for (unsigned i = 0; i < LOOKS; i++)
		free(leaks->looks[i].sockets);
	HASH_FREE(struct named, leaks->named);
	free(leaks->listening);
	free(leaks);
}

int check_leaks(const struct check_options *options)
{
	struct leaks *leaks = calloc(1, sizeof(*leaks));
	int status = STATUS_USAGE;

	if (!leaks || !(leaks->listening = calloc(1, sizeof(*leaks->listening)))) {
		free(leaks);
		return complain(NULL, "no memory");
	}
	if (!(status = look(leaks, options->sample_s))) {
		HASH_SORT(leaks->leaks, worst_first);
		(options->json ? put_json : put_rows)(leaks, options->sample_s);
		for (const struct leak *l = leaks->leaks; l; l = l->hh.next)
			if (is_leak(l))
				status = STATUS_BAD_NEWS;
	}
	end(leaks);
	return status;
}
