// SPDX-License-Identifier: Apache-2.0
/* server - does a server let each source in? By a connection from each. */
#include "cli/doctor/server.h"

#include "cli/doctor/nat.h"
#include "pool/base/clock.h"
#include "pool/base/kernel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MS_NS 1000000ull

enum { AT_ONCE = 512, CONNECT_MS = 3000, WATCH_MS = 300, WORDS_MAX = 160 };

enum outcome { UNDER_WAY, WATCHED, LET_IN, FAILED, NO_ANSWER, CLOSED };

/* One connection. */
struct visit {
	const struct address *source; /* NULL: the kernel's own choice */
	int fd, error;
	enum outcome outcome;
	uint64_t began_ns, connected_ns;
	char words[WORDS_MAX]; /* what the server said unasked */
	char rewritten[NAT_TEXT_MAX];
};

struct round {
	const struct endpoint *to;
	int family;
	struct visit visits[AT_ONCE];
	struct pollfd polled[AT_ONCE];
	unsigned count;
};

static void fail(struct visit *visit, int error)
{
	visit->outcome = FAILED;
	visit->error = error;
}

static void begin(struct round *round, struct visit *visit)
{
	struct sockaddr_storage at;
	int on = 1;

	visit->fd = socket(round->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	visit->began_ns = clock_ns();
	if (visit->fd < 0) {
		fail(visit, errno);
		return;
	}
	if (visit->source) {
		struct endpoint from = { .ip = *visit->source };
		socklen_t length = endpoint_to_sockaddr(&from, round->family, &at);
		setsockopt(visit->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
		if (bind(visit->fd, (struct sockaddr *)&at, length)) {
			fail(visit, errno);
			return;
		}
	}
	socklen_t length = endpoint_to_sockaddr(round->to, round->family, &at);
	if (connect(visit->fd, (struct sockaddr *)&at, length) && errno != EINPROGRESS)
		fail(visit, errno);
}

static void connected(struct round *round, struct visit *visit)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(visit->fd, SOL_SOCKET, SO_ERROR, &error, &size) || error) {
		fail(visit, error ? error : errno);
		/* A SYN that is refused is another errno: it was connected, and reset before we looked. */
		if (error == ECONNRESET || error == EPIPE)
			visit->outcome = CLOSED;
		return;
	}
	visit->outcome = WATCHED;
	visit->connected_ns = clock_ns();
	nat_rewritten(visit->fd, round->to, visit->rewritten);
}

/* A word of refusal, or a banner: MySQL and Redis say so before they close. */
static void heard(struct visit *visit)
{
	char part[WORDS_MAX];
	ssize_t got = recv(visit->fd, part, sizeof(part) - 1, MSG_DONTWAIT);

	if (got > 0 && !*visit->words) {
		for (ssize_t i = 0; i < got; i++)
			part[i] = part[i] >= ' ' && part[i] < 127 ? part[i] : ' ';
		part[got] = '\0';
		snprintf(visit->words, sizeof(visit->words), "%s", part + strspn(part, " "));
	}
	if (!got || (got < 0 && errno != EAGAIN && errno != EINTR)) {
		visit->outcome = CLOSED;
		visit->error = got ? errno : 0;
	}
}

static void move_on(struct round *round, struct visit *visit, short events, uint64_t now_ns)
{
	if (visit->outcome == UNDER_WAY && events)
		connected(round, visit);
	else if (visit->outcome == UNDER_WAY && clock_since(visit->began_ns, now_ns) > CONNECT_MS * MS_NS)
		visit->outcome = NO_ANSWER;
	else if (visit->outcome == WATCHED && events)
		heard(visit);
	if (visit->outcome == WATCHED && clock_since(visit->connected_ns, now_ns) > WATCH_MS * MS_NS)
		visit->outcome = LET_IN;
}

