// SPDX-License-Identifier: Apache-2.0
/* export_page - a look, as the text that Prometheus reads. */
#ifndef HEADROOM_CLI_LIVE_EXPORT_PAGE_H
#define HEADROOM_CLI_LIVE_EXPORT_PAGE_H

#include "cli/live/export_count.h"

#include <stddef.h>

/**
 * export_page() - a look, as text
 * @text, @size:	out; free() it
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int export_page(struct export *export, char **text, size_t *size);

#endif
