// SPDX-License-Identifier: Apache-2.0
/* attach_uring - as attach_client, to 127.0.0.1 port 5000, with connect() by io_uring: no call of that name
 * is made. Ends with status 77 where io_uring cannot be had. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
	int fd;
	struct io_uring_params about;
	uint8_t *submit, *complete;
	struct io_uring_sqe *entries;
} ring;

static int start(void)
{
	ring.fd = (int)syscall(SYS_io_uring_setup, 4, &ring.about);
	if (ring.fd < 0)
		return 0;
	size_t submit = ring.about.sq_off.array + ring.about.sq_entries * sizeof(uint32_t);
	size_t complete = ring.about.cq_off.cqes + ring.about.cq_entries * sizeof(struct io_uring_cqe);
	int how = PROT_READ | PROT_WRITE;

	ring.submit = mmap(NULL, submit, how, MAP_SHARED, ring.fd, IORING_OFF_SQ_RING);
	ring.complete = mmap(NULL, complete, how, MAP_SHARED, ring.fd, IORING_OFF_CQ_RING);
	ring.entries = mmap(NULL, ring.about.sq_entries * sizeof(*ring.entries), how, MAP_SHARED, ring.fd,
			    IORING_OFF_SQES);
	return ring.submit != MAP_FAILED && ring.complete != MAP_FAILED && (void *)ring.entries != MAP_FAILED;
}

static uint32_t *word(uint8_t *base, uint32_t offset)
{
	return (uint32_t *)(void *)(base + offset);
}

/* One operation, waited for. Return: its result */
static int connect_by_ring(int fd, const struct sockaddr_in *to)
{
	uint32_t *tail = word(ring.submit, ring.about.sq_off.tail);
	uint32_t at = *tail & (ring.about.sq_entries - 1);
	uint32_t *head = word(ring.complete, ring.about.cq_off.head);

	ring.entries[at] = (struct io_uring_sqe){
		.opcode = IORING_OP_CONNECT, .fd = fd, .addr = (uintptr_t)to, .off = sizeof(*to)
	};
	word(ring.submit, ring.about.sq_off.array)[at] = at;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -errno;
	const struct io_uring_cqe *done =
		(const void *)(ring.complete + ring.about.cq_off.cqes +
			       (*head & (ring.about.cq_entries - 1)) * sizeof(*done));
	int result = done->res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return result;
}

int main(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(5000),
				  .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	char line[32];

	if (!start())
		return 77;
	while (fgets(line, sizeof(line), stdin)) {
		int asked = atoi(line), failed = 0, error = 0;
		for (int i = 0; i < asked; i++) {
			int fd = socket(AF_INET, SOCK_STREAM, 0), result = connect_by_ring(fd, &to);
			if (result) {
				error = -result;
				failed++;
				close(fd);
			}
		}
		printf("%d connected, %d failed, errno %d\n", asked - failed, failed, error);
		fflush(stdout);
	}
	return 0;
}
