// SPDX-License-Identifier: Apache-2.0
/* host - is the shim here because it is in every program of the host? */
#ifndef HEADROOM_PRELOAD_HOST_H
#define HEADROOM_PRELOAD_HOST_H

#include <stdbool.h>

/**
 * host_leaves_alone() - is this a program that the list of `headroom host` does not name?
 *
 * Set-user-ID programs it leaves alone whatever their name.
 * @program:	its name
 * @rules:	set to the host's rule file, or to NULL if the shim is here by LD_PRELOAD
 */
bool host_leaves_alone(const char *program, const char **rules);

#endif
