// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* sockets - list the TCP sockets of the caller's network namespace, faster than the kernel does.
 *
 * sock_diag and iter/tcp take a lock and a reference for each socket, and read some lines of it; that is most
 * of their time. This program reads one line, the next sockets' ahead, and takes neither. It goes over the
 * table of ports, bhash2 (struct inet_hashinfo, include/net/inet_hashtables.h): a bucket has a chain of pairs
 * of port and address, each of these a chain of its sockets. Since Linux 6.8 all sockets with a port are
 * there, those in TIME_WAIT and those that are only bound too; but not what a listener has not answered yet,
 * of which it counts them.
 *
 * No lock is taken, so a chain may change while it is read. Then what was read of its bucket is forgotten and
 * read again: each node has to point back to where it was come from. Nothing is followed but by
 * bpf_probe_read_kernel(), which survives any address; under RCU the memory of a socket stays one of sockets
 * (SLAB_TYPESAFE_BY_RCU).
 *
 * A raw tracepoint program, as that can be called (BPF_PROG_RUN) and runs under rcu_read_lock(); it is
 * attached to nothing. */
#include "attach/listed.h"
#include "attach/programs/socket_tables.h"

char LICENSE[] SEC("license") = "GPL";

enum {
	HEADS_AT_ONCE = 256, /* buckets read at once */
	HEAD_BYTES = 16,     /* lock and first */
	FIRST_AT = 8,
	BLOCKS = 256,    /* of so many buckets in one call */
	AT_ONCE = 65536, /* no further block after so many places */
	CHAIN_MAX = 1 << 16,
	OWNERS_MAX = 1 << 22,
	TRIES = 4,
	AHEAD = 4, /* of a chain */
	FAMILY_INET = 2,
	TCP_SYN_SENT = 2,
	TCP_TIME_WAIT = 6,
	TCP_CLOSE = 7,
	TCP_LISTEN = 10,
	TCP_BOUND_INACTIVE = 13,
};

/* The command gives the number of places. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, union listed);
} list SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct listing_progress);
} progress SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct listed_ports);
} ports SEC(".maps");

struct work {
	__u64 net, table;
	__u64 seen[65536 / 64];         /* ports of which a socket came */
	__u64 heads[HEADS_AT_ONCE * 2]; /* lock, first */
	__u64 ahead[HEADS_AT_ONCE];     /* of each head the next in its chain that nobody has read yet */
	__u64 owners[HEADS_AT_ONCE];    /* of the one before that the first socket */
	__u64 touched;                  /* of no meaning: so that the compiler lets us read */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct work);
} works SEC(".maps");

/* A place in a chain. */
struct place {
	__u64 node, before;
	__u32 whole; /* 1: the chain was read to its end */
	__u32 bucket;
};

static __always_inline struct listing_progress *the_progress(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&progress, &first);
}

static __always_inline struct work *the_work(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&works, &first);
}

/* A pointer that may be read through without a call: what cannot be read is 0 (Linux 6.2). */
extern void *bpf_rdonly_cast(const void *at, __u32 type) __ksym;
#define AT(address, type) \
	((struct type *)bpf_rdonly_cast((void *)(address), bpf_core_type_id_kernel(struct type)))

static __always_inline int is_first_of_port(struct work *work, __u16 port)
{
	__u64 *word = &work->seen[port / 64], bit = 1ull << (port % 64);

	if (*word & bit)
		return 0;
	*word |= bit;
	return 1;
}

/* It takes three more lines of memory, so it is found out only where a command asks for it. */
static __always_inline int holder_wanted(struct listing_progress *to, struct work *work, __u16 port,
					 __u32 state)
{
	struct listed_ports *known;
	__u32 zero = 0;

	if (state == TCP_TIME_WAIT)
		return 0;
	if (to->holders || state == TCP_LISTEN || state == TCP_CLOSE)
		return 1;
	known = bpf_map_lookup_elem(&ports, &zero);
	if (known && known->whole && !(known->blocked[port / 64] >> (port % 64) & 1))
		return 0;
	return is_first_of_port(work, port);
}

