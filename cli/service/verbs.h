// SPDX-License-Identifier: Apache-2.0
/* verbs - what `headroom service` does: enable, disable, list. */
#ifndef HEADROOM_CLI_SERVICE_VERBS_H
#define HEADROOM_CLI_SERVICE_VERBS_H

#include "cli/service/options.h"

/**
 * service_enable() - put the shim in front of a service
 * @word:	the unit as it was named
 * Return: an exit status: STATUS_BAD_NEWS if it was taken back
 */
int service_enable(const char *word, const struct service_options *options);

/**
 * service_disable() - take it away
 * @word:	NULL for all
 */
int service_disable(const char *word, const struct service_options *options);

/**
 * service_list() - the services that have it
 */
int service_list(const struct service_options *options);

#endif
