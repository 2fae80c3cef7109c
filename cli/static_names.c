// SPDX-License-Identifier: Apache-2.0
/* static_names - where a statically linked command looks names up: of users, hosts and services.
 *
 * What /etc/nsswitch.conf names would be loaded from the host, and is built for the host's glibc: it can crash in
 * a program that was linked with another (getpwuid(3) and getaddrinfo(3) do not fail then). Files and DNS are in
 * glibc itself from 2.34 on. */
#include <nss.h>

__attribute__((constructor)) static void ask_nobody_else(void)
{
	__nss_configure_lookup("passwd", "files");
	__nss_configure_lookup("services", "files");
	__nss_configure_lookup("hosts", "files dns");
}
