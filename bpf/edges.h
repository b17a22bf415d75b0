/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Totals by edge. Nothing is ever dropped: what finds no room goes to the overflow edge and is counted. */
#ifndef SOCKWATCH_EDGES_H
#define SOCKWATCH_EDGES_H

#include "maps.h"
#include "losses.h"
#include "latency.h"

static const struct edge_key overflow_edge;
static const struct edge_totals no_totals;
static const struct edge_timings no_timings;
static const struct edge_failures no_failures;

/*
 * The agent creates the overflow edge before it attaches anything. The key is copied to the stack because kernels before
 * 6.2 take no other memory than that and maps' own for a key, and a function of its own cannot tell what it was given.
 */
static __noinline struct edge_totals *totals_of(const struct edge_key *key)
{
	struct edge_key copy = *key;
	const struct edge_key *edge = &copy;
	struct edge_totals *totals = bpf_map_lookup_elem(&edges, edge);

	if (totals)
		return totals;
	bpf_map_update_elem(&edges, edge, &no_totals, BPF_NOEXIST);
	totals = bpf_map_lookup_elem(&edges, edge);
	if (totals)
		return totals;
	count_loss(LOST_EDGES_FULL);
	return bpf_map_lookup_elem(&edges, &overflow_edge);
}

static __noinline struct edge_timings *timings_of(const struct edge_key *key)
{
	struct edge_key copy = *key;
	const struct edge_key *edge = &copy;
	struct edge_timings *timings = bpf_map_lookup_elem(&edge_timings, edge);

	if (timings)
		return timings;
	bpf_map_update_elem(&edge_timings, edge, &no_timings, BPF_NOEXIST);
	timings = bpf_map_lookup_elem(&edge_timings, edge);
	if (timings)
		return timings;
	count_loss(LOST_TIMINGS_FULL);
	return bpf_map_lookup_elem(&edge_timings, &overflow_edge);
}

static __always_inline void add(__u64 *total, __u64 amount)
{
	__sync_fetch_and_add(total, amount);
}

static __always_inline void add_latency(struct latency *latency, const __u64 *bounds, __u64 ns)
{
	__u32 bucket = 0;

	while (bucket < LATENCY_BUCKETS - 1 && ns > bounds[bucket])
		bucket++;
	if (bucket < LATENCY_BUCKETS) {
		add(&latency->buckets[bucket], 1);
		add(&latency->sum_ns, ns);
	}
}

__noinline int count_failure(const struct edge_key *edge, int operation, int error, __u64 duration_ns)
{
	struct edge_failure_key key = {};
	struct edge_failures *failures;

	if (!edge)
		return 0;
	key.edge = *edge;
	key.operation = operation;
	key.error = error;
	failures = bpf_map_lookup_elem(&edge_failures, &key);
	if (!failures) {
		bpf_map_update_elem(&edge_failures, &key, &no_failures, BPF_NOEXIST);
		failures = bpf_map_lookup_elem(&edge_failures, &key);
	}
	if (!failures) {
		count_loss(LOST_FAILURES_FULL);
		key.edge = overflow_edge;
		bpf_map_update_elem(&overflow_failures, &key, &no_failures, BPF_NOEXIST);
		failures = bpf_map_lookup_elem(&overflow_failures, &key);
		if (!failures)
			return 0;
	}
	add(&failures->count, 1);
	if (operation == OPERATION_CONNECT)
		add_latency(&failures->duration, latency_bounds, duration_ns);
	return 0;
}

#endif
