// SPDX-License-Identifier: Apache-2.0
/* top_past - `headroom top --at`: how it was then, from what `headroom record` kept. */
#ifndef HEADROOM_CLI_LIVE_TOP_PAST_H
#define HEADROOM_CLI_LIVE_TOP_PAST_H

#include <stdint.h>

/**
 * top_past() - print it, as text
 * @history:	the file; NULL: the usual one
 * @at_ns:	CLOCK_REALTIME
 * @filter:	rows with this text in who, destination or source; empty: all
 * Return: an exit status
 */
int top_past(const char *history, uint64_t at_ns, const char *filter);

#endif
