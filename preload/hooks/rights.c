// SPDX-License-Identifier: Apache-2.0
/* rights - calls by which a program becomes somebody else, or may do less from then on.
 *
 * A connection that was made before has the rights of then: what is parked goes first, so that a connect()
 * the program may not make any more is not served from it. */
#include "preload/base/hooks.h"
#include "preload/parking/parking.h"

#include <sys/fsuid.h>

#define BEFORE(call)          \
	parking_stand_back(); \
	return call

#define BEFORE_FOR_THREAD(call)          \
	parking_stand_back_for_thread(); \
	return call

int hook_setuid(uid_t uid)
{
	BEFORE(real.setuid(uid));
}

int hook_setgid(gid_t gid)
{
	BEFORE(real.setgid(gid));
}

int hook_seteuid(uid_t uid)
{
	BEFORE(real.seteuid(uid));
}

int hook_setegid(gid_t gid)
{
	BEFORE(real.setegid(gid));
}

int hook_setreuid(uid_t uid, uid_t effective)
{
	BEFORE(real.setreuid(uid, effective));
}

int hook_setregid(gid_t gid, gid_t effective)
{
	BEFORE(real.setregid(gid, effective));
}

int hook_setresuid(uid_t uid, uid_t effective, uid_t saved)
{
	BEFORE(real.setresuid(uid, effective, saved));
}

int hook_setresgid(gid_t gid, gid_t effective, gid_t saved)
{
	BEFORE(real.setresgid(gid, effective, saved));
}

int hook_setgroups(size_t count, const gid_t *groups)
{
	BEFORE(real.setgroups(count, groups));
}

int hook_initgroups(const char *user, gid_t group)
{
	BEFORE(real.initgroups(user, group));
}

int hook_setfsuid(uid_t uid)
{
	BEFORE_FOR_THREAD(real.setfsuid(uid));
}

int hook_setfsgid(gid_t gid)
{
	BEFORE_FOR_THREAD(real.setfsgid(gid));
}

int hook_capset(void *header, const void *data)
{
	BEFORE_FOR_THREAD(real.capset(header, data));
}
