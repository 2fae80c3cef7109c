// SPDX-License-Identifier: Apache-2.0
/* take - one look at the caller's network namespace, for the record. */
#ifndef HEADROOM_CLI_RECORD_TAKE_H
#define HEADROOM_CLI_RECORD_TAKE_H

#include "cli/history/look.h"

struct port_answers;

/**
 * take_look() - of its ports, its fullest tuple spaces, and whose the connections are
 * @answers:	of the looks before
 * @threshold:	per cent, from where it is tight
 * @look:	out
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int take_look(struct port_answers *answers, unsigned threshold, struct look *look);

#endif
