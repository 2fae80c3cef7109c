// SPDX-License-Identifier: Apache-2.0
/* options - setsockopt() and getsockopt() of the fake kernel. */
#include "tests/unit/fake/calls.h"

#include <errno.h>
#include <linux/tcp.h> /* <netinet/tcp.h> has another struct tcp_info, without the byte counts */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

long fake_answer(void *value, socklen_t *length, const void *from, size_t size)
{
	if (*length > size)
		*length = (socklen_t)size;
	memcpy(value, from, *length);
	return 0;
}

/* What the shim itself sets or asks for has a field of its own. */
static void *field(struct fake_fd *s, int level, int name, size_t *size)
{
	*size = sizeof(int);
	if (level == SOL_SOCKET && name == SO_COOKIE)
		return *size = sizeof(s->cookie), &s->cookie;
	if (level == SOL_SOCKET && name == FAKE_SO_NETNS_COOKIE)
		return *size = sizeof(s->network), &s->network;
	if (level == SOL_SOCKET && name == SO_PROTOCOL)
		return &s->protocol;
	if (level == SOL_SOCKET && name == SO_TYPE)
		return &s->type;
	if (level == SOL_SOCKET && name == SO_REUSEPORT)
		return &s->reuse_port;
	if (level == SOL_SOCKET && name == SO_LINGER)
		return *size = sizeof(s->linger), &s->linger;
	if (level == IPPROTO_IP && name == IP_TRANSPARENT)
		return &s->transparent;
	if ((level == IPPROTO_IP && name == IP_MINTTL) ||
	    (level == IPPROTO_IPV6 && name == FAKE_IPV6_MINHOPCOUNT))
		return &s->least_ttl;
	if (level == IPPROTO_IP && name == IP_BIND_ADDRESS_NO_PORT)
		return &s->no_port;
	if (level == IPPROTO_IP && name == IP_LOCAL_PORT_RANGE)
		return &s->range;
	if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY && s->family == AF_INET6)
		return &s->v6only;
	return NULL;
}

static struct fake_option *option(struct fake_fd *s, int level, int name)
{
	for (unsigned i = 0; i < FAKE_OPTIONS; i++) {
		struct fake_option *o = &s->options[i];
		if (o->length && o->level == level && o->name == name)
			return o;
	}
	return NULL;
}

static struct fake_option *new_option(struct fake_fd *s)
{
	for (unsigned i = 0; i < FAKE_OPTIONS; i++)
		if (!s->options[i].length)
			return &s->options[i];
	abort();
}

long fake_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	struct fake_fd *s = fake_look_socket(fd);
	size_t size;
	long rc = fake_enter(CALL_SETSOCKOPT, name);

	if (rc)
		return rc;
	if (!s)
		return -EBADF;
	void *own = field(s, level, name, &size);
	if (own && (level == IPPROTO_IP || level == IPPROTO_IPV6 || name == SO_LINGER)) {
		/* IPV6_V6ONLY is refused once there is a port (net/ipv6/ipv6_sockglue.c). */
		if (length != size || (own == &s->v6only && s->local.port))
			return -EINVAL;
		memcpy(own, value, size);
		return 0;
	}
	if (level != IPPROTO_TCP && level != SOL_SOCKET)
		return -ENOPROTOOPT;
	if (!length || length > sizeof(s->options[0].value))
		return -EINVAL;
	struct fake_option *o = option(s, level, name);
	if (!o)
		o = new_option(s);
	*o = (struct fake_option){ .level = level, .name = name, .length = length };
	memcpy(o->value, value, length);
	return 0;
}

/* The kernel counts the SYN as a byte acknowledged (tcp_clean_rtx_queue(), net/ipv4/tcp_input.c). */
static long tcp_info(struct fake_fd *s, void *value, socklen_t *length)
{
	struct tcp_info info = { .tcpi_state = s->tcp_state,
				 .tcpi_unacked = s->unacked,
				 .tcpi_notsent_bytes = s->not_sent,
				 .tcpi_rtt = s->rtt_us,
				 .tcpi_min_rtt = s->min_rtt_us,
				 .tcpi_bytes_received = s->received,
				 .tcpi_data_segs_in = s->received != 0,
				 .tcpi_segs_out = s->connected || s->spreading,
				 .tcpi_last_data_recv = s->silent_ms,
				 .tcpi_bytes_acked = s->connected ? s->sent + 1 : 0 };

	if (!s->tcp_state)
		return -EOPNOTSUPP;
	if (s->tcp_state_next)
		s->tcp_state = s->tcp_state_next;
	return fake_answer(value, length, &info, fake.tcp_info_size ? fake.tcp_info_size : sizeof(info));
}

long fake_getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
	struct fake_fd *s = fake_look_socket(fd);
	size_t size;
	long rc = fake_enter(CALL_GETSOCKOPT, name);

	if (rc)
		return rc;
	if (!s)
		return -EBADF;
	if (level == IPPROTO_TCP && name == TCP_INFO)
		return tcp_info(s, value, length);
	if (level == SOL_SOCKET && name == SO_BINDTODEVICE)
		return fake_answer(value, length, s->device, *s->device ? strlen(s->device) + 1 : 0);
	if (level == SOL_SOCKET && name == SO_ERROR) {
		int error = s->error;
		s->error = 0;
		return fake_answer(value, length, &error, sizeof(error));
	}
	const void *own = field(s, level, name, &size);
	if (own)
		return fake_answer(value, length, own, size);
	if (level != IPPROTO_TCP && level != SOL_SOCKET)
		return -ENOPROTOOPT;
	static const int unset;
	const struct fake_option *o = option(s, level, name);
	return o ? fake_answer(value, length, o->value, o->length)
		 : fake_answer(value, length, &unset, sizeof(unset));
}
