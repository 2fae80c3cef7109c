/* SPDX-License-Identifier: Apache-2.0 */
/* ops_loop - many connections to one destination: how many succeed, and how the others fail.
 *
 * The numbers are compared as numbers (compare.py): where plain Linux runs out, the shim may reach more.
 */
#include "actor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum { ERRORS_MAX = 6 };

struct tally {
	int good, odd;
	struct {
		int number, times;
	} errors[ERRORS_MAX];
};

static void fail(struct tally *tally, int number)
{
	for (int i = 0; i < ERRORS_MAX; i++) {
		if (tally->errors[i].times && tally->errors[i].number != number)
			continue;
		tally->errors[i].number = number;
		tally->errors[i].times++;
		return;
	}
}

static void say_tally(struct strand *strand, const struct tally *tally)
{
	say(strand, " ok=");
	say_number(strand, tally->good);
	for (int i = 0; i < ERRORS_MAX && tally->errors[i].times; i++) {
		say(strand, " ");
		say_errno(strand, tally->errors[i].number);
		say(strand, "=");
		say_number(strand, tally->errors[i].times);
	}
	if (tally->odd) {
		say(strand, " odd=");
		say_number(strand, tally->odd);
	}
}

static void look_at_port(struct tally *tally, int fd, bool was_bound)
{
	struct sockaddr_storage name;
	socklen_t length = sizeof name;
	if (getsockname(fd, (void *)&name, &length) == 0 && parity_is_known && !was_bound && knee_is_far())
		tally->odd += (ntohs(((struct sockaddr_in *)&name)->sin_port) - range_low) & 1;
}

/* Connects within ms milliseconds (0: as long as the kernel takes). Return: 0 or an errno. */
static int attempt(int fd, const struct argument *dest, int ms)
{
	struct timeval limit = { ms / 1000, ms % 1000 * 1000 };
	if (ms)
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	if (connect(fd, (const void *)&dest->address, dest->length))
		return errno;
	return 0;
}

/* Towards a port of the range where nobody listens a connect() that gets this very port is one to itself. */
static bool is_to_itself(int fd)
{
	struct sockaddr_storage name, peer;
	socklen_t name_length = sizeof name, peer_length = sizeof peer;

	return getsockname(fd, (void *)&name, &name_length) == 0 &&
	       getpeername(fd, (void *)&peer, &peer_length) == 0 && name_length == peer_length &&
	       memcmp(&name, &peer, name_length) == 0;
}

