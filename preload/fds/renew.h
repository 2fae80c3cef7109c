// SPDX-License-Identifier: Apache-2.0
/* renew - a connection that was handed out and ended without an answer: another takes its place, unseen.
 *
 * Theory of operation
 *
 * The program thinks that its connection is new, so it does not expect one that was idle for too long. As
 * long as nothing was sent on it, another one is as good. If all that was sent is a GET or HEAD without a
 * body, and not one byte of an answer came, it may be sent once more (RFC 9112, 9.3.1); what was sent is kept
 * for that, REUSE_REQUEST_MAX bytes at most. Nothing else is ever repeated, and nothing twice.
 *
 * A blocking send() or recv() waits for the new connection, for CONNECT_MOST_MS or what SO_SNDTIMEO says. For
 * a non-blocking one the request can be repeated if the connection is there after REPEAT_MOST_MS; and who was
 * told that it may write, and sends its first request, gets no EAGAIN where the server is near enough for
 * that.
 *
 * What is not to go out on a connection that was used gets a new one before. The old one is ended first, as
 * the server never has both, and where the new one is not there yet the program's own send() waits for it, as
 * its connect() would have.
 *
 * The new connection is a socket of its own; where none can be had (EMFILE) and nothing was sent, the dead
 * one's own, taken apart by connect() to AF_UNSPEC. */
#ifndef HEADROOM_PRELOAD_FDS_RENEW_H
#define HEADROOM_PRELOAD_FDS_RENEW_H

#include "pool/socket/tracked.h"

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

/**
 * renew_before_send() - something is about to be sent on a connection that was handed out, and was not
 * answered yet: is there still somebody to send to, and may it be asked that (stake.h)?
 * @pieces:	what the program is about to send, or the begin of it; readable
 * @count:	0: it is not known, and may be what is not for a used connection
 * Return: 0, or a negative errno: a new connection had to be made, and there is none
 */
int renew_before_send(int fd, const struct iovec *pieces, size_t count);

/**
 * renew_after_end() - a call on a watched fd found the end of the connection, or an error
 * @held:	a reference to its record; afterwards to that of the connection which took its place
 * @rc:		what the call returned, with errno
 * Return: true if another took its place: the call is to be made once more
 */
bool renew_after_end(int fd, struct held *held, ssize_t rc);

/**
 * renew_after_error() - the program read SO_ERROR, and the connection had one
 * @held:	as of renew_after_end()
 * Return: true if another took its place: there is no error to be told of
 */
bool renew_after_error(int fd, struct held *held);

#endif