static __always_inline void put_holder(union listed *out, __u64 at)
{
	struct sock *sk = AT(at, sock);
	struct socket *socket = sk->sk_socket;

	out->uid = sk->sk_uid.val;
	if (socket)
		out->inode = (__u32)AT(socket, socket_alloc)->vfs_inode.i_ino;
}

static __always_inline __u32 state_shown(struct listing_progress *to, union listed *out, __u64 sk,
					 __u32 state)
{
	if (state == TCP_TIME_WAIT)
		return AT(sk, inet_timewait_sock)->tw_substate;
	if (state == TCP_SYN_SENT)
		out->retransmits = AT(sk, inet_connection_sock)->icsk_retransmits;
	if (state == TCP_LISTEN)
		to->pending += (__u32)AT(sk, inet_connection_sock)->icsk_accept_queue.qlen.counter;
	return state == TCP_CLOSE ? TCP_BOUND_INACTIVE : state;
}

static __always_inline int put_socket(__u64 sk)
{
	struct listing_progress *to = the_progress();
	struct sock_common *from = AT(sk, sock_common);
	struct work *work = the_work();
	union listed *out, *more;
	__u32 at, state;

	if (!to || !work)
		return 0;
	at = to->count;
	state = from->skc_state;
	out = bpf_map_lookup_elem(&list, &at);
	to->count = at + 1;
	if (!out)
		return 0;
	out->inode = out->uid = 0;
	out->port = from->skc_num;
	out->remote_port_be = from->skc_dport;
	out->interface = (__u32)from->skc_bound_dev_if;
	out->family = (__u8)from->skc_family;
	out->retransmits = 0;
	out->state = (__u8)state_shown(to, out, sk, state);
	out->local_be = from->skc_rcv_saddr;
	out->remote_be = from->skc_daddr;
	if (holder_wanted(to, work, out->port, state))
		put_holder(out, sk);
	if (out->family == FAMILY_INET)
		return 0;
	at++;
	more = bpf_map_lookup_elem(&list, &at);
	to->count = at + 1;
	for (int n = 0; n < 4 && more; n++) {
		more->local6_be[n] = from->skc_v6_rcv_saddr.in6_u.u6_addr32[n];
		more->remote6_be[n] = from->skc_v6_daddr.in6_u.u6_addr32[n];
	}
	return 0;
}

#pragma clang diagnostic ignored "-Wunused-parameter" /* a callback's number */
static long read_owner(__u32 index, struct place *at)
{
	__u64 sk = at->node - bpf_core_field_offset(struct sock_common, skc_bind_node);
	struct sock_common *from = AT(sk, sock_common);

	at->whole = !at->node;
	if (!at->node || (__u64)from->skc_bind_node.pprev != at->before)
		return 1;
	at->before = at->node;
	at->node = (__u64)from->skc_bind_node.next;
	if (from->skc_num)
		put_socket(sk);
	return 0;
}

/* The sockets of one port and address. */
static long read_port(__u32 index, struct place *at)
{
	__u64 address = at->node - bpf_core_field_offset(struct inet_bind2_bucket, node);
	struct inet_bind2_bucket *port = AT(address, inet_bind2_bucket);
	struct work *work = the_work();
	struct place owner = {};

	at->whole = !at->node;
	if (!at->node || !work || (__u64)port->node.pprev != at->before)
		return 1;
	at->before = at->node;
	at->node = (__u64)port->node.next;
	if ((__u64)port->ib_net.net != work->net)
		return 0;
	owner.node = (__u64)port->owners.first;
	owner.before = address + bpf_core_field_offset(struct inet_bind2_bucket, owners);
	bpf_loop(OWNERS_MAX, read_owner, &owner, 0);
	return !owner.whole;
}

/* Functions that are not static are verified by themselves, and once.
 * Return: was the chain read to its end? */
__noinline int read_ports(__u64 node, __u64 head)
{
	struct place at = { .node = node, .before = head };

	bpf_loop(CHAIN_MAX, read_port, &at, 0);
	return at.whole;
}

__noinline int read_bucket(__u64 node, __u64 head)
{
	struct listing_progress *to = the_progress();
	__u32 before, pending;

	if (!to)
		return 0;
	before = to->count;
	pending = to->pending;
	for (int n = 0; n < TRIES; n++) {
		if (read_ports(node, head))
			return 0;
		to->count = before;
		to->pending = pending;
		if (bpf_probe_read_kernel(&node, sizeof(node), (void *)head))
			break;
	}
	to->changed++;
	return 0;
}

