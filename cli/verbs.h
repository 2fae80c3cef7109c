// SPDX-License-Identifier: Apache-2.0
/* verbs - the verbs of the headroom command; one file each. */
#ifndef HEADROOM_CLI_VERBS_H
#define HEADROOM_CLI_VERBS_H

enum exit_status { STATUS_FINE = 0, STATUS_BAD_NEWS = 1, STATUS_USAGE = 2 };

/**
 * verb_run() - run a program under the shim
 * @argc, @argv:	from the verb on
 * Return: does not, if the program could be started; else an exit status (126, 127 as env(1) has them)
 */
int verb_run(int argc, char **argv);

/**
 * verb_config() - check a rule file and say how it is understood
 */
int verb_config(int argc, char **argv);

/**
 * verb_check() - how many more connections can be opened to a destination
 */
int verb_check(int argc, char **argv);

/**
 * verb_ports() - the port space of this host
 */
int verb_ports(int argc, char **argv);

/**
 * verb_report() - what processes under the shim have in use, or had
 */
int verb_report(int argc, char **argv);

/**
 * verb_top() - the ports in use, live
 */
int verb_top(int argc, char **argv);

/**
 * verb_export() - metrics for Prometheus
 */
int verb_export(int argc, char **argv);

/**
 * verb_explain() - what a word means
 */
int verb_explain(int argc, char **argv);

/**
 * complain() - one line on standard error: "headroom: PLACE: REASON"; what printable.h tells of is escaped
 * @place:	NULL for none
 * Return: STATUS_USAGE
 */
int complain(const char *place, const char *format, ...) __attribute__((format(printf, 2, 3)));

/**
 * complain_option() - about what getopt_long() did not take
 * @option:	what it returned: ':' for a value that is missing, else there is no such option
 * @word:	of the command line
 * Return: STATUS_USAGE
 */
int complain_option(const char *verb, int option, const char *word);

#endif
