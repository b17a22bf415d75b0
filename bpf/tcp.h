/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* TCP: its changes of state and its operations, each to where it belongs. */
#ifndef SOCKWATCH_TCP_H
#define SOCKWATCH_TCP_H

#include "tcp_ending.h"

static __always_inline void on_established(struct sock *sk, int old_state)
{
	struct socket_state *state = known_state(sk);
	__u64 now = bpf_ktime_get_boot_ns();

	if (state && state->phase == PHASE_CONNECTING) {
		on_connected(sk, state, now);
		return;
	}
	/* From this state comes who was connected to, also by way of a listener that nobody told us of. */
	if (state_in_hash && old_state == TCP_SYN_RECV) {
		struct socket_state *listener = listener_of(sk);

		state = state_or_new_at((__u64)sk, listener ? listener->pid : 0);
		if (state)
			on_passive(sk, state, now, 0, ATTRIBUTION_CGROUP);
		return;
	}
	if (state && state->phase == PHASE_LISTENING) {
		on_passive(sk, state, now, 0, ATTRIBUTION_CGROUP);
		return;
	}
	if (state && state->phase != PHASE_NEW)
		return;
	/* Its beginning was before our hooks: a server's if somebody listens on its port. */
	state = state_or_new(sk);
	if (!state || !on_passive(sk, state, now, 0, ATTRIBUTION_NONE))
		return;
	if (!is_listening_port(sk)) {
		set_ends(state, sk, ROLE_CLIENT);
		state->phase = PHASE_OPEN;
		open_flow(state);
		start_flow(state, OPERATION_CONNECT, now);
	}
}

static __always_inline void count_tcp(struct sock *sk, int direction, int result)
{
	struct socket_state *state = known_state(sk);

	if (!state) {
		state = state_or_new(sk);
		if (!state) {
			count_without_state(direction, result);
			return;
		}
	}
	if (state->phase != PHASE_OPEN || state->owner_pending)
		on_first_use(sk, state);
	if (dns_names && state->speaks_dns && result > 0)
		note_dns_stream(state, direction, result);
	if (state->ignored)
		return;
	if (result < 0) {
		count_failure(&state->edge, direction == DIRECTION_TRANSMIT ? OPERATION_SEND : OPERATION_RECV,
			      -result, 0);
		return;
	}
	count_pending(state, direction, result);
}

static __always_inline void on_tcp_state(struct sock *sk, int old_state, int new_state)
{
	switch (new_state) {
	case TCP_LISTEN:
		on_listen(sk);
		break;
	case TCP_SYN_SENT:
		on_syn_sent(sk);
		break;
	case TCP_ESTABLISHED:
		on_established(sk, old_state);
		break;
	case TCP_FIN_WAIT1:
		on_fin(sk, END_LOCAL_CLOSE);
		break;
	case TCP_CLOSE_WAIT:
		on_fin(sk, END_PEER_CLOSE);
		break;
	case TCP_CLOSE:
		on_tcp_closed(sk);
		break;
	}
}

/* The call returned a connection: whoever it returned to owns it. */
static __always_inline void on_accepted(struct sock *sk)
{
	struct socket_state *state = state_or_new(sk);

	if (state && (state->phase != PHASE_OPEN || state->owner_pending))
		on_first_use(sk, state);
}

#endif
