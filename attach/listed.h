// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* listed - what the BPF program of programs/sockets.bpf.c and the command share. Compiled for both. */
#ifndef HEADROOM_ATTACH_LISTED_H
#define HEADROOM_ATTACH_LISTED_H

#include <linux/types.h>

/* An IPv4 socket takes one place in the list; another one two, of which the second is its addresses. */
union listed {
	struct {
		__u32 inode, uid; /* 0: nobody has asked who holds it, see `holders` */
		__u32 interface;
		__u16 port, remote_port_be;
		__u8 state, family, retransmits, reserved_zero;
		__u32 local_be, remote_be;
	};
	struct {
		__u32 local6_be[4], remote6_be[4];
	};
};
#ifndef __bpf__
_Static_assert(sizeof(union listed) == 32, "180,000 sockets take 6 MB");
#endif

/* Of programs of one call for all buckets of the table of ports. */
struct listed_ports {
	__u64 blocked[65536 / 64]; /* a bit for each port that connect() passes over */
	__u32 whole;               /* 1: all of them are told */
	__u32 reserved_zero;
};

struct listing_progress {
	__u32 count;     /* places taken, by all calls; more than there are: the list was too short */
	__u32 next, end; /* bucket to go on at, and past the last; end 0: the kernel's tables are not as
			    expected */
	__u32 changed;   /* buckets that changed again and again while they were read */
	__u32 pending;   /* connections that listeners have not answered yet: those are not listed */
	__u32 holders; /* in: 1: inode and uid of each socket that has them; 0: of listeners, of sockets that
			  are only bound, and of the first one of each port that is blocked, or may be */
	__u32 reserved_zero;
};

#endif
