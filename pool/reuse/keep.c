// SPDX-License-Identifier: Apache-2.0
/* keep - may a connection that the program closes be parked? The program, the guard and the kernel are asked.
 */
#include "pool/reuse/keep.h"

#include "pool/base/kernel.h"
#include "pool/base/restraint.h"
#include "pool/reuse/parked.h"
#include "pool/reuse/second.h"
#include "pool/reuse/stake.h"
#include "pool/reuse/swap.h"
#include "pool/socket/facts.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* Not in <linux/tcp.h>; <netinet/tcp.h> has them but another struct tcp_info (net/tcp_states.h). */
enum { ESTABLISHED = 1 };

/* A turn of a connection ends after so many uses, too, in so many milliseconds. */
enum { TURN_USES_LEAST = 8, TURN_MS = 250 };

/* A share of the fds a process may have, and never more than this. The kernel's table of them has room up to
 * the highest number, and each fork copies it. Of less than FILES_LEAST none: soon a number of ours would be
 * the one that the program expects next. */
enum { PARKED_MOST = 1024, SHARE_OF_FILES = 8, FILES_LEAST = 32, NUMBERS_FROM = 8192 };

void keep_refused(struct reuse *reuse, enum reuse_refusal refusal)
{
	struct parked_pool *pool = reuse_pool(reuse);
	if (!pool)
		return;
	pool->counts.refused[refusal]++;
	SPACE_REUSE_ADD(reuse->tracked->space, reuse_refused[refusal], 1);
}

/* While one is kept that has a worker of the server, who waits for a worker waits on. So each has a turn, and
 * none goes on while a new connection of the program waits, or another's is seen to. */
static bool had_its_turn(const struct reuse *reuse, const struct parked_pool *pool, uint64_t now_ns)
{
	if (!reuse_may_hold_a_worker(reuse))
		return false;
	return conduct_yields_ns(&pool->conduct, now_ns) <= now_ns || reuse->uses >= pool->conduct.turn ||
	       (reuse->uses >= TURN_USES_LEAST && now_ns - reuse->opened_ns >= TURN_MS * CONDUCT_MS_NS &&
		!(reuse->limits->given & REUSE_IDLE_TIMEOUT)) ||
	       parked_is_waited_for(reuse, now_ns);
}

static bool used_up(const struct reuse *reuse, const struct parked_pool *pool, uint64_t now_ns)
{
	return reuse->uses >= reuse->limits->max_uses ||
	       now_ns - reuse->opened_ns >= reuse->limits->max_age_ns || had_its_turn(reuse, pool, now_ns);
}

static int first_refusal(struct reusing *reusing, const struct reuse *reuse, const struct parked_pool *pool,
			 uint64_t now_ns)
{
	const struct tracked *tracked = reuse->tracked;

	if (reusing->no_parking)
		return REFUSED_OFF;
	/* More than the reference of the fd: a thread is in a call on it, and would get the next one's bytes.
	 */
	if (tracked->references > 1 || reuse->shared || reuse->forks != *reusing->sockets->forks ||
	    atomic_load(&reuse->feeding))
		return REFUSED_SHARED;
	/* CONNECTING: the program has not asked yet what came of it; the kernel will be (kernel_says_so()).
	 */
	if ((tracked->state != SOCKET_OPEN && tracked->state != SOCKET_CONNECTING) ||
	    tracked->flags & (WAS_SHUT | IN_CALL))
		return REFUSED_STATE;
	switch (guard_verdict(&reuse->guard)) {
	case GUARD_CLEAN:
		break;
	case GUARD_REFUSED:
		return guard_refusal(&reuse->guard) == GUARD_REASON_UNSEEN ? REFUSED_UNSEEN : REFUSED_GUARD;
	default:
		return REFUSED_OPEN;
	}
	if (tracked->flags & UNLIKE_OTHERS || reuse->options.others || reuse->watches_unknown)
		return REFUSED_OPTION;
	if (pool->conduct.paused_until_ns > now_ns)
		return REFUSED_PAUSED;
	if (!reuse_idle_said_ns(reuse) && !conduct_is_worth_it(&pool->conduct))
		return REFUSED_ROOM;
	if (!stake_by_request(reuse) &&
	    (conduct_owes(&pool->conduct) || !conduct_goes_deep(&pool->conduct, reuse->depth, now_ns)))
		return REFUSED_PAUSED;
	if (used_up(reuse, pool, now_ns))
		return REFUSED_USED_UP;
	return -1;
}

/* The program's own fds get the lowest free numbers; ours come from the upper half of what it may have. */
static void ask_for_files(struct reusing *reusing)
{
	struct rlimit files;

	if (restraint_shut_in() || kernel_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&files, 0, 0))
		return;
	rlim_t share = files.rlim_cur < FILES_LEAST ? 0 : files.rlim_cur / SHARE_OF_FILES;
	reusing->parked_most = share < PARKED_MOST ? (uint32_t)share : PARKED_MOST;
	reusing->parked_from = files.rlim_cur / 2 < NUMBERS_FROM ? (int)(files.rlim_cur / 2) : NUMBERS_FROM;
	reusing->ledger->more_than_counts |= reusing->parked_most;
}

