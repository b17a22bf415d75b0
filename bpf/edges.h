/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Totals by edge. Nothing is ever dropped: what finds no room goes to its owner's overflow, or everybody's, and is counted. */
#ifndef SOCKWATCH_EDGES_H
#define SOCKWATCH_EDGES_H

#include "maps.h"
#include "losses.h"
#include "latency.h"
#include "limits.h"

static const struct edge_key overflow_edge;
static const struct edge_totals no_totals;
static const struct edge_timings no_timings;
static const struct edge_failures no_failures;

/* The agent creates the overflow edge before it attaches anything. */
static __always_inline struct edge_totals *totals_at(const struct edge_key *edge)
{
	struct edge_totals *totals = bpf_map_lookup_elem(&edges, edge);

	if (totals)
		return totals;
	bpf_map_update_elem(&edges, edge, &no_totals, BPF_NOEXIST);
	return bpf_map_lookup_elem(&edges, edge);
}

static __noinline struct edge_totals *folded_totals_of(const struct edge_key *edge)
{
	struct edge_key folded;
	struct edge_totals *totals;

	fold(&folded, edge);
	totals = totals_at(&folded);
	return totals ?: bpf_map_lookup_elem(&edges, &overflow_edge);
}

/*
 * What is folded stays so for as long as the flow lives, whose edge this is: what was opened in an overflow is closed there.
 * No edge in the map has the mark, so those that have it are never found.
 */
static __noinline struct edge_totals *totals_of(struct edge_key *edge)
{
	struct edge_totals *totals = bpf_map_lookup_elem(&edges, edge);

	if (totals)
		return totals;
	if (!edge->folded)
		edge->folded = fold_of_new_edge(edge);
	if (!edge->folded) {
		if (!bpf_map_update_elem(&edges, edge, &no_totals, BPF_NOEXIST))
			charge_edge(edge, 1, 0);
		totals = bpf_map_lookup_elem(&edges, edge);
		if (totals)
			return totals;
		edge->folded = FOLDED_ALL;
	}
	if (edge->folded == FOLDED_ALL)
		count_loss(LOST_EDGES_FULL);
	return folded_totals_of(edge);
}

static __noinline struct edge_timings *timings_of(const struct edge_key *edge)
{
	struct edge_timings *timings;
	struct edge_key folded;

	if (edge->folded) {
		fold(&folded, edge);
		edge = &folded;
	}
	timings = bpf_map_lookup_elem(&edge_timings, edge);
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

static __noinline int count_failure(const struct edge_key *edge, int operation, int error, __u64 duration_ns)
{
	struct edge_failure_key key = {};
	struct edge_failures *failures;

	if (!edge)
		return 0;
	key.edge = *edge;
	if (edge->folded)
		fold(&key.edge, edge);
	key.operation = operation;
	key.error = error;
	failures = bpf_map_lookup_elem(&edge_failures, &key);
	if (!failures && !edge->folded && has_too_many_failures(edge)) {
		count_loss(LOST_FAILURES_QUOTA);
		fold_to(&key.edge, edge, FOLDED_PROCESS);
		failures = bpf_map_lookup_elem(&edge_failures, &key);
	}
	if (!failures) {
		if (!bpf_map_update_elem(&edge_failures, &key, &no_failures, BPF_NOEXIST))
			charge_edge(&key.edge, 0, 1);
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
