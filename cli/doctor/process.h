// SPDX-License-Identifier: Apache-2.0
/* process - a program, or a process: which way reaches it, and what stands in the way. */
#ifndef HEADROOM_CLI_DOCTOR_PROCESS_H
#define HEADROOM_CLI_DOCTOR_PROCESS_H

#include "cli/doctor/findings.h"

/**
 * doctor_program() - can the shim be preloaded into the program of this path?
 */
void doctor_program(struct findings *findings, const char *path);

/**
 * doctor_process() - a process that runs
 * @unit:	its unit, to be named in what there is to do; NULL: none
 */
void doctor_process(struct findings *findings, int pid, const char *unit);

/**
 * doctor_disabled() - is the shim disabled by the file, on this machine?
 */
void doctor_disabled(struct findings *findings);

#endif
