// SPDX-License-Identifier: Apache-2.0
/* named_port - a socket that is bound to a port takes over the TIME_WAIT of the same connection
 *
 * At once, and whatever tcp_tw_reuse says: __inet_hash_connect() looks for a port of its own choice with a
 * place for the old TIME_WAIT, and for one that is given without (net/ipv4/inet_hashtables.c;
 * tcp_twsk_unique(), net/ipv4/tcp_ipv4.c). So there is one port in use afterwards, not two.
 */
#include "netns.h"
#include "probe.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

/* Return: 0 or a negative errno of the connect() from 127.0.0.1:6000 to port 5000; closed first by us */
static int connect_once(int server)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(6000) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	inet_pton(AF_INET, "127.0.0.1", &own.sin_addr);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&own, sizeof(own)))
		give_up("bind to port 6000");
	int rc = connect_to(fd, "127.0.0.1", 5000);
	int theirs = rc ? -1 : accept(server, NULL, NULL);
	close(fd);
	if (theirs >= 0)
		close(theirs);
	return rc;
}

int main(void)
{
	netns_enter();
	netns_sysctl("ipv4/tcp_tw_reuse", "0");
	int server = listener("127.0.0.1", 5000);
	for (unsigned i = 0; i < 3; i++) {
		expect_error("connect() from port 6000", connect_once(server), 0);
		expect_count("TIME_WAITs", time_waits_left(0, 5000), 1);
	}
	return verdict();
}
