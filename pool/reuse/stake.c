// SPDX-License-Identifier: Apache-2.0
/* stake - may what the program is about to ask go out on a connection that was used before? */
#include "pool/reuse/stake.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"

#include <sys/uio.h>

/* Return: can the guard follow it? *repeatable: may it be asked again? */
static bool follows(const struct reuse *reuse, const struct iovec *pieces, size_t count, bool *repeatable)
{
	struct guard guard = reuse->guard;
	size_t size = 0;

	for (size_t i = 0; i < count; i++) {
		guard_sent(&guard, pieces[i].iov_base, pieces[i].iov_len);
		size += pieces[i].iov_len;
	}
	*repeatable = reuse->request.bytes && size <= REUSE_REQUEST_MAX && guard_may_repeat(&guard);
	return !guard.reason && !guard_may_be_for_another(&guard);
}

APART bool stake_allows(struct reusing *reusing, const struct held *held, const struct iovec *pieces,
			size_t count)
{
	struct reuse *reuse = held->tracked->reuse;
	bool repeatable, allowed = true;

	/* Another thread is at it. */
	if (reuse->shared || atomic_load(&reuse->feeding))
		return true;
	if (!follows(reuse, pieces, count, &repeatable))
		return false;
	if (repeatable || !lock_enter_held(reusing->lock, held))
		return true;
	struct parked_pool *pool = reuse_pool(reuse);
	if (pool && !reuse->at_risk) {
		uint64_t now_ns = clock_ns();
		bool vouched = reuse->guard.kind != GUARD_HTTP;
		allowed = conduct_may_stake(&pool->conduct, vouched, reuse->depth, reuse->idle_ns, now_ns);
		if (allowed)
			reuse_risks(pool, reuse, now_ns);
	}
	lock_leave(reusing->lock);
	return allowed;
}
