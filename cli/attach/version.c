// SPDX-License-Identifier: Apache-2.0
/* version - `headroom --version`: what this build is, and which of its ways this kernel has. */
#include "cli/shared/verbs.h"
#include "pool/segment/layout.h"

#ifndef HEADROOM_ATTACH_LACKS
#include "attach/loader.h"
#include "attach/needs.h"
#endif

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* Linux 6.3; include/uapi/linux/in.h */
#endif

static bool has_option(int option)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), value;
	socklen_t size = sizeof(value);
	bool has = fd >= 0 && !getsockopt(fd, IPPROTO_IP, option, &value, &size);

	if (fd >= 0)
		close(fd);
	return has;
}

static void print_build(void)
{
#ifdef __clang__
	const char *compiler = "";
#else
	const char *compiler = "GCC ";
#endif
	printf("build     %s%s, %s%s, ", compiler, __VERSION__, HEADROOM_BUILD_TYPE,
	       HEADROOM_WITH_LTO ? ", link-time optimisation" : "");
#ifdef HEADROOM_ATTACH_LACKS
	printf("no libbpf\n");
#else
	printf("libbpf %s\n", attach_library());
#endif
	printf("formats   usage segment %d, JSON schema 1\n", USAGE_VERSION);
}

static void print_attach(const char *what, bool own_ports)
{
#ifdef HEADROOM_ATTACH_LACKS
	(void)own_ports;
	printf("  %-19s no: built without %s\n", what, HEADROOM_ATTACH_LACKS);
#else
	char reason[ATTACH_REASON_MAX];
	bool lacks = attach_lacks(own_ports, reason);

	printf("  %-19s %s%s\n", what, lacks ? "no: " : "yes", lacks ? reason : "");
#endif
}

int verb_version(int argc, char **argv)
{
	struct utsname kernel = { 0 };

	(void)argc;
	(void)argv;
	uname(&kernel);
	printf("headroom %s\n", HEADROOM_VERSION);
	print_build();
	printf("kernel    %s %s, %s\n", kernel.sysname, kernel.release, kernel.machine);
	printf("  %-19s %s\n", "bind(ip, 0) late",
	       has_option(IP_BIND_ADDRESS_NO_PORT) ? "yes" : "no: Linux 4.2");
	printf("  %-19s %s\n", "no knee",
	       has_option(IP_LOCAL_PORT_RANGE) ? "yes" : "no: Linux 6.3");
	print_attach("attach", false);
	print_attach("attach --own-ports", true);
	return STATUS_FINE;
}
