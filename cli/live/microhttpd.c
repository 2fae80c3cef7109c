// SPDX-License-Identifier: Apache-2.0
/* microhttpd - GNU libmicrohttpd, loaded by the one verb that wants it.
 *
 * It brings GnuTLS and what that needs, a dozen of libraries: most of the time that each start of the command
 * took, of `headroom status` on a host in trouble too. A static command has it in it. */
#include "cli/live/microhttpd.h"

#ifdef HEADROOM_MICROHTTPD
#include <dlfcn.h>
#include <stddef.h>

const char *microhttpd_load(struct microhttpd *library)
{
	static const struct {
		const char *name;
		size_t at;
	} functions[] = {
		{ "MHD_start_daemon", offsetof(struct microhttpd, start_daemon) },
		{ "MHD_stop_daemon", offsetof(struct microhttpd, stop_daemon) },
		{ "MHD_create_response_from_buffer",
		  offsetof(struct microhttpd, create_response_from_buffer) },
		{ "MHD_add_response_header", offsetof(struct microhttpd, add_response_header) },
		{ "MHD_queue_response", offsetof(struct microhttpd, queue_response) },
		{ "MHD_destroy_response", offsetof(struct microhttpd, destroy_response) },
	};
	void *loaded = dlopen(HEADROOM_MICROHTTPD, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; loaded && i < sizeof(functions) / sizeof(*functions); i++) {
		void *function = dlsym(loaded, functions[i].name);
		if (!function)
			return dlerror();
		*(void **)((char *)library + functions[i].at) = function;
	}
	return loaded ? NULL : dlerror();
}
#else
const char *microhttpd_load(struct microhttpd *library)
{
	*library = (struct microhttpd){
		.start_daemon = MHD_start_daemon,
		.stop_daemon = MHD_stop_daemon,
		.create_response_from_buffer = MHD_create_response_from_buffer,
		.add_response_header = MHD_add_response_header,
		.queue_response = MHD_queue_response,
		.destroy_response = MHD_destroy_response,
	};
	return NULL;
}
#endif
