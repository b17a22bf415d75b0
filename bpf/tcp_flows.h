/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Where a connection is counted as open, and where as closed. */
#ifndef SOCKWATCH_TCP_FLOWS_H
#define SOCKWATCH_TCP_FLOWS_H

#include "sockets.h"

/* What the sequence numbers say the application has taken, to be compared at the end. */
static __always_inline void note_sequence(struct socket_state *state)
{
	struct tcp_sock *tcp = (void *)state->socket;

	state->copied_from = BPF_CORE_READ(tcp, copied_seq);
}

static __noinline int open_flow(struct socket_state *state)
{
	struct edge_totals *totals;

	if (state->ignored)
		return 0;
	totals = totals_of(&state->edge);
	if (totals)
		add(&totals->opened, 1);
	return 0;
}

/* Counts what is left and how long it lived; with the totals where the caller has them. */
static __always_inline void close_flow(struct socket_state *state, struct edge_totals *totals, int operation,
				       __u64 now)
{
	struct edge_timings *timings = timings_of(&state->edge);

	flush_to(state, totals, timings);
	state->phase = PHASE_CLOSED;
	if (totals)
		add(&totals->closed, 1);
	if (timings)
		add_latency(&timings->connection, lifetime_bounds, now - state->started_at_ns);
	emit(state, RECORD_FLOW_END, operation, now);
}

static __noinline int end_flow(struct socket_state *state, int operation, __u64 now)
{
	if (state->phase != PHASE_OPEN)
		return 0;
	if (state->ignored)
		state->phase = PHASE_CLOSED;
	else
		close_flow(state, totals_of(&state->edge), operation, now);
	return 0;
}

#endif
