// SPDX-License-Identifier: Apache-2.0
/* plugin - a library to be loaded with RTLD_DEEPBIND: its calls go to libc, past every preload */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int plugin_open(unsigned port);
int plugin_close(int fd);

int plugin_open(unsigned port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(fd, (const struct sockaddr *)&to, sizeof(to)) ? -1 : fd;
}

int plugin_close(int fd)
{
	return close(fd);
}
