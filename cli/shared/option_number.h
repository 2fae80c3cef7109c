// SPDX-License-Identifier: Apache-2.0
/* option_number - the value of an option that is a number. */
#ifndef HEADROOM_CLI_SHARED_OPTION_NUMBER_H
#define HEADROOM_CLI_SHARED_OPTION_NUMBER_H

/**
 * option_number() - read it
 * @option:	its name, for the complaint
 * @out:	written to if all is well
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int option_number(const char *option, const char *text, double least, double most, double *out);

#endif
