// SPDX-License-Identifier: Apache-2.0
/* verbs - the verbs of the headroom command; one file each. */
#ifndef HEADROOM_CLI_SHARED_VERBS_H
#define HEADROOM_CLI_SHARED_VERBS_H

#include "cli/shared/complain.h"

/**
 * verb_run() - run a program under the shim
 * @argc, @argv:	from the verb on
 * Return: does not, if the program could be started; else an exit status (126, 127 as env(1) has them)
 */
int verb_run(int argc, char **argv);

/**
 * verb_service() - put the shim in front of a service of systemd
 */
int verb_service(int argc, char **argv);

/**
 * verb_host() - put the shim into every program of the host, at work in some
 */
int verb_host(int argc, char **argv);

/**
 * verb_config() - check a rule file and say how it is understood
 */
int verb_config(int argc, char **argv);

/**
 * verb_status() - is all well? On one page
 */
int verb_status(int argc, char **argv);

/**
 * verb_check() - how many more connections can be opened to a destination
 */
int verb_check(int argc, char **argv);

/**
 * verb_ports() - the port space of this host
 */
int verb_ports(int argc, char **argv);

/**
 * verb_doctor() - what reaches a program, and what stands in the way
 */
int verb_doctor(int argc, char **argv);

/**
 * verb_report() - what processes under the shim have in use, or had
 */
int verb_report(int argc, char **argv);

/**
 * verb_top() - the ports in use, live
 */
int verb_top(int argc, char **argv);

/**
 * verb_record() - keep what is in use, look by look
 */
int verb_record(int argc, char **argv);

/**
 * verb_export() - metrics for Prometheus
 */
int verb_export(int argc, char **argv);

/**
 * verb_explain() - what a word means
 */
int verb_explain(int argc, char **argv);

/**
 * verb_attach() - spread the connections of a cgroup
 */
int verb_attach(int argc, char **argv);

/**
 * verb_detach() - end that
 */
int verb_detach(int argc, char **argv);

/**
 * verb_disable(), verb_enable() - take the shim out of every program, and put it back
 */
int verb_disable(int argc, char **argv);
int verb_enable(int argc, char **argv);

/**
 * verb_version() - the version, the build, and what this kernel has of what it uses
 */
int verb_version(int argc, char **argv);

#endif