/* Does all that needs no system call speak for parking? If not, the reason is counted. */
static bool program_says_so(struct reusing *reusing, const struct tracked *tracked, uint64_t now_ns)
{
	struct reuse *reuse = tracked->reuse;
	struct parked_pool *pool = reuse_pool(reuse);

	if (!pool)
		return false;
	if (!reusing->parked_most)
		ask_for_files(reusing);
	int refusal = first_refusal(reusing, reuse, pool, now_ns);
	if (refusal < 0 && !reusing->parked_most)
		refusal = REFUSED_ROOM;
	if (refusal >= 0)
		keep_refused(reuse, (enum reuse_refusal)refusal);
	return refusal < 0;
}

/* Does the kernel say so, too? Return: -1 if so, else an enum reuse_refusal. *ended: it is at its end, soon
 * after an answer. */
static int kernel_says_so(int fd, uint64_t sent, uint64_t received, uint32_t *rtt_us, bool *ended)
{
	struct tcp_info info; /* of which no more is read than the kernel says that it has filled */
	socklen_t length = sizeof(info);

	if (kernel.getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) ||
	    length < __builtin_offsetof(struct tcp_info, tcpi_min_rtt))
		return REFUSED_STATE;
	*ended = info.tcpi_state != ESTABLISHED && info.tcpi_last_data_recv <= CONDUCT_LATE_MOST_MS;
	if (info.tcpi_state != ESTABLISHED)
		return REFUSED_STATE;
	/* The SYN is counted as a byte acknowledged (tcp_clean_rtx_queue(), net/ipv4/tcp_input.c). */
	if (info.tcpi_unacked || info.tcpi_notsent_bytes)
		return REFUSED_UNREAD;
	if (info.tcpi_bytes_received != received || info.tcpi_bytes_acked != sent + 1)
		return REFUSED_UNSEEN;
	/* Established, so no FIN; and all that came was read: recv(MSG_PEEK) would have no more to tell. */
	*rtt_us = info.tcpi_rtt;
	return -1;
}

/* A non-blocking connect() whose outcome the program read by poll() or SO_ERROR is still to be told of once
 * (connect(2)). The next program with this connection is told by us. */
static void settle_connect(int fd, const struct tracked *tracked)
{
	struct sockaddr_storage sa;

	if (tracked->state == SOCKET_CONNECTING)
		kernel.connect(fd, &sa,
			       endpoint_to_sockaddr(&tracked->space->destination->to, tracked->family, &sa));
}

/* @own:	a number of ours. Return: -1 if the connection may stay under it, else an enum reuse_refusal.
 * @kept:	since it was handed out: who is handed it next compares the cookie. */
static int look_at(const struct reusing *reusing, struct reuse *reuse, int fd, int own, bool kept,
		   uint32_t *rtt_us, bool *ended)
{
	uint64_t cookie = kept ? reuse->cookie : socket_cookie(own);
	long status = kernel.fcntl(own, F_GETFL, 0);

	/* Closed twice by the program, at the same time: the number may be a stranger's. */
	if (!cookie || (reuse->cookie && reuse->cookie != cookie))
		return REFUSED_STATE;
	if (status < 0 || status & O_ASYNC)
		return REFUSED_OPTION;
	int refusal = kernel_says_so(own, reuse->guard.sent, reuse->guard.received, rtt_us, ended);
	if (refusal >= 0)
		return refusal;
	if (reuse->forks != *reusing->sockets->forks)
		return REFUSED_SHARED;
	if (!swap_out(fd, reuse))
		return REFUSED_OPTION;
	reuse->cookie = cookie;
	reuse->status = (int)status;
	return -1;
}

int keep_connection(struct reusing *reusing, struct tracked *tracked, int fd, uint64_t now_ns,
		    uint32_t *rtt_us)
{
	struct reuse *reuse = tracked->reuse;

	if (!program_says_so(reusing, tracked, now_ns))
		return -1;
	bool kept = reuse->kept, ended = false;
	int own = kept ? second_take(reusing, reuse)
		       : (int)kernel.fcntl(fd, F_DUPFD_CLOEXEC, reusing->parked_from);
	int refusal = own < 0 ? REFUSED_FDS : look_at(reusing, reuse, fd, own, kept, rtt_us, &ended);
	/* The server was the first to close it. */
	if (ended)
		conduct_ended_deep(&reuse_pool(reuse)->conduct, reuse->depth, now_ns);
	if (refusal < 0) {
		settle_connect(own, tracked);
		return own;
	}
	if (own >= 0 && (!kept || socket_cookie(own) == reuse->cookie))
		kernel.close(own);
	keep_refused(reuse, (enum reuse_refusal)refusal);
	return -1;
}
