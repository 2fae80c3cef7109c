// SPDX-License-Identifier: Apache-2.0
/* host - is the port space of this network namespace sane, and what does this machine have? */
#ifndef HEADROOM_CLI_DOCTOR_HOST_H
#define HEADROOM_CLI_DOCTOR_HOST_H

#include "cli/doctor/findings.h"

/**
 * doctor_ports() - the range, what is reserved, TIME_WAITs, connection tracking of the caller's network
 * namespace
 */
void doctor_ports(struct findings *findings);

/**
 * doctor_machine() - what the kernel and this user can do
 */
void doctor_machine(struct findings *findings);

#endif
