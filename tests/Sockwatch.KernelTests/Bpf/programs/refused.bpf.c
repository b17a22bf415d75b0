/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* One program the verifier accepts, and one that it refuses: it does not check what it looked up. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} shared SEC(".maps");

SEC("syscall")
int sound(void *ctx)
{
	__u32 key = 5;
	__u64 value = 55;

	return bpf_map_update_elem(&shared, &key, &value, BPF_ANY);
}

SEC("syscall")
int unsound(void *ctx)
{
	__u32 key = 0;

	return *(__u64 *)bpf_map_lookup_elem(&shared, &key);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