static void run(struct round *round)
{
	bool more = true;

	for (unsigned i = 0; i < round->count; i++)
		begin(round, &round->visits[i]);
	while (more) {
		for (unsigned i = 0; i < round->count; i++) {
			const struct visit *visit = &round->visits[i];
			bool open = visit->outcome == UNDER_WAY || visit->outcome == WATCHED;
			round->polled[i] =
				(struct pollfd){ .fd = open ? visit->fd : -1,
						 .events = visit->outcome == WATCHED ? POLLIN : POLLOUT };
		}
		poll(round->polled, round->count, 20);
		more = false;
		for (unsigned i = 0; i < round->count; i++) {
			struct visit *visit = &round->visits[i];
			move_on(round, visit, round->polled[i].fd < 0 ? 0 : round->polled[i].revents,
				clock_ns());
			more |= visit->outcome == UNDER_WAY || visit->outcome == WATCHED;
		}
	}
	for (unsigned i = 0; i < round->count; i++)
		if (round->visits[i].fd >= 0)
			close(round->visits[i].fd);
}

static void tell_refusal(struct findings *findings, const struct visit *visit, const char *name,
			 const char *todo)
{
	if (visit->outcome == NO_ANSWER)
		finding_add(findings, FINDING_BAD, "server", todo, "%s: no answer in %d s", name,
			    CONNECT_MS / 1000);
	else if (visit->outcome == CLOSED)
		finding_add(findings, FINDING_BAD, "server", todo, "%s: connected, and closed at once%s%s%s",
			    name, visit->error ? " by a reset" : "", *visit->words ? ": " : "", visit->words);
	else if (visit->error == EADDRNOTAVAIL && visit->source && !visit->connected_ns)
		finding_add(findings, FINDING_BAD, "server", "ip address add, or take it out of the list",
			    "%s: not an address of this host, or without a port left", name);
	else
		finding_add(findings, FINDING_BAD, "server", todo, "%s: %s", name, strerror(visit->error));
}

static void tell(struct findings *findings, const struct visit *visit, bool natural_is_in)
{
	char name[ADDRESS_TEXT_MAX] = "the kernel's source";
	const char *todo = !visit->source || !natural_is_in ? "is the server there, and reached from here?"
							    : "headroom explain sources: let it in there";

	if (visit->source)
		address_format(visit->source, name);
	if (visit->outcome != LET_IN) {
		tell_refusal(findings, visit, name, todo);
		return;
	}
	finding_add(findings, FINDING_OK, "server", NULL, "%s: let in after %.1f ms%s%s", name,
		    (double)(visit->connected_ns - visit->began_ns) / 1e6, *visit->words ? ", says: " : "",
		    visit->words);
	if (*visit->rewritten)
		finding_add(findings, FINDING_NOTE, "nat", "headroom explain nat", "%s: %s", name,
			    visit->rewritten);
}

void doctor_server(struct findings *findings, const struct endpoint *to, const struct source_list *sources)
{
	struct round *round = calloc(1, sizeof(*round));
	char place[ENDPOINT_TEXT_MAX];

	if (!round)
		abort();
	round->to = to;
	round->family = address_is_v4(&to->ip) ? AF_INET : AF_INET6;
	round->visits[round->count++] = (struct visit){ .fd = -1 };
	for (unsigned i = 0; i < sources->count && round->count < AT_ONCE; i++)
		if (address_is_v4(&sources->items[i]) == address_is_v4(&to->ip))
			round->visits[round->count++] =
				(struct visit){ .fd = -1, .source = &sources->items[i] };
	run(round);
	finding_add(findings, FINDING_NOTE, "server", NULL, "%s, from %u source%s",
		    endpoint_format(to, place), round->count, round->count == 1 ? "" : "s");
	for (unsigned i = 0; i < round->count; i++)
		tell(findings, &round->visits[i], round->visits[0].outcome == LET_IN);
	nat_between(findings, to, round->visits[0].outcome == LET_IN);
	free(round);
}
