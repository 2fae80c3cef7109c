// SPDX-License-Identifier: Apache-2.0
/* server - does a server let each source in? By a connection from each. */
#ifndef HEADROOM_CLI_DOCTOR_SERVER_H
#define HEADROOM_CLI_DOCTOR_SERVER_H

#include "cli/doctor/findings.h"
#include "pool/base/address.h"
#include "pool/rules/source_list.h"

/**
 * doctor_server() - connect from the kernel's source and from each of the list, all at once
 * @sources:	those of the other family are passed over
 *
 * Nothing is sent. What is connected is watched for a moment, as a server that does not know a source may
 * accept and then close, with or without a word. So it takes 3 s at the most, and leaves a connection that
 * was closed without a request in the server's log.
 */
void doctor_server(struct findings *findings, const struct endpoint *to, const struct source_list *sources);

#endif
