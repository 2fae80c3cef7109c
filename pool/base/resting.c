// SPDX-License-Identifier: Apache-2.0
/* resting - while /run/headroom/disabled is there, nothing is begun. */
#include "pool/base/resting.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/restraint.h"

#include <errno.h>
#include <sys/stat.h>

#define LOOK_EVERY_NS 1000000000ull

/* The command, and the unit tests, never look. */
IN_DATA atomic_bool resting_now;
_Atomic uint64_t resting_doubt_ns = UINT64_MAX;
static _Atomic uint64_t next_ns = UINT64_MAX;

ONCE bool resting_file_counts(bool unknown)
{
	struct stat file;
	long rc = kernel.access(RESTING_FILE);

	if (!rc)
		rc = kernel.lstat(RESTING_FILE, &file);
	if (rc == -ENOENT || rc == -ENOTDIR)
		return false;
	if (rc)
		return unknown;
	return S_ISREG(file.st_mode) && file.st_uid == 0 && !(file.st_mode & (S_IWGRP | S_IWOTH));
}

/* While resting there is always a doubt, so that whoever is not needs one comparison. */
ONCE static void enter(bool disabled)
{
	atomic_store_explicit(&resting_doubt_ns, disabled ? 0 : atomic_load(&next_ns), memory_order_relaxed);
	atomic_store_explicit(&resting_now, disabled, memory_order_release);
}

COLD bool resting_look(uint64_t now_ns)
{
	uint64_t due_ns = atomic_load(&next_ns);

	if (now_ns >= due_ns && atomic_compare_exchange_strong(&next_ns, &due_ns, now_ns + LOOK_EVERY_NS)) {
		bool disabled = restraint_may_look() ? resting_file_counts(resting()) : resting();
		/* Another thread has looked since, if this one was stopped meanwhile: what it saw is newer. */
		if (atomic_load(&next_ns) == now_ns + LOOK_EVERY_NS)
			enter(disabled);
	}
	return resting();
}

uint64_t resting_next_ns(void)
{
	return atomic_load(&next_ns);
}

void resting_start(uint64_t now_ns)
{
	atomic_store(&next_ns, now_ns + LOOK_EVERY_NS);
	enter(resting_file_counts(false));
}

void resting_stop(void)
{
	atomic_store(&next_ns, UINT64_MAX);
	enter(false);
}
