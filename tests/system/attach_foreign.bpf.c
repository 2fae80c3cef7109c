// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* attach_foreign - what somebody else has at the same cgroup: a program that counts connect(). */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

SEC("cgroup/connect4")
int foreign(struct bpf_sock_addr *context)
{
	__u32 first = 0;
	__u64 *count = bpf_map_lookup_elem(&seen, &first);

	(void)context;
	if (count)
		__sync_fetch_and_add(count, 1);
	return 1;
}
