// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* find_rule - which rule decides for a destination. */
#ifndef HEADROOM_ATTACH_PROGRAMS_FIND_RULE_H
#define HEADROOM_ATTACH_PROGRAMS_FIND_RULE_H

#include "attach/programs/state.h"

#include <bpf/bpf_core_read.h>

enum { NO_RULE = ATTACH_RULES_MAX * 2 };

static __always_inline int is_mapped(const struct attach_address *a)
{
	return !a->words_be[0] && !a->words_be[1] && a->words_be[2] == bpf_htonl(0xffff);
}

/* address_is_one_host() of pool/base/address.h; link-local ones are the kernel's choice too. */
static __always_inline int is_for_us(const struct attach_address *to)
{
	__u32 first = bpf_ntohl(to->words_be[0]), last = bpf_ntohl(to->words_be[3]);

	if (is_mapped(to))
		return last && last >> 28 < 0xe && last >> 16 != 0xa9fe;
	if (!to->words_be[0] && !to->words_be[1] && !to->words_be[2] && !to->words_be[3])
		return 0;
	return first >> 24 != 0xff && (first & 0xffc00000) != 0xfe800000;
}

static __always_inline int is_loopback(const struct attach_address *to)
{
	if (is_mapped(to))
		return bpf_ntohl(to->words_be[3]) >> 24 == 127;
	return !to->words_be[0] && !to->words_be[1] && !to->words_be[2] && to->words_be[3] == bpf_htonl(1);
}

/* The sources that serve a destination: for one of the loopback only what is of it, unless the rule names it.
 * Return: how many, from @first on */
static __always_inline __u32 sources_for(const struct attach_rule *rule, const struct attach_address *to,
					 __u32 *first)
{
	const struct attach_span *span = is_mapped(to) ? &rule->v4 : &rule->v6;

	*first = span->first;
	if (!is_loopback(to))
		return span->count;
	if (rule->names_loopback)
		return span->count + span->loopback;
	*first += span->count;
	return span->loopback;
}

static __always_inline int prefix_matches(const struct attach_rule *rule, const struct attach_address *to)
{
	__u32 left = rule->bits;

	if (rule->any_address)
		return 1;
	if (is_mapped(&rule->net) != is_mapped(to))
		return 0;
#pragma unroll
	for (int i = 0; i < 4; i++) {
		__u32 bits = left > 32 ? 32 : left;
		__u32 mask = bits ? ~0u << ((32 - bits) & 31) : 0;
		if (bpf_ntohl(rule->net.words_be[i] ^ to->words_be[i]) & mask)
			return 0;
		left -= bits;
	}
	return 1;
}

static __always_inline int process_matches(const struct attach_rule *rule, const char *process)
{
	if (!rule->process[0])
		return 1;
#pragma unroll
	for (int i = 0; i < ATTACH_PROCESS_MAX; i++) {
		if (rule->process[i] != process[i])
			return 0;
		if (!process[i])
			break;
	}
	return 1;
}

/* The name of the program, which is that of its first thread: others may have names of their own, as Java's
 * do. */
static __always_inline void put_process(char *process)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct task_struct *first = BPF_CORE_READ(task, group_leader);

	bpf_probe_read_kernel(process, ATTACH_PROCESS_MAX, first->comm);
}

/* @own_process: 0 where the program of a socket is not known: rules for one are passed over.
 * Return: the number of the rule that decides; one past the map if none does. */
__noinline __u32 find_rule(const struct attach_pair *pair, __u32 own_process)
{
	__u64 in_force = *(volatile __u64 *)&ruling.first;
	__u32 first = (__u32)in_force, count = (__u32)(in_force >> 32);
	char process[ATTACH_PROCESS_MAX] = {};

	if (!pair)
		return NO_RULE;
	if (count > 1 && own_process)
		put_process(process);
	for (__u32 n = 0; n < ATTACH_RULES_MAX; n++) {
		__u32 number = first + n;
		struct attach_rule *rule = bpf_map_lookup_elem(&rules, &number);
		if (!rule || n >= count)
			break;
		if (rule->port && rule->port != pair->port)
			continue;
		if (prefix_matches(rule, &pair->to) && process_matches(rule, process))
			return number;
	}
	return NO_RULE;
}

#endif
