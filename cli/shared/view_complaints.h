// SPDX-License-Identifier: Apache-2.0
/* view_complaints - what could not be learned from the kernel, in a line each on standard error. */
#ifndef HEADROOM_CLI_SHARED_VIEW_COMPLAINTS_H
#define HEADROOM_CLI_SHARED_VIEW_COMPLAINTS_H

#include "pool/ports/kernel_view.h"

/**
 * view_complain() - about each thing that a kernel view has missed
 */
void view_complain(const struct kernel_view *view);

/**
 * view_complain_failed() - kernel_view_read() failed
 * @error:	its negative errno
 * Return: STATUS_USAGE
 */
int view_complain_failed(int error);

/**
 * range_complain() - port_space_start() failed
 * Return: STATUS_USAGE
 */
int range_complain(void);

/**
 * asked_complain() - why the kernel was not asked about all ports in doubt
 * @error:	of port_space_ask()
 * @doubtful:	ports that are still in doubt; 0: there is nothing to say
 * @probe:	it was asked for
 */
void asked_complain(int error, uint32_t doubtful, bool probe);

#endif
