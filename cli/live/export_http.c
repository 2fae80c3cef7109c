// SPDX-License-Identifier: Apache-2.0
/* export_http - `headroom export --listen`: an HTTP server for Prometheus, by libmicrohttpd. */
#include "cli/live/export_http.h"

#include "cli/live/ending_signals.h"
#include "cli/live/export_page.h"
#include "cli/shared/complain.h"

#include <dlfcn.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 64, IDLE_S = 10 };

/* What is called of it, each as in <microhttpd.h>. */
#define MHD_FUNCTIONS(X)               \
	X(start_daemon)                \
	X(stop_daemon)                 \
	X(create_response_from_buffer) \
	X(add_response_header)         \
	X(queue_response)              \
	X(destroy_response)

#define MEMBER(name) __typeof__(MHD_##name) *name;
static struct {
	MHD_FUNCTIONS(MEMBER)
} http;
#undef MEMBER

/* libmicrohttpd brings GnuTLS and what that needs, a dozen of libraries: most of the time that each start of
 * the command took. So it is loaded when it is wanted. A static command has it in it. Return: NULL, or why
 * not: dlerror(3) */
static const char *load(void)
{
#ifdef HEADROOM_MICROHTTPD
	void *loaded = dlopen(HEADROOM_MICROHTTPD, RTLD_NOW | RTLD_LOCAL);
	if (!loaded)
		return dlerror();
#define FIND(name)                                                 \
	if (!(*(void **)&http.name = dlsym(loaded, "MHD_" #name))) \
		return dlerror();
#else
#define FIND(name) http.name = MHD_##name;
#endif
	MHD_FUNCTIONS(FIND)
#undef FIND
	return NULL;
}

static const char front_page[] = "<!DOCTYPE html>\n<title>headroom</title>\n"
				 "<h1>headroom</h1>\n<p><a href=\"/metrics\">Metrics</a></p>\n";

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
			      char *text, size_t size, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response = http.create_response_from_buffer(size, text, mode);

	if (!response) {
		if (mode == MHD_RESPMEM_MUST_FREE)
			free(text);
		return MHD_NO;
	}
	http.add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		http.add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	enum MHD_Result result = http.queue_response(connection, status, response);
	http.destroy_response(response);
	return result;
}

static enum MHD_Result say(struct MHD_Connection *connection, unsigned status, const char *text)
{
	return answer(connection, status, "text/plain; charset=utf-8", (char *)(uintptr_t)text, strlen(text),
		      MHD_RESPMEM_PERSISTENT);
}

/* One thread answers all requests, one after the other: nothing here needs a lock. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *data_size, void **state)
{
	struct export *export = context;
	char *text;
	size_t size;

	(void)version, (void)data, (void)data_size, (void)state;
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return say(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD are answered\n");
	if (!strcmp(url, "/"))
		return answer(connection, MHD_HTTP_OK, "text/html; charset=utf-8",
			      (char *)(uintptr_t)front_page, sizeof(front_page) - 1, MHD_RESPMEM_PERSISTENT);
	if (strcmp(url, "/metrics"))
		return say(connection, MHD_HTTP_NOT_FOUND, "not found; /metrics is what there is\n");
	if (export_page(export, &text, &size))
		return say(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
			   "the look failed; see standard error\n");
	return answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", text, size,
		      MHD_RESPMEM_MUST_FREE);
}

/* @where: see export_serve() */
static bool parse_where(const char *where, struct endpoint *out)
{
	const char *colon = strrchr(where, ':'), *port = colon ? colon + 1 : where;
	size_t length = colon ? (size_t)(colon - where) : 0;
	bool bracketed = length > 2 && where[0] == '[' && where[length - 1] == ']';
	char *end;

	*out = (struct endpoint){ 0 };
	if (!colon)
		address_parse("127.0.0.1", 9, &out->ip);
	else if (!address_parse(where + bracketed, length - 2u * bracketed, &out->ip) ||
		 bracketed == address_is_v4(&out->ip))
		return false;
	unsigned long number = strtoul(port, &end, 10);
	if (*port < '0' || *port > '9' || *end || number > UINT16_MAX)
		return false;
	out->port = (uint16_t)number;
	return true;
}

/* Ours, not the library's: it would not say what is wrong. Return: an fd, or a negative errno */
static int listen_at(const struct endpoint *at)
{
	int family = address_is_v4(&at->ip) ? AF_INET : AF_INET6, on = 1;
	struct sockaddr_storage address;
	socklen_t length = endpoint_to_sockaddr(at, family, &address);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&address, length) || listen(fd, CONNECTIONS_MAX)) {
		int why = errno;
		close(fd);
		return -why;
	}
	return fd;
}

static void say_where(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	struct endpoint at = { 0 };
	char text[ENDPOINT_TEXT_MAX];

	if (!getsockname(fd, (struct sockaddr *)&address, &length))
		endpoint_from_sockaddr(&address, length, &at);
	printf("listening on http://%s/metrics\n", endpoint_format(&at, text));
	fflush(stdout);
}

int export_serve(struct export *export, const char *where)
{
	struct endpoint at;

	if (!parse_where(where, &at))
		return complain("--listen",
				"`%s` is none of ADDR:PORT, [ADDR]:PORT and PORT, such as 127.0.0.1:9816",
				where);
	const char *lacks = load();
	if (lacks)
		return complain("--listen", "no HTTP server without libmicrohttpd: %s", lacks);
	int fd = listen_at(&at);
	if (fd < 0)
		return complain("--listen", "%s: %s", where,
				fd == -EADDRNOTAVAIL ? "is not an address of this host" : strerror(-fd));
	struct MHD_Daemon *daemon = http.start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO, 0, NULL, NULL, on_request, export,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_END);
	if (!daemon) {
		close(fd);
		return complain("--listen", "%s: the HTTP server could not be started", where);
	}
	say_where(fd);
	ending_signals_wait(-1);
	http.stop_daemon(daemon);
	return STATUS_FINE;
}
