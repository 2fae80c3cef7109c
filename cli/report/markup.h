// SPDX-License-Identifier: Apache-2.0
/* markup - what the parts of the page share. */
#ifndef HEADROOM_CLI_REPORT_MARKUP_H
#define HEADROOM_CLI_REPORT_MARKUP_H

#include <stdio.h>

/**
 * markup_head() - all before the first heading: title, style, nothing from elsewhere
 */
void markup_head(FILE *out);

/**
 * markup_text() - text, with what HTML would obey escaped
 */
void markup_text(FILE *out, const char *text);

#endif
