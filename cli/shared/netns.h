// SPDX-License-Identifier: Apache-2.0
/* netns - look into another network namespace. */
#ifndef HEADROOM_CLI_SHARED_NETNS_H
#define HEADROOM_CLI_SHARED_NETNS_H

#include <getopt.h>
#include <stddef.h>

/* As the command line names it; all NULL: the one this process is in. */
struct netns_asked {
	const char *option; /* "--pid", "--netns" or "--container" */
	const char *what;   /* a pid; a name as in `ip netns`, or the path of a namespace file; a container */
	int pid;            /* of the container */
};

/* What a verb's table of options has for these. */
#define NETNS_OPTIONS                                                                           \
	{ "pid", required_argument, NULL, 'P' }, { "container", required_argument, NULL, 'K' }, \
	{                                                                                       \
		"netns", required_argument, NULL, 'N'                                           \
	}

/**
 * netns_take() - take one of NETNS_OPTIONS, as verb_options_take() gives it
 * @value:	optarg
 * Return: STATUS_FINE, or STATUS_USAGE if it is another option
 */
int netns_take(struct netns_asked *asked, int option, const char *value);

/**
 * netns_enter() - move this process to the network namespace that was asked for
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int netns_enter(const struct netns_asked *asked);

/**
 * netns_prefix() - what has to stand before a command that is to run over there: "ip netns exec web "
 * @asked:	NULL, or all NULL: nothing
 * Return: @out
 */
const char *netns_prefix(const struct netns_asked *asked, char *out, size_t size);

/**
 * netns_option() - the option that leads a verb over there: " --netns web"
 * @asked:	as above
 * Return: @out
 */
const char *netns_option(const struct netns_asked *asked, char *out, size_t size);

#endif
