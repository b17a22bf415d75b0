/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Connections that this side begins: attempts, and what comes of them. */
#ifndef SOCKWATCH_TCP_CONNECTING_H
#define SOCKWATCH_TCP_CONNECTING_H

#include "dns.h"
#include "tcp_flows.h"

static __noinline int fail_connect(struct socket_state *state, int error, __u64 now)
{
	__u64 began = state->attempt_at_ns ?: now;

	if (state->phase == PHASE_CONNECTING)
		flush(state); /* the SYNs that were sent again */
	state->attempt_pending = 0;
	state->attempt_at_ns = 0;
	state->phase = PHASE_NEW;
	if (state->ignored)
		return 0;
	count_failure(&state->edge, OPERATION_CONNECT, error, now - began);
	state->error = error;
	state->end_reason = END_NONE; /* what never began has no end */
	state->started_at_ns = began;
	state->connect_duration_ns = now - began;
	emit(state, RECORD_FLOW_FAILED, OPERATION_CONNECT, now);
	state->error = 0;
	state->connect_duration_ns = 0;
	return 0;
}

/*
 * A connect that the kernel refused before it sent anything (no route) changes no state that a tracepoint shows. It
 * is seen as an attempt without a SYN, at the latest when the socket is used again or released.
 */
static __always_inline void settle_tcp_attempt(struct socket_state *state, __u64 now)
{
	if (state->attempt_pending && state->phase != PHASE_CONNECTING)
		fail_connect(state, ENETUNREACH, now);
}

static __always_inline void on_syn_sent(struct sock *sk)
{
	struct socket_state *state = state_or_new(sk);
	__u64 now = bpf_ktime_get_boot_ns();
	struct tcp_sock *tcp;

	if (!state)
		return;
	if (state->phase == PHASE_OPEN) /* disconnected and connected anew */
		end_flow(state, OPERATION_CONNECT, now);
	if (!state->attempt_pending) {
		own_by_current(state);
		state->attempt_at_ns = now;
	}
	begin_flow(state);
	state->attempt_pending = 0;
	tcp = (void *)state->socket;
	state->retransmits = BPF_CORE_READ(tcp, total_retrans);
	set_ends(state, sk, ROLE_CLIENT);
	begin_dns_streams(state);
	state->phase = PHASE_CONNECTING;
}

static __always_inline void on_connected(struct sock *sk, struct socket_state *state, __u64 now)
{
	struct edge_totals *totals;
	struct edge_timings *timings;

	set_ends(state, sk, ROLE_CLIENT); /* the local port is known only now */
	note_sequence(state);
	state->started_at_ns = now;
	state->connect_duration_ns = now - state->attempt_at_ns;
	state->attempt_at_ns = 0;
	state->phase = PHASE_OPEN;
	if (state->ignored)
		return;
	totals = totals_of(&state->edge);
	if (totals) {
		add(&totals->connects, 1);
		add(&totals->opened, 1);
	}
	timings = timings_of(&state->edge);
	if (timings)
		add_latency(&timings->connect, latency_bounds, state->connect_duration_ns);
	start_flow(state, OPERATION_CONNECT, now);
}

#endif
