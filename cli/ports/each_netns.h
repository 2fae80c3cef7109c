// SPDX-License-Identifier: Apache-2.0
/* each_netns - go through the network namespaces of this host. */
#ifndef HEADROOM_CLI_PORTS_EACH_NETNS_H
#define HEADROOM_CLI_PORTS_EACH_NETNS_H

#include <stdbool.h>

enum { NETNS_NAME_MAX = 48 };

/**
 * netns_visitor - called inside of a network namespace
 * @name:	"here", the name of ip-netns(8), "container 0123456789ab" or "pid 4711"
 * Return: an exit status
 */
typedef int netns_visitor(const char *name, void *context);

/**
 * each_netns() - visit those of ip-netns(8) and those of processes that may be looked at, each once
 *
 * The caller is in its own again then.
 * @say:	one line on standard error for each that may not be entered
 * Return: the worst exit status: STATUS_BAD_NEWS, then STATUS_UNKNOWN, then STATUS_FINE; STATUS_USAGE if none
 * could be looked at
 */
int each_netns(netns_visitor *visit, void *context, bool say);

#endif
