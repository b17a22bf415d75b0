/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Fairness. While a table is less than half full, everybody may have as much of it as they want. From then on nobody gets more
 * than a share, so that one noisy process finds its own limit and the others find room. What goes over a share is counted in an
 * overflow of its owner's, so that sums stay true and it is plain whose they are.
 */
#ifndef SOCKWATCH_LIMITS_H
#define SOCKWATCH_LIMITS_H

#include "edge_process.h"
#include "maps.h"
#include "losses.h"
#include "limit_structs.h"

/* All set by the agent from the sizes of the maps (Kernel/Quotas.cs); the largest number for no limit. */
const volatile __u64 edges_pressed = -1ULL;
const volatile __u64 edges_most = -1ULL;		/* beyond this only overflows are added */
const volatile __u64 edges_per_process = -1ULL;
const volatile __u64 edges_per_container = -1ULL;
const volatile __u64 failures_pressed = -1ULL;
const volatile __u64 failures_per_process = -1ULL;
const volatile __u64 failures_per_container = -1ULL;
const volatile __u64 udp_flows_pressed = -1ULL;
const volatile __u64 udp_flows_per_process = -1ULL;
const volatile __u64 sockets_pressed = -1ULL;
const volatile __u64 sockets_per_process = -1ULL;
const volatile __u64 ring_pressed = -1ULL;		/* bytes */
const volatile __u64 ring_most = -1ULL;			/* beyond this only detections find room */
const volatile __u64 records_per_process = -1ULL;	/* in a window, while the ring is pressed */

#define RECORD_WINDOW_SHIFT 27				/* nanoseconds: an eighth of a second */
#define RECORD_SHARES 1024
#define EVERYBODY 0					/* no process has this pid */
#define CLOCK_TICK_NS 10000000

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct edge_owner_key);
	__type(value, struct edge_owner);
} edge_owners SEC(".maps");

/* Places in socket_hash, by tgid; 0 for everybody. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, __u64);
} process_sockets SEC(".maps");

/* The same in udp_flows. The agent, which removes flows, sets the numbers right. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, __u64);
} process_udp_flows SEC(".maps");

/* The agent adds and removes; the oldest goes when it is full. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct process_limit);
} process_limits SEC(".maps");

struct record_share {
	__u64 window;
	__u64 records;
};

/* By pid, several to a place: who shares one with a noisy process has the bad luck of less room, and only under pressure. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RECORD_SHARES);
	__type(key, __u32);
	__type(value, struct record_share);
} record_shares SEC(".maps");

static const struct edge_owner no_owner;

static __always_inline __u32 current_process(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

static __always_inline void fold_to(struct edge_key *folded, const struct edge_key *edge, int folding)
{
	__builtin_memset(folded, 0, sizeof(*folded));
	if (folding == FOLDED_PROCESS)
		folded->executable_id = without_process(edge->executable_id);
	if (folding != FOLDED_ALL)
		folded->cgroup_id = edge->cgroup_id;
}

/* The edge that takes what the owner of this one has too much of. */
static __always_inline void fold(struct edge_key *folded, const struct edge_key *edge)
{
	fold_to(folded, edge, edge->folded);
}

static __always_inline void charge_owner(__u64 cgroup_id, __u64 executable_id, __u64 edges, __u64 failures)
{
	struct edge_owner_key key = { .cgroup_id = cgroup_id, .executable_id = executable_id };
	struct edge_owner *owner = bpf_map_lookup_elem(&edge_owners, &key);

	if (!owner) {
		bpf_map_update_elem(&edge_owners, &key, &no_owner, BPF_NOEXIST);
		owner = bpf_map_lookup_elem(&edge_owners, &key);
	}
	if (!owner)
		return; /* as many owners as this have a share each that is not worth limiting */
	if (edges)
		__sync_fetch_and_add(&owner->edges, edges);
	if (failures)
		__sync_fetch_and_add(&owner->failures, failures);
}

static __noinline int charge_edge(const struct edge_key *edge, __u64 edges, __u64 failures)
{
	__u64 executable_id = without_process(edge->executable_id);

	charge_owner(0, 0, edges, failures);
	charge_owner(edge->cgroup_id, executable_id, edges, failures);
	if (executable_id)
		charge_owner(edge->cgroup_id, 0, edges, failures);
	return 0;
}

/* How an edge that is not there yet has to be folded; 0 when it may be added. */
static __noinline int fold_of_new_edge(const struct edge_key *edge)
{
	struct edge_owner_key key = {};
	struct edge_owner *owner = bpf_map_lookup_elem(&edge_owners, &key);
	int is_small;
	__u64 own;

	if (!owner || owner->edges < edges_pressed)
		return FOLDED_NOT;
	if (owner->edges >= edges_most) {
		count_loss(LOST_EDGES_FULL);
		return FOLDED_PROCESS;
	}
	key.cgroup_id = edge->cgroup_id;
	key.executable_id = without_process(edge->executable_id);
	owner = bpf_map_lookup_elem(&edge_owners, &key);
	own = owner ? owner->edges : 0;
	key.executable_id = 0;
	owner = bpf_map_lookup_elem(&edge_owners, &key);
	if (own < edges_per_process && (!owner || owner->edges < edges_per_container))
		return FOLDED_NOT;
	/* Who has little does not pay for a neighbour in its container, as far as there is room for many of its kind. */
	is_small = own < edges_per_process / 64;
	if (is_small && owner && owner->edges < edges_per_container + edges_per_container / 4)
		return FOLDED_NOT;
	count_loss(LOST_EDGES_QUOTA);
	return is_small ? FOLDED_CONTAINER : FOLDED_PROCESS;
}

