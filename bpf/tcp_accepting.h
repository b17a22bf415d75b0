/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Connections that the other side begins: the handshake, and who takes them from the queue. */
#ifndef SOCKWATCH_TCP_ACCEPTING_H
#define SOCKWATCH_TCP_ACCEPTING_H

#include "tcp_flows.h"
#include "tcp_listening.h"

static __always_inline void inherit(const struct sock *sk, struct socket_state *state)
{
	struct socket_state *listener = listener_of(sk);
	struct owner owner = {};

	if (listener && listener->phase == PHASE_LISTENING) {
		owner.executable_id = listener->edge.executable_id;
		owner.cgroup_id = listener->edge.cgroup_id;
		owner.process_started_at_ns = listener->process_started_at_ns;
		owner.pid = listener->pid;
		owner.parent_pid = listener->parent_pid;
		owner.uid = listener->uid;
	}
	set_owner(state, &owner, owner.pid ? ATTRIBUTION_CGROUP : ATTRIBUTION_NONE);
}

/*
 * The handshake is done, in softirq: "current" is a stranger, and nobody has accepted yet. Or somebody has, on another processor
 * at this moment: one of the two begins the connection. False when it was the other one. ATTRIBUTION_CGROUP: it is the listener's,
 * of whose state this one is a clone or, in a hash, has to become one.
 */
static __always_inline int on_passive(struct sock *sk, struct socket_state *state, __u64 now, int accepted_early,
				      int attribution)
{
	__u32 phase = *(volatile __u32 *)&state->phase;

	if (phase == PHASE_STARTING || *(volatile __u8 *)&state->accepted_early || !change_phase(state, phase, PHASE_STARTING)) {
		state->accepted_early = 0;
		return 0;
	}
	own_state(state, sk);
	begin_flow(state);
	state->pending_sent = 0;
	state->pending_received = 0;
	state->connect_duration_ns = 0;
	state->attempt_pending = 0;
	state->detected = 0;
	state->started_at_ns = now;
	state->retransmits = 0; /* the socket begins with the count of its SYN-ACKs */
	set_ends(state, sk, ROLE_SERVER);
	note_sequence(state);
	if (attribution == ATTRIBUTION_CGROUP && state_in_hash)
		inherit(sk, state);
	else
		state->attribution = attribution;
	state->owner_pending = 1;
	state->accepted_early = accepted_early;
	/* From here on who accepts may correct the owner, at this moment on another processor. */
	barrier();
	state->phase = PHASE_PASSIVE;
	return 1;
}

static __noinline int accept_flow(struct socket_state *state)
{
	struct edge_totals *totals;

	if (!change_phase(state, PHASE_PASSIVE, PHASE_OPEN))
		return 0;
	if (state->ignored)
		return 0;
	totals = totals_of(&state->edge);
	if (totals) {
		add(&totals->accepts, 1);
		add(&totals->opened, 1);
	}
	start_flow(state, OPERATION_ACCEPT, state->started_at_ns);
	return 0;
}

/* The accepting process uses the socket: it is the owner, whoever listened. */
static __noinline int correct_owner(struct socket_state *state)
{
	struct owner owner = {};

	if (!state->owner_pending)
		return 0;
	identify_current(&owner);
	if (state->phase == PHASE_OPEN && !state->ignored &&
	    (owner.executable_id != state->edge.executable_id || owner.cgroup_id != state->edge.cgroup_id)) {
		struct edge_totals *totals;

		/* Already open under the listener's name: the open connection moves, what was counted stays. */
		flush(state);
		totals = totals_of(&state->edge);
		if (totals)
			add(&totals->closed, 1);
		set_owner(state, &owner, ATTRIBUTION_EXACT);
		open_flow(state);
		return 0;
	}
	set_owner(state, &owner, state->attribution == ATTRIBUTION_ADOPTED ? ATTRIBUTION_ADOPTED : ATTRIBUTION_EXACT);
	return 0;
}

#endif
