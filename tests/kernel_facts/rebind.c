// SPDX-License-Identifier: Apache-2.0
/* rebind - a socket whose connect() failed can be bound to another source and connected again
 *
 * inet_bind() asks only for state TCP_CLOSE and no port, and a failed connect() gives the port back when the
 * program did not choose it. What failover does, on one fd. bind() to the wildcard undoes a source.
 */
#include "netns.h"
#include "probe.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

struct family {
	const char *name, *to, *first, *second, *any;
};

/* The first source is full: EADDRNOTAVAIL, then the second source on the same fd. */
static bool after_exhaustion(const struct family *f, bool blocking, bool bound)
{
	int fd = new_socket(&(struct attempt){ .to = f->to, .blocking = blocking });
	int full = 0, error = bound ? bind_to(fd, f->first, 0, true) : 0;
	bool holds;

	if (!error)
		full = connect_to(fd, f->to, 5000);
	if (!error)
		error = bind_to(fd, f->second, 0, true);
	if (!error)
		error = connect_to(fd, f->to, 5000);
	holds = full == -EADDRNOTAVAIL && !error && source_is(fd, f->second);
	if (!holds)
		note("%s, %s: first connect() %d, later error %d", blocking ? "blocking" : "non-blocking",
		     bound ? "bound" : "unbound", full, error);
	abort_close(fd);
	return holds;
}

/* Nobody listens there: ECONNREFUSED, then another source and another try. */
static bool after_refusal(const struct family *f)
{
	int fd = new_socket(&(struct attempt){ .to = f->to, .blocking = true });
	int refused = connect_to(fd, f->to, 5999), error = bind_to(fd, f->second, 0, true);
	bool holds;

	if (!error)
		error = connect_to(fd, f->to, 5000);
	holds = refused == -ECONNREFUSED && !error && source_is(fd, f->second);
	abort_close(fd);
	return holds;
}

/* The kernel tells of a refused non-blocking connect() twice: SO_ERROR takes the reason, then the next
 * connect() says ECONNABORTED (__inet_stream_connect()), and only the one after that starts anew. */
static bool after_refusal_seen_by_poll(const struct family *f)
{
	int fd = new_socket(&(struct attempt){ .to = f->to });
	int started = connect_to(fd, f->to, 5999), refused = 0, told_again, error;
	socklen_t size = sizeof(refused);
	bool holds;

	await_events(fd, POLLOUT);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &refused, &size))
		give_up("SO_ERROR");
	error = bind_to(fd, f->second, 0, true);
	told_again = connect_to(fd, f->to, 5000);
	if (!error)
		error = connect_to(fd, f->to, 5000);
	holds = !started && refused == ECONNREFUSED && told_again == -ECONNABORTED && !error &&
		source_is(fd, f->second);
	if (!holds)
		note("SO_ERROR %d, second connect() %d, later error %d", refused, told_again, error);
	abort_close(fd);
	return holds;
}

/* bind(any, 0) with IP_BIND_ADDRESS_NO_PORT: the kernel chooses the source again. */
static bool source_taken_away(const struct family *f)
{
	int fd = new_socket(&(struct attempt){ .to = f->to, .blocking = true });
	bool set = !bind_to(fd, f->second, 0, true) && source_is(fd, f->second);
	bool unset = !bind_to(fd, f->any, 0, true) && source_is(fd, f->any);
	bool holds = set && unset && !connect_to(fd, f->to, 5001) && source_is(fd, f->first);

	abort_close(fd);
	return holds;
}

/* Not all of it: SOCK_BINDADDR_LOCK stays, so a connect() that fails later leaves the source the kernel had
 * chosen on the socket, where a socket that was never bound loses it. It has to be taken away again. */
static bool source_kept_by_failure(const struct family *f, bool was_bound)
{
	int fd = new_socket(&(struct attempt){ .to = f->to, .blocking = true });
	const char *expected = was_bound ? f->first : f->any;
	bool holds;

	if (was_bound && (bind_to(fd, f->second, 0, true) || bind_to(fd, f->any, 0, true)))
		give_up("bind");
	holds = connect_to(fd, f->to, 5999) == -ECONNREFUSED && source_is(fd, expected);
	holds = holds && !bind_to(fd, f->any, 0, true) && source_is(fd, f->any) &&
		!connect_to(fd, f->to, 5001) && source_is(fd, f->first);
	abort_close(fd);
	return holds;
}

/* shutdown() in SYN_SENT disconnects (inet_shutdown(), net/ipv4/af_inet.c): the socket may be connected
 * again, and keeps a source that was bound. */
static bool after_shutdown(const struct family *f, int how, bool bound)
{
	int fd = new_socket(&(struct attempt){ .to = f->to });
	const char *expected = bound ? f->second : f->any;
	bool holds = !bound || !bind_to(fd, f->second, 0, true);

	/* connect_to() takes EINPROGRESS for 0. */
	holds = holds && !connect_to(fd, f->to, 5002) && !shutdown(fd, how) && source_is(fd, expected) &&
		!connect_to(fd, f->to, 5000);
	if (holds)
		await_events(fd, POLLOUT);
	holds = holds && source_is(fd, bound ? f->second : f->first);
	abort_close(fd);
	return holds;
}

static void all_ways(const struct family *f)
{
	unsigned ways = 0;

	expect_count(f->name, fill((struct attempt){ .to = f->to, .port = 5000 }).count, 100);
	for (unsigned i = 0; i < 4; i++)
		ways += after_exhaustion(f, i & 1, i & 2);
	expect_count("full, then a second source on the same fd, of 4 ways", ways, 4);
	release_all();
	expect("refused, then a second source", after_refusal(f));
	expect("refused non-blocking, then a second source, ECONNABORTED once, connected",
	       after_refusal_seen_by_poll(f));
	expect("bind to the wildcard takes the source away", source_taken_away(f));
	expect("never bound: a refused connect() leaves no source", source_kept_by_failure(f, false));
	expect("bound once: it leaves one, to be taken away again", source_kept_by_failure(f, true));
	ways = 0;
	for (int how = SHUT_RD; how <= SHUT_RDWR; how++)
		ways += after_shutdown(f, how, false) + after_shutdown(f, how, true);
	expect_count("shut under way, then connected, of 6 ways", ways, 6);
}

int main(void)
{
	static const struct family ipv4 = { "IPv4", "127.0.0.1", "127.0.0.1", "127.0.0.2", "0.0.0.0" };
	static const struct family ipv6 = { "IPv6", "::1", "::1", "fd00:1::2", "::" };
	static const struct family mapped = { "IPv4-mapped", "::ffff:127.0.0.1", "::ffff:127.0.0.1",
					      "::ffff:127.0.0.2", "::" };
	bool have_six;

	netns_enter();
	have_six = have_ipv6();
	listener(have_six ? "::" : "0.0.0.0", 5000);
	listener(have_six ? "::" : "0.0.0.0", 5001);
	/* One connection waits in its queue, and SYNs of others are dropped (sk_acceptq_is_full()). */
	int silent = listener(have_six ? "::" : "0.0.0.0", 5002);
	if (listen(silent, 0) ||
	    connect_to(new_socket(&(struct attempt){ .to = "127.0.0.1", .blocking = true }), "127.0.0.1",
		       5002))
		give_up("a silent listener");
	all_ways(&ipv4);
	if (have_six) {
		netns_add_address6("lo", "fd00:1::2", 128);
		all_ways(&ipv6);
		all_ways(&mapped);
	}
	return verdict();
}
