// SPDX-License-Identifier: Apache-2.0
/* microhttpd - GNU libmicrohttpd, loaded by the one verb that wants it. */
#ifndef HEADROOM_CLI_LIVE_MICROHTTPD_H
#define HEADROOM_CLI_LIVE_MICROHTTPD_H

#include <microhttpd.h>
#include <stdbool.h>

/* What is called of it, each as in <microhttpd.h>. */
struct microhttpd {
	__typeof__(MHD_start_daemon) *start_daemon;
	__typeof__(MHD_stop_daemon) *stop_daemon;
	__typeof__(MHD_create_response_from_buffer) *create_response_from_buffer;
	__typeof__(MHD_add_response_header) *add_response_header;
	__typeof__(MHD_queue_response) *queue_response;
	__typeof__(MHD_destroy_response) *destroy_response;
};

/**
 * microhttpd_load() - fill in @library; it stays loaded
 * Return: NULL, or why not: dlerror(3)
 */
const char *microhttpd_load(struct microhttpd *library);

#endif
