// SPDX-License-Identifier: Apache-2.0
/* bypass - libraries of a process that runs under the shim whose connect() is libc's and not the shim's. */
#ifndef HEADROOM_CLI_DOCTOR_BYPASS_H
#define HEADROOM_CLI_DOCTOR_BYPASS_H

#include "cli/doctor/findings.h"

/**
 * doctor_bypass() - name them
 *
 * What dlopen() loads with RTLD_DEEPBIND looks for its functions in what it needs before what is preloaded
 * (dlopen(3)): PHP before 8.3 loads its extensions so. Which function a library is bound to stands in its
 * global offset table, in the memory of the process; what it has not called yet, and is bound at the first
 * call, is not told. Says nothing where that memory may not be read (ptrace(2), PTRACE_MODE_ATTACH).
 */
void doctor_bypass(struct findings *findings, int pid);

#endif
