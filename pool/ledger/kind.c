// SPDX-License-Identifier: Apache-2.0
/* kind - where processes of this one's kind are counted, and whether most of them end soon: see recent.h. */
#include "pool/ledger/kind.h"

#include "pool/base/clock.h"
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/segment/identity.h"

#include <sys/syscall.h>

/* Its place is the first that others of its kind used. */
COLD bool usage_many_end_soon(const struct ledger *ledger, int fd, struct recent_kind *kind)
{
	const struct settings *settings = ledger->settings;

	kind->uid = (unsigned)kernel_syscall(SYS_geteuid, 0, 0, 0, 0, 0, 0);
	kind->own = (struct recent_own){ .name = ledger->process, .now_ns = clock_ns() };
	kind->own.network_cookie = fd >= 0 ? usage_network_cookie_of(fd) : usage_network_cookie();
	/* Its number is beside its cookie in what others counted there. */
	if (!kind->own.network_cookie)
		kind->own.network_namespace = usage_network_namespace();
	for (unsigned i = 0; i < USAGE_PLACES; i++)
		if (usage_place(i, settings->state_dir, settings->runtime_dir, kind->uid, kind->place) &&
		    recent_look(kind->place, &kind->own, NULL, NULL))
			return true;
	kind->place[0] = '\0';
	return false;
}