static void one(struct tally *tally, const struct argument *dest, const struct argument *local,
		const char *how, int ms)
{
	int fd = socket(dest->address.ss_family == AF_INET6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
	if (fd < 0) {
		fail(tally, errno);
		return;
	}
	if (local && bind(fd, (const void *)&local->address, local->length)) {
		fail(tally, errno);
		close(fd);
		return;
	}
	int error = attempt(fd, dest, ms);
	/* Which port it gets is not compared (compare.py, "to itself"). */
	if (!error && is_to_itself(fd))
		error = ECONNREFUSED;
	char byte;
	struct pollfd ready = { fd, POLLIN, 0 };
	/* A server that turns the client away does so at once: an answer, or a reset. */
	if (!error && strchr(how, 't')) {
		if (send(fd, "t", 1, MSG_NOSIGNAL) < 0)
			error = errno;
		else if (poll(&ready, 1, ms ? ms : 1000) < 1)
			error = ETIME;
		else if (recv(fd, &byte, 1, MSG_DONTWAIT) < 0)
			error = errno;
	}
	if (error) {
		fail(tally, error);
		close(fd);
		return;
	}
	tally->good++;
	connection_made();
	look_at_port(tally, fd, local);
	if (strchr(how, 'k'))
		return;
	if (strchr(how, 'r')) {
		struct linger linger = { 1, 0 };
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	}
	close(fd);
}

/* how: k keeps them open, r ends them by RST, c closes, t waits for an answer first. */
static void run_loop(struct strand *strand, const struct step *step)
{
	struct tally tally = { 0 };
	for (long i = 0; i < step->arguments[0].number; i++)
		one(&tally, &step->arguments[1], NULL, step->arguments[2].word,
		    (int)step->arguments[3].number);
	say_tally(strand, &tally);
}

static void run_bound_loop(struct strand *strand, const struct step *step)
{
	struct tally tally = { 0 };
	for (long i = 0; i < step->arguments[0].number; i++)
		one(&tally, &step->arguments[1], &step->arguments[4], step->arguments[2].word,
		    (int)step->arguments[3].number);
	say_tally(strand, &tally);
}

/* As many sockets with bind(local, 0) as there may be, all closed again. */
static void run_bind_loop(struct strand *strand, const struct step *step)
{
	struct tally tally = { 0 };
	int fds[256], count = 0;
	for (long i = 0; i < step->arguments[0].number && count < 256; i++) {
		int fd = socket(step->arguments[1].address.ss_family, SOCK_STREAM, 0);
		if (fd < 0 || bind(fd, (const void *)&step->arguments[1].address, step->arguments[1].length))
			fail(&tally, errno);
		else
			tally.good++;
		if (fd >= 0)
			fds[count++] = fd;
	}
	while (count)
		close(fds[--count]);
	say_tally(strand, &tally);
}

/* A whole mark, as Linux routers use them, before each connect(). */
static void run_marked_loop(struct strand *strand, const struct step *step)
{
	struct tally tally = { 0 };
	for (long i = 0; i < step->arguments[0].number; i++) {
		const struct argument *dest = &step->arguments[1];
		int fd = socket(dest->address.ss_family, SOCK_STREAM, 0), error = errno,
		    mark = (int)step->arguments[4].number;
		if (fd >= 0) {
			setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark);
			error = attempt(fd, dest, (int)step->arguments[3].number);
		}
		if (error) {
			fail(&tally, error);
			close(fd);
		} else {
			tally.good++;
			connection_made();
			if (step->arguments[2].word[0] != 'k')
				close(fd);
		}
	}
	say_tally(strand, &tally);
}

static bool contention_ends;

static void *open_and_close(void *data)
{
	bool *refused = data;
	while (!__atomic_load_n(&contention_ends, __ATOMIC_ACQUIRE)) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			*refused = true;
		else
			close(fd);
	}
	return NULL;
}

/* Two fds are left: this thread has use for one of them, another thread for the other. */
static void run_contend(struct strand *strand, const struct step *step)
{
	bool refused = false;
	pthread_t id;
	struct sockaddr_in dest = { .sin_family = AF_INET };
	inet_pton(AF_INET, step->arguments[1].word, &dest.sin_addr);
	contention_ends = false;
	if (pthread_create(&id, NULL, open_and_close, &refused))
		return;
	int failed = 0;
	for (long i = 0; i < step->arguments[0].number; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		dest.sin_port = htons((uint16_t)(100 + i));
		failed += fd < 0;
		connect(fd, (const void *)&dest, sizeof dest);
		close(fd);
	}
	__atomic_store_n(&contention_ends, true, __ATOMIC_RELEASE);
	pthread_join(id, NULL);
	say(strand, refused ? " open refused" : "");
	say(strand, failed ? " socket refused" : "");
}

const struct operation loop_operations[] = {
	{ "loop", 5, "int:2-60 dest one:k|c|r|t|kt loop-ms", run_loop },
	{ "bound-loop", 2, "int:2-60 dest one:k|c|r loop-ms local", run_bound_loop },
	{ "bind-loop", 1, "int:2-60 local", run_bind_loop },
	{ "marked-loop", 1, "int:2-40 dest one:k|c loop-ms int:0-2", run_marked_loop },
	{ "contend", 0, "int:50-300 host", run_contend },
	{ NULL, 0, NULL, NULL },
};
