// SPDX-License-Identifier: Apache-2.0
/* messages - what sendmsg() and recvmsg() make of a message whose padding is dirty, as musl allows: a socket
 * with a deferred port goes to another process, and comes back. */
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(sizeof(int))];
};

static void fill_message(struct msghdr *message, struct iovec *piece, union control *control)
{
	memset(message, 0xff, sizeof(*message));
	memset(control, 0xff, sizeof(*control));
	message->msg_name = NULL;
	message->msg_namelen = 0;
	message->msg_iov = piece;
	message->msg_iovlen = 1;
	message->msg_control = control;
	message->msg_controllen = sizeof(control->room);
}

static void send_fd(int to, int fd)
{
	struct iovec piece = { (char[]){ "x" }, 1 };
	union control control;
	struct msghdr message;

	fill_message(&message, &piece, &control);
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	if (sendmsg(to, &message, 0) != 1)
		err(1, "sendmsg");
}

static int receive_fd(int from)
{
	struct iovec piece = { (char[2]){ "" }, 1 };
	union control control;
	struct msghdr message;
	int fd;

	fill_message(&message, &piece, &control);
	if (recvmsg(from, &message, 0) != 1)
		err(1, "recvmsg");
	memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	return fd;
}

int main(void)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(name);
	int pair[2], fd = socket(AF_INET, SOCK_STREAM, 0), received;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || bind(fd, (const void *)&name, length))
		err(1, "bind");
	send_fd(pair[0], fd);
	received = receive_fd(pair[1]);
	if (received < 0 || getsockname(received, (void *)&name, &length))
		err(1, "getsockname");
	printf("another fd %d, with a port %d\n", received != fd, name.sin_port != 0);
	return 0;
}
