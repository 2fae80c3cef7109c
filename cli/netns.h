// SPDX-License-Identifier: Apache-2.0
/* netns - look into another network namespace. */
#ifndef HEADROOM_CLI_NETNS_H
#define HEADROOM_CLI_NETNS_H

/**
 * netns_enter() - move this process to the network namespace of another
 * @option:	"--pid" or "--netns", for the complaint
 * @what:	a pid; or a name as in `ip netns`, or the path of a namespace file
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int netns_enter(const char *option, const char *what);

#endif
