// SPDX-License-Identifier: Apache-2.0
/* blocked_by_listen - a listener inside the range, on whatever IP, takes its port from every connect()
 *
 * So do the connections it accepted: they share the listener's bind bucket and outlive it.
 */
#include "netns.h"
#include "probe.h"
#include <unistd.h>

int main(void)
{
	struct attempt a = { .to = "127.0.0.1", .port = 5000 };
	int fd, client, child;

	netns_enter();
	listener("127.0.0.1", 5000);

	fd = listener("127.9.9.9", 40050);
	expect_filled("listener on 127.9.9.9:40050 leaves", fill(a), 99);
	release_all();
	close(fd);
	expect_filled("after its close", fill(a), 100);
	release_all();

	if (have_ipv6()) {
		fd = listener("::1", 40050);
		expect_filled("listener on [::1]:40050 leaves IPv4", fill(a), 99);
		release_all();
		close(fd);
	}

	fd = listener("127.9.9.9", 40050);
	client = new_socket(&(struct attempt){ .to = "127.9.9.9", .blocking = true });
	if (bind_to(client, "127.0.0.1", 5001, false) || connect_to(client, "127.9.9.9", 40050))
		give_up("client");
	child = accept(fd, NULL, NULL);
	close(fd);
	expect_filled("accepted connection whose listener is gone leaves", fill(a), 99);
	release_all();
	close(child);
	close(client);
	expect_count("its TIME_WAIT", time_waits_left(40050, 5001), 1);
	expect_filled("leaves", fill(a), 99);
	return verdict();
}
