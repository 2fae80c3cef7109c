// SPDX-License-Identifier: Apache-2.0
/* hook_sandbox - the program takes rights from itself. */
#ifndef HEADROOM_PRELOAD_HOOK_SANDBOX_H
#define HEADROOM_PRELOAD_HOOK_SANDBOX_H

/**
 * before_sandbox() - from here on files may be out of reach, and asking for one may be deadly
 */
void before_sandbox(void);

#endif