/* A chain is read one line of memory after the other, each where the one before it says, and most of the time
 * goes by waiting for them. What is read ahead, of many chains in turn, the processor fetches at once. */
static long touch_port(__u32 index, struct work **at)
{
	struct work *work = *at;
	struct inet_bind2_bucket *port;
	__u64 *node = &work->ahead[index & (HEADS_AT_ONCE - 1)],
	      *owner = &work->owners[index & (HEADS_AT_ONCE - 1)];

	*owner = 0;
	if (!*node)
		return 0;
	port = AT(*node - bpf_core_field_offset(struct inet_bind2_bucket, node), inet_bind2_bucket);
	*owner = (__u64)port->owners.first;
	*node = (__u64)port->node.next;
	return 0;
}

static long touch_socket(__u32 index, struct work **at)
{
	struct work *work = *at;
	__u64 node = work->owners[index & (HEADS_AT_ONCE - 1)];

	if (node)
		work->touched +=
			AT(node - bpf_core_field_offset(struct sock_common, skc_bind_node), sock_common)
				->skc_num;
	return 0;
}

static long touch_use(__u32 index, struct work **at)
{
	struct work *work = *at;
	__u64 *node = &work->ahead[index & (HEADS_AT_ONCE - 1)];

	if (*node)
		*node = (__u64)AT(*node - bpf_core_field_offset(struct inet_bind_bucket, node),
				  inet_bind_bucket)
				->node.next;
	return 0;
}

static long set_out(__u32 index, struct work **at)
{
	struct work *work = *at;

	work->ahead[index & (HEADS_AT_ONCE - 1)] = work->heads[(2 * index + 1) & (2 * HEADS_AT_ONCE - 1)];
	return 0;
}

static long read_sockets_ahead(__u32 index, struct work **at)
{
	bpf_loop(HEADS_AT_ONCE, touch_port, at, 0);
	bpf_loop(HEADS_AT_ONCE, touch_socket, at, 0);
	return 0;
}

static long read_uses_ahead(__u32 index, struct work **at)
{
	bpf_loop(HEADS_AT_ONCE, touch_use, at, 0);
	return 0;
}

static long read_head(__u32 index, __u32 *first)
{
	struct work *work = the_work();
	__u64 node;

	if (!work)
		return 1;
	node = work->heads[(2 * index + 1) & (2 * HEADS_AT_ONCE - 1)];
	if (node)
		read_bucket(node, work->table + (__u64)(*first + index) * HEAD_BYTES + FIRST_AT);
	return 0;
}

static long read_block(__u32 index, __u32 *before)
{
	struct listing_progress *to = the_progress();
	struct work *work = the_work();
	__u32 first;

	if (!to || !work || to->next >= to->end || to->count - *before > AT_ONCE)
		return 1;
	first = to->next;
	to->next = first + HEADS_AT_ONCE;
	if (bpf_probe_read_kernel(work->heads, sizeof(work->heads),
				  (void *)(work->table + (__u64)first * HEAD_BYTES))) {
		to->changed++;
		return 0;
	}
	bpf_loop(HEADS_AT_ONCE, set_out, &work, 0);
	bpf_loop(AHEAD, read_sockets_ahead, &work, 0);
	bpf_loop(HEADS_AT_ONCE, read_head, &first, 0);
	return 0;
}

static __always_inline struct inet_hashinfo *find_tables(struct work *work)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct net *net = BPF_CORE_READ(task, nsproxy, net_ns);

	work->net = (__u64)net;
	return BPF_CORE_READ(net, ipv4.tcp_death_row.hashinfo);
}

/* Return: the number of buckets; 0 if the tables are not as expected here */
static __always_inline __u32 count_buckets(struct work *work, struct inet_hashinfo *tables)
{
	__u32 size = BPF_CORE_READ(tables, bhash_size);

	if (!work->table || size % HEADS_AT_ONCE || size > HEADS_AT_ONCE * BLOCKS ||
	    bpf_core_type_size(struct inet_bind_hashbucket) != HEAD_BYTES ||
	    bpf_core_field_offset(struct inet_bind_hashbucket, chain) != FIRST_AT)
		return 0;
	return size;
}

