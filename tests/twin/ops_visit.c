/* SPDX-License-Identifier: Apache-2.0 */
/* ops_visit - a thread that gets sockets in another network and comes back, as HAProxy does for its servers
 * in a `namespace`: what is used up here is not used up there.
 *
 * The servers are the actor's own, at the same address in both networks, and every end is by RST: nothing is
 * left of it. */
#include "actor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HERE_MAX = 600, THERE_MAX = 16 };

static int listener_at(const struct argument *at)
{
	int fd = socket(at->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (fd >= 0 && (bind(fd, (const void *)&at->address, at->length) || listen(fd, 1024))) {
		close(fd);
		return -1;
	}
	return fd;
}

static int caller(const struct argument *dest)
{
	const struct linger linger = { 1, 0 };
	int fd = socket(dest->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	return fd;
}

static int network(const char *variable)
{
	const char *path = getenv(variable);
	return path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

/* Connects here until no port is left. Return: how many sockets there are in @fds. */
static int use_up(int *fds, const struct argument *dest)
{
	int count = 0, refused = 0;
	while (!refused && count < HERE_MAX && (fds[count] = caller(dest)) >= 0)
		refused = connect(fds[count++], (const void *)&dest->address, dest->length);
	return count;
}

/* Sockets of the other network connect while there is no port here. */
static void run_visit(struct strand *strand, const struct step *step)
{
	static int here[HERE_MAX];
	int there[THERE_MAX], good = 0, wanted = (int)step->arguments[0].number, number = 0;
	const struct argument *dest = &step->arguments[1];
	int other = network("TWIN_NS_other"), near = network("TWIN_NS_near"), made = 0;

	wanted = wanted < THERE_MAX ? wanted : THERE_MAX;
	int server = listener_at(dest);
	int left = setns(other, CLONE_NEWNET), server_there = listener_at(dest);
	while (made < wanted && (there[made] = caller(dest)) >= 0)
		made++;
	int back = setns(near, CLONE_NEWNET), count = use_up(here, dest);
	for (int i = 0; i < made; i++) {
		int rc = connect(there[i], (const void *)&dest->address, dest->length);
		number = rc ? errno : number;
		good += !rc;
	}
	say_result(strand, left || back || server < 0 || server_there < 0 ? -1 : good);
	if (number) {
		say(strand, " ");
		say_errno(strand, number);
	}
	while (made)
		close(there[--made]);
	while (count)
		close(here[--count]);
	close(server);
	close(server_there);
	close(other);
	close(near);
}

const struct operation visit_operations[] = {
	{ "visit", 0, "int:1-16 dest", run_visit },
	{ NULL, 0, NULL, NULL },
};