static __noinline int has_too_many_failures(const struct edge_key *edge)
{
	struct edge_owner_key key = {};
	struct edge_owner *owner = bpf_map_lookup_elem(&edge_owners, &key);

	if (!owner || owner->failures < failures_pressed)
		return 0;
	key.cgroup_id = edge->cgroup_id;
	key.executable_id = without_process(edge->executable_id);
	owner = bpf_map_lookup_elem(&edge_owners, &key);
	if (owner && owner->failures >= failures_per_process)
		return 1;
	key.executable_id = 0;
	owner = bpf_map_lookup_elem(&edge_owners, &key);
	return owner && owner->failures >= failures_per_container;
}

static __always_inline __u64 *count_of(void *counts, __u32 pid)
{
	__u64 none = 0, *count = bpf_map_lookup_elem(counts, &pid);

	if (count)
		return count;
	bpf_map_update_elem(counts, &pid, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(counts, &pid);
}

static __always_inline void count_for(void *counts, __u32 pid, __u64 growth)
{
	__u64 *all = count_of(counts, EVERYBODY);
	__u64 *own = count_of(counts, pid);

	if (all)
		__sync_fetch_and_add(all, growth);
	if (own)
		__sync_fetch_and_add(own, growth);
}

static __always_inline int has_its_share(void *counts, __u32 pid, __u64 pressed, __u64 share)
{
	__u32 everybody = EVERYBODY;
	__u64 *all = bpf_map_lookup_elem(counts, &everybody);
	__u64 *own;

	if (!all || *all < pressed)
		return 0;
	own = bpf_map_lookup_elem(counts, &pid);
	return own && *own >= share;
}

/* A place in socket_hash; false when the process has its share of them. */
static __always_inline int take_socket(__u32 pid)
{
	if (has_its_share(&process_sockets, pid, sockets_pressed, sockets_per_process)) {
		count_loss(LOST_SOCKETS_QUOTA);
		return 0;
	}
	count_for(&process_sockets, pid, 1);
	return 1;
}

/* What a process has handed on and left behind stays counted for everybody. */
static __always_inline void give_socket_back(__u32 pid)
{
	__u32 everybody = EVERYBODY;
	__u64 *all = bpf_map_lookup_elem(&process_sockets, &everybody);
	__u64 *own = bpf_map_lookup_elem(&process_sockets, &pid);

	if (all)
		__sync_fetch_and_add(all, -1);
	if (own)
		__sync_fetch_and_add(own, -1);
}

static __always_inline int has_too_many_udp_flows(__u32 pid)
{
	return has_its_share(&process_udp_flows, pid, udp_flows_pressed, udp_flows_per_process);
}

static __always_inline void count_udp_flow(__u32 pid)
{
	count_for(&process_udp_flows, pid, 1);
}

static __always_inline void forget_use(__u32 pid)
{
	bpf_map_delete_elem(&process_sockets, &pid);
	bpf_map_delete_elem(&process_udp_flows, &pid);
}

/* Not exact, and need not be: two at once may count as one. */
static __always_inline int is_over_share(__u32 pid)
{
	__u32 place = pid % RECORD_SHARES;
	struct record_share *share = bpf_map_lookup_elem(&record_shares, &place);
	__u64 window = bpf_ktime_get_ns() >> RECORD_WINDOW_SHIFT;

	if (!share)
		return 0;
	if (share->window != window) {
		share->window = window;
		share->records = 0;
	}
	__sync_fetch_and_add(&share->records, 1);
	return share->records > records_per_process;
}

/* Room for a record. A detection has some that nothing else can take. */
static __always_inline struct flow_record *reserve_record(__u32 pid, int is_detection)
{
	struct flow_record *record;
	__u64 used;

	if (!is_detection) {
		used = bpf_ringbuf_query(&flow_records, BPF_RB_AVAIL_DATA);
		if (used >= ring_pressed) {
			if (used >= ring_most) {
				count_loss(LOST_RING_FULL);
				return 0;
			}
			if (is_over_share(pid)) {
				count_loss(LOST_RECORDS_QUOTA);
				return 0;
			}
		}
	}
	record = bpf_ringbuf_reserve(&flow_records, sizeof(*record), 0);
	if (!record)
		count_loss(is_detection ? LOST_DETECTIONS : LOST_RING_FULL);
	return record;
}

/*
 * The number of the operator's limit that leaves no room for a record of the process; 0 when there is room. The first record of a
 * socket counts it, and so does the first after another limit left none for it.
 */
static __noinline int limit_against(__u32 pid, __u64 process_started_at_ns, __u32 before, int is_first, __u64 now)
{
	struct process_limit *limit = bpf_map_lookup_elem(&process_limits, &pid);

	if (!limit || limit->process_started_at != process_started_at_ns / CLOCK_TICK_NS)
		return 0;
	if (before && limit->number == before)
		return before;
	if (is_first || before)
		__sync_fetch_and_add(&limit->sockets, 1);
	if (now <= limit->until_ns && (!(is_first || before) || limit->sockets <= limit->most_sockets))
		return 0;
	__sync_fetch_and_add(&limit->withheld, 1);
	count_loss(LOST_PROCESS_LIMIT);
	return limit->number;
}

#endif
