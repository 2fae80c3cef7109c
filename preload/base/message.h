// SPDX-License-Identifier: Apache-2.0
/* message - the sizes in a struct msghdr and a struct cmsghdr of the program's.
 *
 * POSIX wants an int and socklen_t, the kernel 64 bits. glibc has the kernel's; musl has 32 bits and padding,
 * which its sendmsg() and recvmsg() clear in a copy, and the program need not. */
#ifndef HEADROOM_PRELOAD_BASE_MESSAGE_H
#define HEADROOM_PRELOAD_BASE_MESSAGE_H

#include <stdint.h>
#include <sys/socket.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the padding comes first"
#endif

static inline uint32_t message_pieces(const struct msghdr *message)
{
	return (uint32_t)message->msg_iovlen;
}

static inline uint32_t message_control_size(const struct msghdr *message)
{
	return (uint32_t)message->msg_controllen;
}

static inline uint32_t message_control_length(const struct cmsghdr *control)
{
	return (uint32_t)control->cmsg_len;
}

#endif
