// SPDX-License-Identifier: Apache-2.0
/* complain - what the command says on standard error, and the exit status that goes with it. */
#ifndef HEADROOM_CLI_SHARED_COMPLAIN_H
#define HEADROOM_CLI_SHARED_COMPLAIN_H

enum exit_status { STATUS_FINE = 0, STATUS_BAD_NEWS = 1, STATUS_USAGE = 2, STATUS_UNKNOWN = 3 };

/**
 * complain() - one line on standard error: "headroom: PLACE: REASON"; what printable.h tells of is escaped
 * @place:	NULL for none
 * Return: STATUS_USAGE
 */
int complain(const char *place, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