SEC("raw_tp/sys_enter") /* bpftool wants a name */
int sockets(void *ctx)
{
	struct listing_progress *to = the_progress();
	struct work *work = the_work();
	struct inet_hashinfo *tables;
	__u32 before;

	if (!to || !work)
		return 0;
	before = to->count;
	tables = find_tables(work);
	work->table = (__u64)BPF_CORE_READ(tables, bhash2);
	to->end = count_buckets(work, tables);
	bpf_loop(BLOCKS, read_block, &before, 0);
	return 0;
}

/* connect() passes a port over that bind() has taken, once, whatever for (__inet_hash_connect(),
 * net/ipv4/inet_hashtables.c). */
static __always_inline int is_blocked(const struct inet_bind_bucket *port)
{
	return port->fastreuse >= 0 || port->fastreuseport >= 0;
}

/* One place in the chain of a bucket of bhash, where a port of each network namespace has one. */
static long read_use(__u32 index, struct place *at)
{
	__u64 address = at->node - bpf_core_field_offset(struct inet_bind_bucket, node);
	struct inet_bind_bucket *port = AT(address, inet_bind_bucket);
	struct listed_ports *to;
	struct work *work = the_work();
	__u32 first = 0;

	to = bpf_map_lookup_elem(&ports, &first);
	at->whole = !at->node;
	if (!at->node || !work || !to || (__u64)port->node.pprev != at->before)
		return 1;
	at->before = at->node;
	at->node = (__u64)port->node.next;
	if ((__u64)port->ib_net.net == work->net && !port->l3mdev && is_blocked(port))
		to->blocked[port->port / 64] |= 1ull << (port->port % 64);
	return 0;
}

__noinline int read_uses(__u64 node, __u64 head)
{
	struct place at = { .node = node, .before = head };

	bpf_loop(CHAIN_MAX, read_use, &at, 0);
	return at.whole;
}

static long read_uses_of_head(__u32 index, __u32 *first)
{
	struct listed_ports *to;
	struct work *work = the_work();
	__u64 node, head;
	__u32 zero = 0;

	to = bpf_map_lookup_elem(&ports, &zero);
	if (!work || !to)
		return 1;
	node = work->heads[(2 * index + 1) & (2 * HEADS_AT_ONCE - 1)];
	head = work->table + (__u64)(*first + index) * HEAD_BYTES + FIRST_AT;
	/* What is set meanwhile of a port that is free again is not taken back: it was blocked just now. */
	for (int n = 0; node && n < TRIES; n++) {
		if (read_uses(node, head))
			return 0;
		if (bpf_probe_read_kernel(&node, sizeof(node), (void *)head))
			node = 0;
	}
	if (node)
		to->whole = 0;
	return 0;
}

static long read_uses_of_block(__u32 index, __u32 *end)
{
	struct listed_ports *to;
	struct work *work = the_work();
	__u32 zero = 0, first = index * HEADS_AT_ONCE;

	to = bpf_map_lookup_elem(&ports, &zero);
	if (!to || !work || first >= *end)
		return 1;
	if (bpf_probe_read_kernel(work->heads, sizeof(work->heads),
				  (void *)(work->table + (__u64)first * HEAD_BYTES))) {
		to->whole = 0;
		return 0;
	}
	bpf_loop(HEADS_AT_ONCE, set_out, &work, 0);
	bpf_loop(AHEAD, read_uses_ahead, &work, 0);
	bpf_loop(HEADS_AT_ONCE, read_uses_of_head, &first, 0);
	return 0;
}

SEC("raw_tp/sys_exit")
int ports_blocked(void *ctx)
{
	struct listed_ports *to;
	struct work *work = the_work();
	struct inet_hashinfo *tables;
	__u32 zero = 0, end;

	to = bpf_map_lookup_elem(&ports, &zero);
	if (!to || !work)
		return 0;
	tables = find_tables(work);
	work->table = (__u64)BPF_CORE_READ(tables, bhash);
	end = count_buckets(work, tables);
	to->whole = end != 0;
	bpf_loop(BLOCKS, read_uses_of_block, &end, 0);
	return 0;
}
