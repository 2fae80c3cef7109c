// SPDX-License-Identifier: Apache-2.0
/* summary - the usage table printed when a program ends. */
#ifndef HEADROOM_POOL_SUMMARY_H
#define HEADROOM_POOL_SUMMARY_H

#include "pool/shim.h"

enum { SUMMARY_ROWS = 20 };

/**
 * summary_print() - one row per destination and source, the most used first, on standard error
 *
 * Prints nothing if the program made no outgoing connection.
 */
void summary_print(struct shim *shim);

#endif
