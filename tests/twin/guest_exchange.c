// SPDX-License-Identifier: Apache-2.0
/* guest_exchange - one connection of twin-guest: open, ask, read, close; blocking, or step by step. */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { MS_NS = 1000000 };

unsigned draw(struct exchange *x, unsigned below)
{
	return (unsigned)rand_r(&x->seed) % below;
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void exchange_begin(struct exchange *x, const char *name, unsigned long number)
{
	x->style = habits.styles[draw(x, (unsigned)strlen(habits.styles))];
	x->stage = OPENS;
	x->asked = x->state = 0;
	x->ask_most = habits.more && !draw(x, habits.more) ? 2 + draw(x, 2) : 1;
	x->deadline_ns = now_ns() + PATIENCE_MS * (uint64_t)MS_NS;
	x->outcome = GOOD;
	x->error = 0;
	snprintf(x->tag, sizeof(x->tag), "%s.%lu", name, number);
	request_make(x);
}

static enum step end(struct exchange *x, enum outcome outcome)
{
	x->outcome = outcome;
	if (x->fd >= 0)
		close(x->fd);
	x->fd = -1;
	return DONE;
}

static enum step open_it(struct exchange *x)
{
	bool waits = x->style == 'b' || x->style == 't';
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = x };
	struct timeval limit = { .tv_sec = PATIENCE_MS / 1000 };

	x->fd = socket(habits.to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | (waits ? 0 : SOCK_NONBLOCK), 0);
	if (x->fd < 0)
		return end(x, REFUSED);
	if (x->style == 't') {
		setsockopt(x->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		setsockopt(x->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	}
	if (x->epoll >= 0 && epoll_ctl(x->epoll, EPOLL_CTL_ADD, x->fd, &event))
		return end(x, REFUSED);
	x->stage = CONNECTS;
	if (!connect(x->fd, (struct sockaddr *)&habits.to, habits.to_size))
		return WANTS_TIME;
	x->error = errno;
	return !waits && errno == EINPROGRESS ? WANTS_TO_WRITE : end(x, REFUSED);
}

/* Asks the kernel what came of connect(). */
static enum step connected(struct exchange *x)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(x->fd, SOL_SOCKET, SO_ERROR, &error, &size) || error) {
		x->error = error;
		return end(x, REFUSED);
	}
	x->stage = DWELLS;
	x->dwell_until_ns = habits.dwell_us && !draw(x, 8) ? now_ns() + draw(x, habits.dwell_us) * 1000u : 0;
	return WANTS_TIME;
}

/* The connection ended, or failed, with the answer not whole. */
static enum step ended(struct exchange *x, int error)
{
	x->error = error;
	if (!error && x->size && reply_whole(x, true))
		return end(x, x->outcome);
	if (error == ETIMEDOUT || error == EAGAIN)
		return end(x, HUNG);
	if (x->size)
		return end(x, CUT);
	return end(x, x->asked > 1 ? (x->get ? LATER_GET : LATER) : x->get ? LOST_GET : LOST);
}

static enum step ask(struct exchange *x)
{
	if (!x->sent)
		x->asked++;
	while (x->sent < x->text_size) {
		size_t size = habits.halves && !x->sent ? x->text_size / 2 : x->text_size - x->sent;
		ssize_t rc = send(x->fd, x->text + x->sent, size, MSG_NOSIGNAL);
		if (rc < 0 && errno == EAGAIN)
			return x->style == 't' ? end(x, HUNG) : WANTS_TO_WRITE;
		if (rc < 0)
			return ended(x, errno);
		x->sent += (size_t)rc;
	}
	x->stage = READS;
	return x->leaves ? end(x, LEFT) : WANTS_TO_READ;
}

static enum step again(struct exchange *x)
{
	bool marked = !strncmp(x->tag, "204-", 4) || !strncmp(x->tag, "304-", 4);
	char tag[TAG_MOST];

	/* The server says that it closes: who asks again knows that. */
	bool closes = habits.protocol == HTTP && strcasestr(x->reply, "\r\nConnection: close\r\n");
	if (x->outcome != GOOD || x->asked >= x->ask_most || closes)
		return end(x, x->outcome);
	snprintf(tag, sizeof(tag), "%.40s+", marked ? x->tag + 4 : x->tag);
	memcpy(x->tag, tag, sizeof(tag));
	request_make(x);
	x->stage = ASKS;
	return WANTS_TIME;
}

static enum step read_it(struct exchange *x)
{
	for (;;) {
		ssize_t rc = recv(x->fd, x->reply + x->size, sizeof(x->reply) - 1 - x->size, 0);
		if (rc < 0 && errno == EAGAIN)
			return x->style == 't' ? end(x, HUNG) : WANTS_TO_READ;
		if (rc <= 0)
			return ended(x, rc ? errno : 0);
		x->size += (size_t)rc;
		x->reply[x->size] = '\0';
		if (reply_whole(x, false))
			return again(x);
		if (x->size == sizeof(x->reply) - 1)
			return end(x, DAMAGED);
	}
}

enum step exchange_step(struct exchange *x)
{
	enum step step = WANTS_TIME;

	if (now_ns() > x->deadline_ns)
		return end(x, HUNG);
	while (step == WANTS_TIME) {
		switch (x->stage) {
		case OPENS:
			step = open_it(x);
			break;
		case CONNECTS:
			step = connected(x);
			break;
		case DWELLS:
			if (x->dwell_until_ns > now_ns())
				return WANTS_TIME;
			x->stage = ASKS;
			break;
		case ASKS:
			step = ask(x);
			break;
		case READS:
			step = read_it(x);
			break;
		}
		if (step == WANTS_TO_READ && (x->style == 'b' || x->style == 't'))
			step = WANTS_TIME;
	}
	return step;
}

/* Return: false at the end of all patience. */
static bool wait_for(const struct exchange *x, enum step step)
{
	struct pollfd p = { .fd = x->fd, .events = step == WANTS_TO_READ ? POLLIN : POLLOUT };
	struct epoll_event event;
	struct timespec pause = { .tv_nsec = 50000 };

	if (step == WANTS_TIME) {
		nanosleep(&pause, NULL);
		return true;
	}
	if (x->epoll >= 0) {
		int rc;
		do
			rc = epoll_wait(x->epoll, &event, 1, PATIENCE_MS);
		while (rc < 0 && errno == EINTR);
		/* The edge of the one may have been reported with the other. */
		if (rc <= 0 || event.data.ptr != x)
			return false;
	}
	return poll(&p, 1, PATIENCE_MS) == 1;
}

void exchange_run(struct exchange *x)
{
	enum step step;

	while ((step = exchange_step(x)) != DONE) {
		if (!wait_for(x, step)) {
			end(x, HUNG);
			return;
		}
	}
}
