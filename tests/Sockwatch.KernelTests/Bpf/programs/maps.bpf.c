/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* One map of each kind the wrapper knows, and programs to fill and visit them on demand. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct pair {
	__u64 first;
	__u64 second;
};

struct prefix {
	__u32 length;
	__u8 address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 64);
	__type(key, __u64);
	__type(value, struct pair);
} pairs SEC(".maps");

/* The kernel's place in a batched read takes four bytes, more than this key. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32);
	__type(key, __u8);
	__type(value, __u32);
} short_keys SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8);
	__type(key, struct prefix);
	__type(value, __u32);
} prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct pair);
} pairs_per_cpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} narrow_per_cpu SEC(".maps");

const volatile __u64 step = 1;
const volatile __u32 limit = 8;

__u64 runs = 0;
__u32 start = 100;

SEC("syscall")
int fill(void *ctx)
{
	__u32 index = 1, zero = 0;
	struct pair *here;
	__u32 *narrow;

	for (__u32 i = 0; i < limit && i < 64; i++) {
		__u64 key = start + i;
		struct pair value = { .first = key * step, .second = i };

		bpf_map_update_elem(&pairs, &key, &value, BPF_ANY);
	}
	here = bpf_map_lookup_elem(&pairs_per_cpu, &index);
	if (here) {
		here->first++;
		here->second += step;
	}
	narrow = bpf_map_lookup_elem(&narrow_per_cpu, &zero);
	if (narrow)
		*narrow += 3;
	__sync_fetch_and_add(&runs, 1);
	return limit;
}

/* The kernel's context of an iterator over the elements of a map. */
struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	__u64 *key;
	struct pair *value;
};

struct bpf_iter_meta {
	struct seq_file *seq;
} __attribute__((preserve_access_index));

SEC("iter/bpf_map_elem")
int visit(struct bpf_iter__bpf_map_elem *ctx)
{
	struct pair *value = ctx->value;
	__u64 *key = ctx->key;
	__u64 found;

	if (!key || !value)
		return 0;
	found = *key;
	bpf_seq_write(ctx->meta->seq, &found, sizeof(found));
	value->second = 7;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
