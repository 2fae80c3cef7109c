/* SPDX-License-Identifier: Apache-2.0 */
/* ops_option - socket options are set, asked for one by one, and all together. */
#include "actor.h"

#include <errno.h>
#include <linux/in6.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef IPV6_UNICAST_IF
#define IPV6_UNICAST_IF 76
#endif

enum kind { INT, LINGER, TIME, DEVICE, CONGESTION };

static const struct option {
	const char *name;
	int level, number;
	enum kind kind;
	bool dumped;        /* does its value stay, whatever the network does? */
	const char *values; /* what the generator sets, NULL: 0|1 */
} options[] = {
	{ "SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, INT, true, NULL },
	{ "SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT, INT, true, NULL },
	{ "SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, INT, true, NULL },
	{ "SO_LINGER", SOL_SOCKET, SO_LINGER, LINGER, true, "0|-1|1" },
	{ "SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, INT, false, "4096|1" },
	{ "SO_SNDBUF", SOL_SOCKET, SO_SNDBUF, INT, false, "4096|1" },
	{ "SO_RCVTIMEO", SOL_SOCKET, SO_RCVTIMEO, TIME, true, "50|0" },
	{ "SO_SNDTIMEO", SOL_SOCKET, SO_SNDTIMEO, TIME, true, "100|0" },
	{ "SO_MARK", SOL_SOCKET, SO_MARK, INT, true, "0|1|2" },
	{ "SO_PRIORITY", SOL_SOCKET, SO_PRIORITY, INT, true, "0|3|6" },
	{ "SO_DONTROUTE", SOL_SOCKET, SO_DONTROUTE, INT, true, NULL },
	{ "SO_OOBINLINE", SOL_SOCKET, SO_OOBINLINE, INT, true, NULL },
	{ "SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, INT, true, "1|5" },
	{ "SO_ZEROCOPY", SOL_SOCKET, SO_ZEROCOPY, INT, true, NULL },
	{ "SO_TIMESTAMP", SOL_SOCKET, SO_TIMESTAMP, INT, true, NULL },
	{ "SO_MAX_PACING_RATE", SOL_SOCKET, SO_MAX_PACING_RATE, INT, true, "10000000" },
	{ "SO_ERROR", SOL_SOCKET, SO_ERROR, INT, false, NULL },
	{ "SO_TYPE", SOL_SOCKET, SO_TYPE, INT, true, NULL },
	{ "SO_DOMAIN", SOL_SOCKET, SO_DOMAIN, INT, true, NULL },
	{ "SO_PROTOCOL", SOL_SOCKET, SO_PROTOCOL, INT, true, NULL },
	{ "SO_ACCEPTCONN", SOL_SOCKET, SO_ACCEPTCONN, INT, true, NULL },
	{ "SO_BINDTODEVICE", SOL_SOCKET, SO_BINDTODEVICE, DEVICE, true, "lo|c0|nosuch" },
	{ "IP_TOS", IPPROTO_IP, IP_TOS, INT, true, "0|16|184" },
	{ "IP_TTL", IPPROTO_IP, IP_TTL, INT, true, "1|64|255|0" },
	{ "IP_FREEBIND", IPPROTO_IP, IP_FREEBIND, INT, true, NULL },
	{ "IP_TRANSPARENT", IPPROTO_IP, IP_TRANSPARENT, INT, true, NULL },
	{ "IP_BIND_ADDRESS_NO_PORT", IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, INT, true, "0|1|1" },
	{ "IP_LOCAL_PORT_RANGE", IPPROTO_IP, IP_LOCAL_PORT_RANGE, INT, true,
	  "0|0xffff0001|0x9c459c40|0x9c419c41" },
	{ "IP_UNICAST_IF", IPPROTO_IP, IP_UNICAST_IF, INT, true, "0|0x01000000|0x02000000" },
	{ "IP_MTU_DISCOVER", IPPROTO_IP, IP_MTU_DISCOVER, INT, true, "0|2" },
	{ "IP_RECVERR", IPPROTO_IP, IP_RECVERR, INT, true, NULL },
	{ "IP_MINTTL", IPPROTO_IP, IP_MINTTL, INT, true, "0|1" },
	{ "IP_PKTINFO", IPPROTO_IP, IP_PKTINFO, INT, true, NULL },
	{ "IPV6_ADDRFORM", IPPROTO_IPV6, IPV6_ADDRFORM, INT, false, "2" },
	{ "IPV6_RECVPKTINFO", IPPROTO_IPV6, IPV6_RECVPKTINFO, INT, true, NULL },
	{ "IPV6_AUTOFLOWLABEL", IPPROTO_IPV6, 70, INT, true, NULL },
	{ "IPV6_TRANSPARENT", IPPROTO_IPV6, IPV6_TRANSPARENT, INT, true, NULL },
	{ "IPV6_V6ONLY", IPPROTO_IPV6, IPV6_V6ONLY, INT, true, NULL },
	{ "IPV6_TCLASS", IPPROTO_IPV6, IPV6_TCLASS, INT, true, "0|16|184" },
	{ "IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS, INT, true, "1|64" },
	{ "IPV6_ADDR_PREFERENCES", IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, INT, true, "1|2|0x400" },
	{ "IPV6_UNICAST_IF", IPPROTO_IPV6, IPV6_UNICAST_IF, INT, true, "0|0x01000000|0x02000000" },
	{ "IPV6_FREEBIND", IPPROTO_IPV6, IPV6_FREEBIND, INT, true, NULL },
	{ "IPV6_RECVERR", IPPROTO_IPV6, IPV6_RECVERR, INT, true, NULL },
	{ "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, INT, true, NULL },
	{ "TCP_CORK", IPPROTO_TCP, TCP_CORK, INT, true, NULL },
	{ "TCP_DEFER_ACCEPT", IPPROTO_TCP, TCP_DEFER_ACCEPT, INT, true, "0|1" },
	{ "TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, INT, true, "0|300" },
	{ "TCP_MAXSEG", IPPROTO_TCP, TCP_MAXSEG, INT, false, "536" },
	{ "TCP_QUICKACK", IPPROTO_TCP, TCP_QUICKACK, INT, false, NULL },
	{ "TCP_SYNCNT", IPPROTO_TCP, TCP_SYNCNT, INT, true, "1|2" },
	{ "TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, INT, true, "10" },
	{ "TCP_FASTOPEN", IPPROTO_TCP, TCP_FASTOPEN, INT, true, "0|5" },
	{ "TCP_FASTOPEN_CONNECT", IPPROTO_TCP, TCP_FASTOPEN_CONNECT, INT, true, NULL },
	{ "TCP_NOTSENT_LOWAT", IPPROTO_TCP, TCP_NOTSENT_LOWAT, INT, true, "1000" },
	{ "TCP_CONGESTION", IPPROTO_TCP, TCP_CONGESTION, CONGESTION, true, "reno|cubic|nosuch" },
	{ "TCP_REPAIR", IPPROTO_TCP, TCP_REPAIR, INT, true, "0" },
	{ "NO_SUCH", IPPROTO_TCP, 9999, INT, false, NULL },
};
enum { OPTIONS = sizeof options / sizeof *options };

static const struct option *find(const char *name)
{
	for (size_t i = 0; i < OPTIONS; i++)
		if (!strcmp(options[i].name, name))
			return &options[i];
	return &options[OPTIONS - 1];
}

static void run_set(struct strand *strand, const struct step *step)
{
	const struct option *option = find(step->arguments[1].word);
	int number = (int)step->arguments[2].number;
	struct linger linger = { number >= 0, number };
	struct timeval time = { 0, number * 1000 };
	const void *value = &number;
	socklen_t length = sizeof number;
	if (option->kind == LINGER) {
		value = &linger;
		length = sizeof linger;
	} else if (option->kind == TIME) {
		value = &time;
		length = sizeof time;
	} else if (option->kind != INT) {
		value = step->arguments[2].word;
		length = (socklen_t)strlen(value);
	}
	say_result(strand, setsockopt(fd_of(step, 0), option->level, option->number, value, length));
}

static void ask(struct strand *strand, int fd, const struct option *option)
{
	union {
		int number;
		struct linger linger;
		struct timeval time;
		char text[IFNAMSIZ + 1];
	} value = { 0 };
	socklen_t length = option->kind == INT      ? sizeof value.number
			   : option->kind == LINGER ? sizeof value.linger
			   : option->kind == TIME   ? sizeof value.time
						    : IFNAMSIZ;
	if (getsockopt(fd, option->level, option->number, &value, &length)) {
		say(strand, "!");
		say_errno(strand, errno);
	} else if (option->kind == DEVICE || option->kind == CONGESTION) {
		say(strand, value.text);
	} else {
		say_number(strand, option->kind == TIME ? value.time.tv_usec : value.number);
		if (option->kind == LINGER && value.linger.l_onoff) {
			say(strand, ",");
			say_number(strand, value.linger.l_linger);
		}
	}
}

static void run_get(struct strand *strand, const struct step *step)
{
	say(strand, " ");
	ask(strand, fd_of(step, 0), find(step->arguments[1].word));
}

static void run_dump(struct strand *strand, const struct step *step)
{
	for (size_t i = 0; i < OPTIONS; i++)
		if (options[i].dumped) {
			say(strand, " ");
			say(strand, options[i].name);
			say(strand, "=");
			ask(strand, fd_of(step, 0), &options[i]);
		}
}

/* Where the length is too short, the kernel cuts the value and says how long it is. */
static void run_get_short(struct strand *strand, const struct step *step)
{
	const struct option *option = find(step->arguments[1].word);
	unsigned char value[8] = { 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee };
	socklen_t length = (socklen_t)step->arguments[2].number;
	say_result(strand, getsockopt(fd_of(step, 0), option->level, option->number, value, &length));
	say(strand, " length=");
	say_number(strand, length);
	for (int i = 0; i < 8; i++) {
		say(strand, " ");
		say_number(strand, value[i]);
	}
}

void options_print(void)
{
	for (size_t i = 0; i < OPTIONS; i++)
		printf("option\t%s\t%s\n", options[i].name, options[i].values ? options[i].values : "0|1");
}

const struct operation option_operations[] = {
	{ "set", 14, "fd option value", run_set },
	{ "get", 8, "fd option", run_get },
	{ "get-short", 1, "fd option int:0-8", run_get_short },
	{ "dump", 8, "fd", run_dump },
	{ NULL, 0, NULL, NULL },
};
