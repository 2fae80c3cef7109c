/* SPDX-License-Identifier: Apache-2.0 */
/* ops_connect - a connection is made: by connect(), or by a first send with Fast Open. */
#include "actor.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static void outcome(struct slot *slot, long result)
{
	if (result >= 0 || errno == EINPROGRESS) {
		connection_made();
		slot->connected = true;
		slot->failed = false;
	} else if (errno != EISCONN && errno != EALREADY && errno != EBADF) {
		slot->failed = true;
	}
}

/* connect() with AF_UNSPEC makes the socket a new one, but for what the kernel keeps: as of a failure. */
static void dissolved(struct slot *slot)
{
	slot->failed |= slot->connected;
	slot->connected = false;
}

static void run_connect(struct strand *strand, const struct step *step)
{
	const struct argument *dest = &step->arguments[1];
	int result = connect(fd_of(step, 0), (const void *)&dest->address, dest->length);
	say_result(strand, result);
	if (dest->address.ss_family == AF_UNSPEC)
		dissolved(slot_about(step, 0));
	else
		outcome(slot_about(step, 0), result);
}

/* A length that is not the address's, and memory that cannot be read. */
static void run_connect_odd(struct strand *strand, const struct step *step)
{
	const struct argument *dest = &step->arguments[1];
	const char *how = step->arguments[2].word;
	socklen_t length = !strcmp(how, "short")  ? 4
			   : !strcmp(how, "long") ? sizeof dest->address
						  : dest->length;
	const void *address = !strcmp(how, "null")  ? NULL
			      : !strcmp(how, "bad") ? (void *)8
						    : (const void *)&dest->address;
	int result = connect(fd_of(step, 0), address, length);
	say_result(strand, result);
	outcome(slot_about(step, 0), result);
}

static void run_fast_open(struct strand *strand, const struct step *step)
{
	const struct argument *dest = &step->arguments[1];
	const char *how = step->arguments[2].word;
	int flags = MSG_FASTOPEN | MSG_NOSIGNAL;
	struct iovec piece = { "twin", 4 };
	struct mmsghdr messages[2] = {
		{ { (void *)&dest->address, dest->length, &piece, 1, NULL, 0, 0 }, 0 },
		{ { NULL, 0, &piece, 1, NULL, 0, 0 }, 0 },
	};
	long result = !strcmp(how, "sendto")    ? sendto(fd_of(step, 0), "twin", 4, flags,
							 (const void *)&dest->address, dest->length)
		      : !strcmp(how, "sendmsg") ? sendmsg(fd_of(step, 0), &messages[0].msg_hdr, flags)
						: sendmmsg(fd_of(step, 0), messages, 1, flags);
	say_result(strand, result);
	outcome(slot_about(step, 0), result);
}

/* tcpi_state and tcpi_options of Fast Open are in TCP_INFO. */
static void run_state(struct strand *strand, const struct step *step)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof info;
	int result = getsockopt(fd_of(step, 0), IPPROTO_TCP, TCP_INFO, &info, &length);
	say_result(strand, result);
	if (result == 0) {
		say(strand, " state=");
		say_number(strand, info.tcpi_state);
	}
}

const struct operation connect_operations[] = {
	{ "connect", 30, "fd dest", run_connect },
	{ "connect-odd", 1, "fd dest one:short|long|null|bad", run_connect_odd },
	{ "fast-open", 4, "fd dest one:sendto|sendmsg|sendmmsg", run_fast_open },
	{ "state", 5, "fd", run_state },
	{ NULL, 0, NULL, NULL },
};
