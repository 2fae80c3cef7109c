// SPDX-License-Identifier: Apache-2.0
/* nat - is the source or the destination of a connection another one to the server? */
#ifndef HEADROOM_CLI_DOCTOR_NAT_H
#define HEADROOM_CLI_DOCTOR_NAT_H

#include "cli/doctor/findings.h"
#include "pool/base/address.h"

enum { NAT_TEXT_MAX = 160 };

/**
 * nat_rewritten() - what this machine's connection tracking makes of a connection
 * @fd:		connected to @to, still open
 * @out:	NAT_TEXT_MAX bytes; a sentence, or "" if nothing, or if that does not show (IPv6, no root, no
 *		/proc/net/nf_conntrack)
 */
void nat_rewritten(int fd, const struct endpoint *to, char *out);

/**
 * nat_between() - a server with a public address was reached from a private one: somebody on the way rewrites
 */
void nat_between(struct findings *findings, const struct endpoint *to, bool reached);

#endif
