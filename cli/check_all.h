// SPDX-License-Identifier: Apache-2.0
/* check_all - what --all and --leaks need to know, and what they share with a check of one destination. */
#ifndef HEADROOM_CLI_CHECK_ALL_H
#define HEADROOM_CLI_CHECK_ALL_H

#include "tuple_space.h"

struct check_all {
	bool json;
	unsigned threshold; /* per cent in use that is bad news */
	double sample_s;
};

/**
 * check_all() - `headroom check --all`
 * Return: an exit status
 */
int check_all(const struct check_all *options);

/**
 * check_leaks() - `headroom check --leaks`
 * Return: an exit status; STATUS_BAD_NEWS if a process seems to leak
 */
int check_leaks(const struct check_all *options);

/**
 * view_complain() - one line on standard error for each thing that a kernel view has missed
 */
void view_complain(const struct kernel_view *view);

/**
 * probe_complain() - one line on standard error: why port_space_ask() could not ask
 */
void probe_complain(int error);

/**
 * sleep_s() - wait, whatever signals come
 */
void sleep_s(double seconds);

#endif
