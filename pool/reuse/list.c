// SPDX-License-Identifier: Apache-2.0
/* list - all that the process keeps open, youngest first. */
#include "pool/reuse/list.h"

void list_enter(struct reusing *reusing, struct reuse *reuse, uint64_t until_ns)
{
	reuse->all_newer = NULL;
	reuse->all_older = reusing->parked_newest;
	if (reusing->parked_newest)
		reusing->parked_newest->all_newer = reuse;
	reusing->parked_newest = reuse;
	if (!reusing->parked_count++ || until_ns < reusing->parked_look_ns)
		reusing->parked_look_ns = until_ns;
}

void list_leave(struct reusing *reusing, struct reuse *reuse, struct parked_pool *pool)
{
	if (pool) {
		*(reuse->newer ? &reuse->newer->older : &pool->newest) = reuse->older;
		*(reuse->older ? &reuse->older->newer : &pool->oldest) = reuse->newer;
		pool->count--;
		reusing->holders -= reuse_may_hold_a_worker(reuse);
		SPACE_REUSE_ADD(reuse->tracked->space, reuse_parked, UINT32_MAX); /* one less */
	} else if (reusing->blank == reuse) {
		reusing->blank = NULL;
	}
	if (reuse->leaving)
		reusing->leaving_count--;
	*(reuse->all_newer ? &reuse->all_newer->all_older : &reusing->parked_newest) = reuse->all_older;
	if (reuse->all_older)
		reuse->all_older->all_newer = reuse->all_newer;
	reusing->parked_count--;
}
