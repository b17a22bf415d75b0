/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* The first operation of a socket: whose it is, and what it is where nobody saw it begin. */
#ifndef SOCKWATCH_TCP_FIRST_USE_H
#define SOCKWATCH_TCP_FIRST_USE_H

#include "tcp_accepting.h"
#include "tcp_connecting.h"

/* Every connection that was there before us has been taken over: one that is met later began while a program was kept from it. */
volatile __u8 all_adopted = 0;

/* A connection that was there before us, met at its first operation or by the adopting iterator; its owner is set. */
static __noinline int adopt(struct sock *sk, struct socket_state *state, __u64 now)
{
	struct tcp_sock *tcp = (void *)state->socket;

	begin_flow(state);
	set_ends(state, sk, is_listening_port(sk) ? ROLE_SERVER : ROLE_CLIENT);
	note_sequence(state);
	state->retransmits = BPF_CORE_READ(tcp, total_retrans);
	state->started_at_ns = now;
	state->phase = PHASE_OPEN;
	open_flow(state);
	start_flow(state, state->edge.role == ROLE_SERVER ? OPERATION_ACCEPT : OPERATION_CONNECT, now);
	return 0;
}

static __always_inline int has_connection(const struct sock *sk)
{
	unsigned char phase = FIELD(sk, __sk_common.skc_state);

	return phase != TCP_CLOSE && phase != TCP_LISTEN && phase != TCP_SYN_SENT &&
	       FIELD(sk, __sk_common.skc_dport);
}

/* A listener's state, cloned to a socket whose handshake nobody saw: it was over before the programs were on. */
static __always_inline int is_unclaimed(const struct sock *sk, const struct socket_state *state)
{
	return state->phase == PHASE_LISTENING && state->socket != (__u64)sk;
}

static __always_inline void claim(struct sock *sk, struct socket_state *state)
{
	if (!change_phase(state, PHASE_LISTENING, PHASE_STARTING))
		return;
	own_state(state, sk);
	state->pending_sent = 0;
	state->pending_received = 0;
	state->connect_duration_ns = 0;
	state->phase = PHASE_NEW;
}

/* Of a socket of which nothing is known yet. True when it has a connection, which then began without us. */
static __noinline int own_unknown(struct sock *sk, struct socket_state *state)
{
	int connected = has_connection(sk);
	struct owner owner = {};

	if (state->attempt_pending)
		settle_tcp_attempt(state, bpf_ktime_get_boot_ns());
	identify_current(&owner);
	if (connected)
		set_owner(state, &owner, ATTRIBUTION_ADOPTED);
	else if (!state->edge.executable_id)
		set_owner(state, &owner, ATTRIBUTION_EXACT);
	return connected;
}

/* An operation on a socket whose phase is not OPEN, or whose owner is not known yet. */
static __noinline int on_first_use(struct sock *sk, struct socket_state *state)
{
	if (is_unclaimed(sk, state))
		claim(sk, state);
	if (state->phase == PHASE_NEW && FIELD(sk, __sk_common.skc_state) == TCP_SYN_RECV) {
		/* It is in the queue of the listener before its own state has changed; by TCP Fast Open, long before. */
		on_passive(sk, state, bpf_ktime_get_boot_ns(), 1, ATTRIBUTION_NONE);
	}
	if (state->phase == PHASE_PASSIVE) {
		correct_owner(state);
		accept_flow(state);
	} else if (state->phase == PHASE_OPEN) {
		correct_owner(state);
	} else if (state->phase == PHASE_NEW && own_unknown(sk, state)) {
		if (all_adopted)
			count_turned_away(TURNED_AWAY_MISSED);
		adopt(sk, state, bpf_ktime_get_boot_ns());
	}
	return 0;
}

#endif
