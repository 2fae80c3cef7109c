// SPDX-License-Identifier: Apache-2.0
/* sandbox - the program takes rights from itself: prctl(PR_SET_SECCOMP), chroot(), and by
 * preload/hooks/syscall.c seccomp() and landlock_restrict_self(); or goes to another
 * network: unshare(), setns(). */
#include "preload/hooks/sandbox.h"

#include "pool/base/restraint.h"
#include "pool/ledger/own_segment.h"
#include "pool/routes/network.h"
#include "preload/base/fdtable.h"
#include "preload/base/hooks.h"
#include "preload/base/process.h"
#include "preload/fds/deferred.h"
#include "preload/fds/numbers.h"
#include "preload/parking/parking.h"

#include <errno.h>
#include <sched.h>
#include <sys/prctl.h>

static void finish(void)
{
	deferred_fds_make_real();
	parking_stand_back();
	usage_freeze(&shim.ledger);
}

void before_sandbox(void)
{
	int saved = errno;
	if (process_will_be_ours())
		finish();
	errno = saved;
}

/* It may be for the calling thread alone (seccomp(2)), but its threads to come have it too, and our state
 * is one for all. */
bool filter_begins(void)
{
	int saved = errno;

	if (process_sleeps_on(true))
		return true;
	bool ours = process_is_ours_surely();
	if (ours) {
		finish();
		/* The thread that keeps time is not to be made any more. */
		parking_off(NULL, RETIRED_ROOM);
		restraint_begin();
	}
	errno = saved;
	return ours;
}

void filter_began(bool begun, bool failed)
{
	if (begun && failed && !process_sleeps_on(false))
		restraint_end();
}

static bool takes_rights(int option)
{
	return option == PR_SET_NO_NEW_PRIVS || option == PR_CAPBSET_DROP || option == PR_CAP_AMBIENT ||
	       option == PR_SET_SECUREBITS || option == PR_SET_KEEPCAPS || option == PR_SET_DUMPABLE;
}

void before_prctl(int option)
{
	if (option == PR_SET_SECCOMP)
		filter_begins();
	else if (takes_rights(option))
		parking_stand_back();
}

int hook_prctl(int option, long a, long b, long c, long d)
{
	if (option != PR_SET_SECCOMP) {
		before_prctl(option);
		return real.prctl(option, a, b, c, d);
	}
	bool begun = filter_begins();
	int rc = real.prctl(option, a, b, c, d);
	filter_began(begun, rc != 0);
	return rc;
}

int hook_chroot(const char *path)
{
	before_sandbox();
	return real.chroot(path);
}

/* Nothing is known of the network that the process began in, and nobody is left behind there. */
static bool nothing_stays(void)
{
	const struct usage_writer *writer = &shim.writer;
	bool unwritten = writer->state == USAGE_NOT_TRIED || shim.settings.no_state ||
			 (writer->inherited && !writer->waited);

	return process_has_one_thread() && !shim.ledger.count && unwritten && fdtable_next(0) < 0;
}

void network_begins(void)
{
	int saved = errno;
	if (process_will_be_ours())
		network_leaving();
	errno = saved;
}

/* Other threads may stay in the network that this one leaves: a destination is no longer one place. */
void network_began(void)
{
	network_leave();
	parking_off(
		"the program changed its network namespace: connections are no longer reused in this process",
		RETIRED_ROOM);
}

int hook_unshare(int flags)
{
	bool apart = flags & CLONE_FILES && numbers_will_part();
	bool leaves = flags & CLONE_NEWNET && process_will_be_ours();
	/* It goes to stay: its sockets are all of the new one. */
	bool moves = leaves && nothing_stays();
	if (leaves && !moves)
		network_begins();

	parking_stand_back();
	int rc = real.unshare(flags);
	if (apart)
		numbers_parted(rc == 0);
	if (rc == 0 && moves) {
		network_restart();
		heritage_drop(&shim.ledger);
	} else if (rc == 0 && leaves) {
		network_began();
	}
	return rc;
}

int hook_setns(int fd, int kind)
{
	parking_stand_back();

	if ((kind && !(kind & CLONE_NEWNET)) || !process_will_be_ours())
		return real.setns(fd, kind);
	network_begins();
	int rc = real.setns(fd, kind);
	if (rc == 0)
		network_began();
	return rc;
}
