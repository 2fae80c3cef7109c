/* SPDX-License-Identifier: Apache-2.0 */
/* ops_data - bytes are sent and received. What would wait for a peer waits a tenth of a second. */
#include "actor.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BYTES_MAX = 1024 };
static char pattern[BYTES_MAX];

static long length_of(const struct step *step, int index)
{
	long wanted = step->arguments[index].number;
	memset(pattern, 'x', sizeof pattern);
	return wanted < 0 ? 0 : wanted > BYTES_MAX ? BYTES_MAX : wanted;
}

static void run_send(struct strand *strand, const struct step *step)
{
	say_result(strand, send(fd_of(step, 0), pattern, (size_t)length_of(step, 1), MSG_NOSIGNAL));
}

static void run_write(struct strand *strand, const struct step *step)
{
	say_result(strand, write(fd_of(step, 0), pattern, (size_t)length_of(step, 1)));
}

static void run_writev(struct strand *strand, const struct step *step)
{
	size_t length = (size_t)length_of(step, 1);
	struct iovec pieces[2] = { { pattern, length / 2 }, { pattern, length - length / 2 } };
	say_result(strand, writev(fd_of(step, 0), pieces, 2));
}

static void run_sendto(struct strand *strand, const struct step *step)
{
	const struct argument *dest = &step->arguments[2];
	size_t length = (size_t)length_of(step, 1);
	say_result(strand, sendto(fd_of(step, 0), pattern, length, MSG_NOSIGNAL, (const void *)&dest->address,
				  dest->length));
}

static void run_sendmsg(struct strand *strand, const struct step *step)
{
	struct iovec piece = { pattern, (size_t)length_of(step, 1) };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
	say_result(strand, sendmsg(fd_of(step, 0), &message, MSG_NOSIGNAL));
}

/* Nothing arrives on what is not ready: said as "quiet", so that a blocking read does not hang. */
static bool quiet(struct strand *strand, int fd, short events)
{
	struct pollfd ready = { fd, events, 0 };
	if (poll(&ready, 1, 100) != 0)
		return false;
	say(strand, " quiet");
	return true;
}

static void received(struct strand *strand, long result, const char *bytes)
{
	say_result(strand, result);
	if (result > 0) {
		unsigned sum = 0;
		for (long i = 0; i < result; i++)
			sum = sum * 31 + (unsigned char)bytes[i];
		say(strand, " sum=");
		say_number(strand, sum & 0xffff);
	}
}

static void run_recv(struct strand *strand, const struct step *step)
{
	static const struct {
		const char *name;
		int flags;
	} ways[] = { { "-", 0 },
		     { "peek", MSG_PEEK },
		     { "now", MSG_DONTWAIT },
		     { "trunc", MSG_TRUNC },
		     { "errq", MSG_ERRQUEUE } };
	static __thread char bytes[BYTES_MAX];
	size_t length = (size_t)length_of(step, 1);
	int flags = 0;
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
		if (!strcmp(ways[i].name, step->arguments[2].word))
			flags = ways[i].flags;
	if (!(flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) && quiet(strand, fd_of(step, 0), POLLIN))
		return;
	memset(bytes, 0, sizeof bytes);
	received(strand, recv(fd_of(step, 0), bytes, length, flags | (flags & MSG_TRUNC ? MSG_DONTWAIT : 0)),
		 bytes);
}

static void run_read(struct strand *strand, const struct step *step)
{
	static __thread char bytes[BYTES_MAX];
	if (!quiet(strand, fd_of(step, 0), POLLIN))
		received(strand, read(fd_of(step, 0), bytes, (size_t)length_of(step, 1)), bytes);
}

static void run_recvmsg(struct strand *strand, const struct step *step)
{
	static __thread char bytes[BYTES_MAX];
	struct iovec piece = { bytes, (size_t)length_of(step, 1) };
	struct sockaddr_storage from = { 0 };
	struct msghdr message = {
		.msg_iov = &piece, .msg_iovlen = 1, .msg_name = &from, .msg_namelen = sizeof from
	};
	if (!quiet(strand, fd_of(step, 0), POLLIN))
		received(strand, recvmsg(fd_of(step, 0), &message, MSG_DONTWAIT), bytes);
}

/* Sends and waits for as much from an echo: what both sides have is the same afterwards. */
static void run_talk(struct strand *strand, const struct step *step)
{
	static __thread char bytes[BYTES_MAX];
	long length = length_of(step, 1), got = 0;
	long sent = send(fd_of(step, 0), pattern, (size_t)length, MSG_NOSIGNAL);
	say_result(strand, sent);
	struct pollfd ready = { fd_of(step, 0), POLLIN, 0 };
	while (got < sent && poll(&ready, 1, 400) == 1) {
		long more = recv(fd_of(step, 0), bytes, (size_t)(sent - got), MSG_DONTWAIT);
		if (more <= 0) {
			say_result(strand, more);
			break;
		}
		got += more;
	}
	say(strand, " back=");
	say_number(strand, got);
}

/* Reads until the end of the stream: how many bytes, and what kind of end. */
static void run_drain(struct strand *strand, const struct step *step)
{
	static __thread char bytes[BYTES_MAX];
	struct pollfd ready = { fd_of(step, 0), POLLIN, 0 };
	long got = 0, more = 1;
	while (more > 0 && poll(&ready, 1, 150) == 1) {
		more = recv(fd_of(step, 0), bytes, sizeof bytes, MSG_DONTWAIT);
		got += more > 0 ? more : 0;
	}
	say(strand, " got=");
	say_number(strand, got);
	if (more > 0)
		say(strand, " quiet");
	else
		say_result(strand, more);
}

static void run_ioctl(struct strand *strand, const struct step *step)
{
	int value = 0;
	unsigned long request = step->arguments[1].word[0] == 'i' ? FIONREAD : 0x5411 /* SIOCOUTQ */;
	int result = ioctl(fd_of(step, 0), request, &value);
	say_result(strand, result);
	if (result == 0 && request == FIONREAD) {
		say(strand, " value=");
		say_number(strand, value);
	}
}

const struct operation data_operations[] = {
	{ "send", 8, "fd int:0-300", run_send },
	{ "write", 3, "fd int:0-300", run_write },
	{ "writev", 1, "fd int:0-300", run_writev },
	{ "sendto", 2, "fd int:0-300 dest", run_sendto },
	{ "sendmsg", 2, "fd int:0-300", run_sendmsg },
	{ "recv", 6, "fd int:0-400 one:-|peek|now|trunc|errq", run_recv },
	{ "read", 4, "fd int:0-400", run_read },
	{ "recvmsg", 2, "fd int:0-400", run_recvmsg },
	{ "talk", 8, "fd int:1-300", run_talk },
	{ "drain", 3, "fd", run_drain },
	{ "ioctl", 2, "fd one:in|out", run_ioctl },
	{ NULL, 0, NULL, NULL },
};
