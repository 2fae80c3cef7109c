// SPDX-License-Identifier: Apache-2.0
/* ending_signals - wait for the signals that end the program. */
#ifndef HEADROOM_CLI_LIVE_ENDING_SIGNALS_H
#define HEADROOM_CLI_LIVE_ENDING_SIGNALS_H

#include <stdbool.h>

/**
 * ending_signals_block() - from here on they wait for ending_signals_wait(); before there is a second thread
 */
void ending_signals_block(void);

/**
 * ending_signals_wait() - wait for a signal that ends the program
 * @seconds:	at most; below 0: for ever
 * Return: true if one came
 */
bool ending_signals_wait(double seconds);

#endif
