// SPDX-License-Identifier: Apache-2.0
/* advisor - what the parts of the advice share: the findings, and the list that grows. */
#ifndef HEADROOM_CLI_CHECK_ADVISOR_H
#define HEADROOM_CLI_CHECK_ADVISOR_H

#include "cli/check/found.h"
#include "cli/shared/identity.h"

/* One thing to do. */
struct advice {
	char what[400];
	char command[700]; /* empty if there is none */
	char kept[500];    /* how it outlives a restart; empty if there is nothing to keep */
};

enum { ADVICE_MAX = 10 };

enum { PREFIX_MAX = 300 };

struct advisor {
	const struct check *check;
	const struct checked *space;
	struct advice *advice;
	unsigned count;
	char prefix[PREFIX_MAX], option[PREFIX_MAX]; /* netns_prefix(), netns_option() */
};

/**
 * advisor_add() - one thing to do
 * @command:	with the prefix of its namespace already; empty for none
 */
void advisor_add(struct advisor *a, const char *command, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * advisor_sysctl() - the same, where the command is to set these
 * @settings:	"NAME=VALUE NAME=VALUE", quoted for a shell
 */
void advisor_sysctl(struct advisor *a, const char *settings, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * advisor_is_tight() - is half of the ports taken, or the knee passed?
 */
bool advisor_is_tight(const struct advisor *a);

/**
 * advise_on_states() - what the states of the connections tell: no answer to SYNs, CLOSE_WAIT, FIN_WAIT2,
 * TIME_WAIT
 */
void advise_on_states(struct advisor *a);

#endif
