// SPDX-License-Identifier: Apache-2.0
/* park - the last fd of a connection is about to be closed: it is kept under a number of ours. */
#include "preload/parking/park.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/resting.h"
#include "pool/base/restraint.h"
#include "pool/reuse/keep.h"
#include "preload/base/fdtable.h"
#include "preload/base/process.h"
#include "preload/parking/keeper.h"
#include "preload/parking/parking.h"

/* For the keeper: calls nothing of libc that needs thread-local storage of its own. */
static bool tend(uint64_t now_ns)
{
	struct retired retired = { 0 };
	bool rests = resting();

	bool more = rests ? parked_give_up(&shim.reusing, RETIRED_ROOM, now_ns, &retired)
			  : parked_expire(&shim.reusing, now_ns, &retired);
	parking_leave_table(&retired);
	shim_leave(&shim);
	retired_close(&retired);
	return more || (!rests && resting_look(now_ns));
}

/* Else nobody would end it on time. */
APART void park_see_to(uint64_t until_ns)
{
	if (!keeper_see_to(until_ns, tend))
		parking_off("no thread can be made that closes parked connections on time: none is kept",
			    RETIRED_ROOM);
}

APART bool park(int fd, const struct held *held)
{
	struct retired retired;
	uint64_t now_ns = clock_ns();
	uint32_t rtt_us = 0;
	int own = -1;

	retired_none(&retired);
	resting_look(now_ns);
	struct reuse *reuse = held->tracked->reuse;
	/* Where there is a filter a child tries netlink once (trial.h): that is not waited for with the lock
	 * held. */
	if (reuse && reuse->limits && reuse_may_hold_a_worker(reuse))
		restraint_filtered();
	if (!shim_enter_held(&shim, held))
		return false;
	bool kept = reuse->kept;
	reuse_closes(&shim.reusing, held->tracked, now_ns);
	if (!resting())
		own = keep_connection(&shim.reusing, held->tracked, fd, now_ns, &rtt_us);
	/* One that was kept may be the program's by now: see second.h. */
	bool lost = kept && own >= 0 && fdtable_look(own);
	if (own >= 0 && !lost && fdtable_set(own, held->tracked)) {
		parked_enter(&shim.reusing, reuse, own, rtt_us, now_ns, &retired);
	} else if (own >= 0) {
		if (!lost)
			kernel.close(own);
		keep_refused(reuse, REFUSED_FDS);
		own = -1;
	}
	uint64_t until_ns = shim.reusing.parked_look_ns;
	bool in_time = own < 0 || keeper_looks_by(until_ns);
	parking_leave(&retired);
	if (unlikely(!in_time))
		park_see_to(until_ns);
	return own >= 0;
}
