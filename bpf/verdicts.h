/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Lists of addresses, matched when a connection begins, or a conversation; and once more, in passing, after the lists have changed.
 * Prefixes from files are sorted ranges, searched by halves: a sixteenth of a trie's memory, filled by copying, and replaced as a
 * whole by putting another map in its place. Entries that come and go at run time are few and in a trie. The longer prefix wins.
 */
#ifndef SOCKWATCH_VERDICTS_H
#define SOCKWATCH_VERDICTS_H

#include "addresses.h"
#include "edges.h"
#include "verdict_structs.h"

const volatile __u8 match_verdicts = 0;

#define IPV4_PREFIX_BITS 96
#define SEARCH_STEPS 26		/* for 2^26 ranges */

struct listed_ranges4 {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct listed_range4));
};

struct listed_ranges6 {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct listed_range6));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct listed_ranges4);
} listed4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct listed_ranges6);
} listed6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct network_prefix);
	__type(value, __u32);
} added_verdicts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct listed);
} listed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct edge_detection_key);
	__type(value, __u64);
} edge_detections SEC(".maps");

/* Detections of the overflow edge: there are no more than there are numbers for them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct edge_detection_key);
	__type(value, __u64);
} overflow_detections SEC(".maps");

/* Conversations of UDP sockets that were told of. The one that was met least lately makes room, and would be told of again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct udp_flow_key);
	__type(value, __u8);
} detected_conversations SEC(".maps");

static __always_inline __u32 find_range4(__u32 address)
{
	__u32 slot = 0, low = 1, high, middle;
	void *ranges = bpf_map_lookup_elem(&listed4, &slot);
	struct listed_range4 *range = ranges ? bpf_map_lookup_elem(ranges, &slot) : 0;

	if (!range)
		return 0;
	high = range->first;
	for (int step = 0; step < SEARCH_STEPS; step++) {
		if (low >= high)
			break;
		middle = low + ((high - low + 1) >> 1);
		range = bpf_map_lookup_elem(ranges, &middle);
		if (!range)
			return 0;
		if (range->first <= address)
			low = middle;
		else
			high = middle - 1;
	}
	range = bpf_map_lookup_elem(ranges, &low);
	return range ? range->verdict : 0;
}

static __always_inline __u32 find_range6(__u64 address_high, __u64 address_low)
{
	__u32 slot = 0, low = 1, high, middle;
	void *ranges = bpf_map_lookup_elem(&listed6, &slot);
	struct listed_range6 *range = ranges ? bpf_map_lookup_elem(ranges, &slot) : 0;

	if (!range)
		return 0;
	high = range->low;
	for (int step = 0; step < SEARCH_STEPS; step++) {
		if (low >= high)
			break;
		middle = low + ((high - low + 1) >> 1);
		range = bpf_map_lookup_elem(ranges, &middle);
		if (!range)
			return 0;
		if (range->high < address_high || (range->high == address_high && range->low <= address_low))
			low = middle;
		else
			high = middle - 1;
	}
	range = bpf_map_lookup_elem(ranges, &low);
	return range ? range->verdict : 0;
}

static __always_inline __u32 length_of(__u32 verdict)
{
	return verdict >> VERDICT_LENGTH_SHIFT & VERDICT_LENGTH;
}

/* Not static: verified once, and not again for each caller. The address in host byte order. */
__noinline __u32 find_verdict(__u64 address_high, __u64 address_low)
{
	__u32 zero = 0, verdict = 0;
	struct listed *lists = bpf_map_lookup_elem(&listed, &zero);
	struct network_prefix prefix = { .length = 128 };
	__u32 *added;

	if (!lists)
		return 0;
	if (lists->ranges)
		verdict = !address_high && address_low >> 32 == 0xffff ? find_range4(address_low) :
			  find_range6(address_high, address_low);
	if (!lists->added)
		return verdict;
	WORD(prefix.address, 0) = bpf_htonl(address_high >> 32);
	WORD(prefix.address, 1) = bpf_htonl(address_high);
	WORD(prefix.address, 2) = bpf_htonl(address_low >> 32);
	WORD(prefix.address, 3) = bpf_htonl(address_low);
	added = bpf_map_lookup_elem(&added_verdicts, &prefix);
	if (!added || (is_ipv4(prefix.address) && length_of(*added) < IPV4_PREFIX_BITS)) /* a prefix of IPv6 addresses */
		return verdict;
	return !verdict || length_of(*added) >= length_of(verdict) ? *added : verdict;
}

/* The number of the detection; 0 when the address is on no list, or allowed. */
static __always_inline __u32 detection_of(const __u8 *address)
{
	__u64 high = (__u64)bpf_ntohl(WORD(address, 0)) << 32 | bpf_ntohl(WORD(address, 1));
	__u64 low = (__u64)bpf_ntohl(WORD(address, 2)) << 32 | bpf_ntohl(WORD(address, 3));

	return find_verdict(high, low) & VERDICT_DETECTION;
}

static __always_inline __u32 listed_generation(void)
{
	__u32 zero = 0;
	struct listed *lists = bpf_map_lookup_elem(&listed, &zero);

	return lists ? lists->generation : 0;
}

/* In a map of its own, so that the number is right whatever becomes of the record. */
static __noinline int count_detection(const struct edge_key *edge, __u32 detection)
{
	struct edge_detection_key key = {};
	__u64 none = 0, *count;

	key.edge = *edge;
	if (edge->folded)
		fold(&key.edge, edge);
	key.detection = detection;
	count = bpf_map_lookup_elem(&edge_detections, &key);
	if (!count) {
		bpf_map_update_elem(&edge_detections, &key, &none, BPF_NOEXIST);
		count = bpf_map_lookup_elem(&edge_detections, &key);
	}
	if (!count) {
		count_loss(LOST_DETECTIONS_FULL);
		key.edge = overflow_edge;
		bpf_map_update_elem(&overflow_detections, &key, &none, BPF_NOEXIST);
		count = bpf_map_lookup_elem(&overflow_detections, &key);
	}
	if (count)
		add(count, 1);
	return 0;
}

/* Whether this is the first that is heard of a UDP socket's conversation with the peer. */
static __always_inline int is_first_contact(const struct udp_flow_key *conversation)
{
	__u8 yes = 1;

	if (bpf_map_lookup_elem(&detected_conversations, conversation))
		return 0;
	return !bpf_map_update_elem(&detected_conversations, conversation, &yes, BPF_NOEXIST);
}

#endif
