// SPDX-License-Identifier: Apache-2.0
/* export_http - `headroom export --listen`: an HTTP server for Prometheus. */
#ifndef HEADROOM_CLI_LIVE_EXPORT_HTTP_H
#define HEADROOM_CLI_LIVE_EXPORT_HTTP_H

#include "cli/live/export_count.h"

/**
 * export_serve() - answer HTTP until a signal ends it
 * @where:	ADDR:PORT, [ADDR]:PORT or PORT
 * Return: an exit status
 */
int export_serve(struct export *export, const char *where);

#endif
