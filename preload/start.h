// SPDX-License-Identifier: Apache-2.0
/* start - the shim's beginning in a process, its forks, its end. */
#ifndef HEADROOM_PRELOAD_START_H
#define HEADROOM_PRELOAD_START_H

/**
 * start_of_end() - at the end of the process, if it was asked for
 */
void start_of_end(void);

#endif
