// SPDX-License-Identifier: Apache-2.0
/* autobind_reuse - with ip_autobind_reuse, bind(ip, 0) of sockets with SO_REUSEADDR shares ports
 *
 * Without it the bind of a source fails when each port has one (Linux 5.7, inet_csk_find_open_port()). With
 * it two such sockets may have one port, so that the next destination has room. bind() does not know the
 * destination: the port may be one that goes there already, and then connect() fails. To everybody else the
 * ports are as blocked as without it.
 */
#include "netns.h"
#include "probe.h"
#include <errno.h>
#include <unistd.h>

/* Return: of 100 tries, how many connect; each failure has to be that of connect() by EADDRNOTAVAIL */
static unsigned tries_that_connect(struct attempt a)
{
	unsigned connected = 0;
	int held[100];

	for (unsigned i = 0; i < 100; i++) {
		int fd = new_socket(&a), error;

		if (bind_to(fd, a.from, 0, false))
			give_up("bind");
		error = connect_to(fd, a.to, a.port);
		if (!error) {
			held[connected++] = fd;
			continue;
		}
		if (error != -EADDRNOTAVAIL)
			give_up("connect");
		close(fd);
	}
	for (unsigned i = 0; i < connected; i++)
		abort_close(held[i]);
	return connected;
}

int main(void)
{
	struct attempt old = { .to = "127.0.0.1", .port = 5000, .from = "127.0.0.2", .plain_bind = true };
	struct attempt unbound = { .to = "127.0.0.1", .port = 5000 };
	struct filled got;
	unsigned second;

	need_kernel(5, 7, "ip_autobind_reuse");
	netns_enter();
	netns_sysctl("ipv4/ip_autobind_reuse", "1");
	listener("127.0.0.1", 5000);
	listener("127.0.0.1", 5001);

	got = fill(old);
	expect_count("ip_autobind_reuse=1, without SO_REUSEADDR", got.count, 100);
	expect("bind() fails", got.call[0] == 'b' && got.error == EADDRINUSE);
	release_all();
	old.reuse_address = true;
	got = fill(old);
	expect_count("with it", got.count, 100);
	expect("then connect() fails", got.call[0] == 'c' && got.error == EADDRNOTAVAIL);
	expect_filled("meanwhile unbound", fill(unbound), 0);
	old.port = 5001;
	second = tries_that_connect(old);
	note("to a second destination, of 100 tries %u", second);
	expect("some, not all", second > 0 && second < 100);
	return verdict();
}
