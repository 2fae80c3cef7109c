// SPDX-License-Identifier: Apache-2.0
/* kind - where processes of this one's kind are counted, and whether most of them end soon: see recent.h. */
#ifndef HEADROOM_POOL_LEDGER_KIND_H
#define HEADROOM_POOL_LEDGER_KIND_H

#include "pool/ledger/ledger.h"
#include "pool/segment/directory.h"
#include "pool/segment/recent.h"

/* Where processes of this kind are counted: of this name, user and network namespace. */
struct recent_kind {
	struct recent_own own;
	unsigned uid;
	char place[USAGE_PATH_MAX];
};

/**
 * usage_many_end_soon() - do most processes of this kind live for a connection or two?
 * @fd:		a socket of this network namespace; -1: there is none
 * @kind:	is filled in; the place only if they do, and else perhaps not the number of the network
 *		namespace
 */
bool usage_many_end_soon(const struct ledger *ledger, int fd, struct recent_kind *kind);

#endif
