/* SPDX-License-Identifier: Apache-2.0 */
/* ops_fd - numbers are doubled, moved, closed in rows, wrapped in streams, and sent to others. */
#include "actor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static FILE *streams[SLOTS];

/* The slot at index gets fd, and what is known of the slot at from. */
static void copied(struct strand *strand, const struct step *step, int index, int from, int fd)
{
	say_result(strand, fd);
	if (fd < 0 || step->arguments[index].number < 0)
		return;
	struct slot copy = *slot_about(step, from);
	copy.fd = fd;
	slot_put(step, index, copy);
}

static void run_dup(struct strand *strand, const struct step *step)
{
	copied(strand, step, 0, 1, dup(fd_of(step, 1)));
}

static void run_dupfd(struct strand *strand, const struct step *step)
{
	int command = step->arguments[3].word[0] == 'c' ? F_DUPFD_CLOEXEC : F_DUPFD;
	copied(strand, step, 0, 1, fcntl(fd_of(step, 1), command, (int)step->arguments[2].number));
}

static void run_dup2(struct strand *strand, const struct step *step)
{
	copied(strand, step, 1, 0, dup2(fd_of(step, 0), fd_of(step, 1)));
}

static void run_dup3(struct strand *strand, const struct step *step)
{
	copied(strand, step, 1, 0, dup3(fd_of(step, 0), fd_of(step, 1), (int)step->arguments[2].number));
}

static void forget_closed(void)
{
	for (int i = 0; i < SLOTS; i++)
		if (slots[i].fd >= 0 && fcntl(slots[i].fd, F_GETFD) < 0)
			slots[i].fd = -1;
}

static void run_close_range(struct strand *strand, const struct step *step)
{
	int first = fd_of(step, 0), last = fd_of(step, 1);
	unsigned high = last < 0 ? ~0u : (unsigned)last;
	if (first < 3)
		say(strand, " skip");
	else
		say_result(strand, close_range((unsigned)first, high, (int)step->arguments[2].number));
	if (step->arguments[2].number == 0)
		forget_closed();
}

static void run_closefrom(struct strand *strand, const struct step *step)
{
	if (fd_of(step, 0) >= 3) {
		closefrom(fd_of(step, 0));
		forget_closed();
	}
	(void)strand;
}

static void run_close_call(struct strand *strand, const struct step *step)
{
	say_result(strand, syscall(SYS_close, fd_of(step, 0)));
	slot_of(step, 0)->fd = -1;
}

static void run_nonblock(struct strand *strand, const struct step *step)
{
	int on = (int)step->arguments[1].number;
	if (step->arguments[2].word[0] == 'i') {
		say_result(strand, ioctl(fd_of(step, 0), FIONBIO, &on));
		return;
	}
	int flags = fcntl(fd_of(step, 0), F_GETFL);
	say_result(strand, fcntl(fd_of(step, 0), F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

static void run_flags(struct strand *strand, const struct step *step)
{
	say_result(strand, fcntl(fd_of(step, 0), F_GETFL));
	say_result(strand, fcntl(fd_of(step, 0), F_GETFD));
}

static void run_cloexec(struct strand *strand, const struct step *step)
{
	say_result(strand, fcntl(fd_of(step, 0), F_SETFD, (int)step->arguments[1].number));
}

static void run_fdopen(struct strand *strand, const struct step *step)
{
	long slot = step->arguments[0].number;
	if (slot < 0)
		return;
	if (streams[slot])
		say(strand, " again");
	else
		streams[slot] = fdopen(fd_of(step, 0), "r+");
	say(strand, streams[slot] ? " stream" : " none");
}

static void run_fclose(struct strand *strand, const struct step *step)
{
	long slot = step->arguments[0].number;
	if (slot < 0 || !streams[slot]) {
		say(strand, " none");
		return;
	}
	say_result(strand, fclose(streams[slot]));
	streams[slot] = NULL;
	slots[slot].fd = -1;
}

static void run_freopen(struct strand *strand, const struct step *step)
{
	long slot = step->arguments[0].number;
	if (slot < 0 || !streams[slot]) {
		say(strand, " none");
		return;
	}
	streams[slot] =
		freopen(step->arguments[1].word[0] == 'n' ? "/dev/null" : "/no/such", "r", streams[slot]);
	say(strand, streams[slot] ? " fd=" : " none");
	if (streams[slot])
		say_number(strand, fileno(streams[slot]));
	forget_closed();
}

static void run_open(struct strand *strand, const struct step *step)
{
	copied(strand, step, 0, 0, open("/dev/null", O_RDWR | O_CLOEXEC));
}

static void run_sendfd(struct strand *strand, const struct step *step)
{
	char byte = 'f';
	struct iovec piece = { &byte, 1 };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr message = {
		.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	int fd = fd_of(step, 0);
	memcpy(CMSG_DATA(header), &fd, sizeof fd);
	say_result(strand, sendmsg(fd_of(step, 1), &message, MSG_NOSIGNAL));
}

static void run_recvfd(struct strand *strand, const struct step *step)
{
	char byte;
	struct iovec piece = { &byte, 1 };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr message = {
		.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
	};
	struct pollfd ready = { fd_of(step, 1), POLLIN, 0 };
	if (poll(&ready, 1, 400) < 1) {
		say(strand, " quiet");
		return;
	}
	long result = recvmsg(fd_of(step, 1), &message, MSG_DONTWAIT);
	say_result(strand, result);
	struct cmsghdr *header = result > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (header && header->cmsg_type == SCM_RIGHTS && step->arguments[0].number >= 0) {
		int fd;
		memcpy(&fd, CMSG_DATA(header), sizeof fd);
		slot_put(step, 0, (struct slot){ .fd = fd, .is_stream = true });
		say(strand, " fd=");
		say_number(strand, fd);
	}
}

const struct operation fd_operations[] = {
	{ "dup", 4, "new fd", run_dup },
	{ "dupfd", 2, "new fd int:3-40 one:-|c", run_dupfd },
	{ "dup2", 4, "fd fd", run_dup2 },
	{ "dup3", 3, "fd fd one:0|0x80000|0x7000", run_dup3 },
	{ "close-range", 2, "fd fd one:0|2|4|0x80000000", run_close_range },
	{ "closefrom", 1, "fd", run_closefrom },
	{ "close-call", 2, "fd", run_close_call },
	{ "nonblock", 3, "fd int:0-1 one:f|i", run_nonblock },
	{ "flags", 4, "fd", run_flags },
	{ "cloexec", 1, "fd int:0-1", run_cloexec },
	{ "fdopen", 2, "fd", run_fdopen },
	{ "fclose", 2, "fd", run_fclose },
	{ "freopen", 1, "fd one:null|missing", run_freopen },
	{ "open", 2, "new", run_open },
	{ "sendfd", 2, "fd fd", run_sendfd },
	{ "recvfd", 2, "new fd", run_recvfd },
	{ NULL, 0, NULL, NULL },
};
