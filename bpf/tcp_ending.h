/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* How connections end: by either side, by a reset, by time; and what was left until then. */
#ifndef SOCKWATCH_TCP_ENDING_H
#define SOCKWATCH_TCP_ENDING_H

#include "tcp_first_use.h"

static __always_inline void on_tcp_closed(struct sock *sk)
{
	struct socket_state *state = known_state(sk);
	int error;

	if (!state)
		return;
	error = FIELD(sk, sk_err);
	if (state->phase == PHASE_CONNECTING) {
		struct inet_sock *inet = (void *)state->socket;

		/* The socket has given its port back already, and still says which it was. */
		state->local_port = bpf_ntohs(BPF_CORE_READ(inet, inet_sport));
		/* No error: the application closed it, or there was no free local port. */
		if (!error)
			error = FIELD(sk, sk_shutdown) == SHUTDOWN_MASK ? ECANCELED : EADDRNOTAVAIL;
		fail_connect(state, error, bpf_ktime_get_boot_ns());
	} else if (state->phase == PHASE_OPEN || state->phase == PHASE_PASSIVE) {
		if (error)
			state->error = error;
		if (error == ETIMEDOUT)
			state->end_reason = END_TIMED_OUT;
	}
}

static __always_inline void on_fin(struct sock *sk, int reason)
{
	struct socket_state *state = known_state(sk);

	if (state && state->end_reason == END_NONE)
		state->end_reason = reason;
}

static __always_inline void on_reset(struct sock *sk, int direction, int is_deputy)
{
	struct socket_state *state = known_state(sk);
	struct edge_totals *totals;

	if (!state || state->ignored || state->phase == PHASE_LISTENING || state->phase == PHASE_NEW)
		return;
	/* A socket has one reset at a time. */
	if (is_deputy && state->reset_seen[direction]) {
		state->reset_seen[direction] = 0;
		return;
	}
	if (is_deputy)
		count_turned_away(TURNED_AWAY_RESET + direction);
	else
		state->reset_seen[direction] = 1;
	if (state->phase != PHASE_CLOSED)
		state->end_reason = direction == DIRECTION_TRANSMIT ? END_RESET_SENT : END_RESET_RECEIVED;
	totals = totals_of(&state->edge);
	if (totals)
		add(direction == DIRECTION_TRANSMIT ? &totals->resets_sent : &totals->resets_received, 1);
}

/*
 * Bytes that left the receive queue without a receive call, such as by splice: the sequence numbers know. Only when
 * no call can be under way, which is at release; and not where an upper layer (kTLS) changes the length.
 */
static __always_inline void count_spliced(struct socket_state *state, struct edge_totals *totals)
{
	struct sock *sk = (void *)state->socket;
	struct tcp_sock *tcp = (void *)state->socket;
	struct inet_connection_sock *connection = (void *)state->socket;
	__u32 copied = BPF_CORE_READ(tcp, copied_seq);
	__u32 taken = copied - state->copied_from;
	__u32 unaccounted;
	__u64 pending;

	if (BPF_CORE_READ(connection, icsk_ulp_ops))
		return;
	/* In this order: of a flush that takes what is pending, either the end is seen here, or that it is under way. */
	pending = counts_at_once ? 0 : *(volatile __u64 *)&state->pending_received & PENDING_BYTES;
	state->splice_unsettled = *(volatile __u32 *)&state->flushing != 0;
	if (state->splice_unsettled)
		return;
	if ((BPF_CORE_READ(sk, __sk_common.skc_flags) & SOCK_DONE_BIT) && copied == BPF_CORE_READ(tcp, rcv_nxt))
		taken--; /* the FIN has a number of its own */
	unaccounted = taken - (__u32)(*(volatile __u64 *)&state->bytes_received + pending);
	if (unaccounted && !(unaccounted >> 31)) {
		count_observed(DIRECTION_RECEIVE, unaccounted);
		add(&state->bytes_received, unaccounted);
		if (totals)
			add(&totals->bytes_received, unaccounted);
	}
}

static __always_inline void note_end_reason(struct socket_state *state)
{
	struct sock *sk = (void *)state->socket;
	struct tcp_sock *tcp = (void *)state->socket;
	unsigned long flags = BPF_CORE_READ(sk, __sk_common.skc_flags);
	__u32 unread = BPF_CORE_READ(tcp, rcv_nxt) - BPF_CORE_READ(tcp, copied_seq);

	if (state->end_reason > END_PEER_CLOSE)
		return;
	if (state->error) {
		state->end_reason = END_ERROR;
		return;
	}
	if (flags & SOCK_DONE_BIT)
		unread--;
	/* Closing with unread data, or without patience for the rest, resets the connection. */
	if (unread && unread != (__u32)-1)
		state->end_reason = END_RESET_SENT;
	else if (state->end_reason == END_NONE)
		state->end_reason = END_LOCAL_CLOSE;
}

/* The application closed its last descriptor. */
static __always_inline void on_tcp_release(struct socket_state *state, __u64 socket)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct edge_totals *totals;

	if (state->phase == PHASE_LISTENING && state->socket != socket)
		return; /* never claimed, so never used while we were there */
	if (state->phase == PHASE_LISTENING) {
		struct sock *sk = (void *)state->socket;
		struct listening_port port = {
			.network_namespace = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum),
			.port = state->local_port,
		};

		flush(state);
		forget_listening_port(port);
		return;
	}
	settle_tcp_attempt(state, now);
	if (state->phase == PHASE_PASSIVE) {
		correct_owner(state);
		accept_flow(state);
	}
	if (state->ignored)
		return;
	if (!state->edge.executable_id && !state->edge.role)
		return;
	totals = totals_of(&state->edge);
	if (state->phase == PHASE_OPEN) {
		count_spliced(state, totals);
		note_end_reason(state);
		close_flow(state, totals, OPERATION_RELEASE, now);
	}
	if (totals)
		add(&totals->releases, 1);
}

/* The last of the socket: what was resent since the release, and kernel sockets, which no release hook sees. */
static __always_inline void on_tcp_destroy(struct sock *sk)
{
	struct socket_state *state = known_state(sk);

	if (!state)
		return;
	if (state->phase != PHASE_PASSIVE && state->phase != PHASE_LISTENING)
		flush(state);
	if (state->phase == PHASE_CLOSED && state->splice_unsettled)
		count_spliced(state, totals_of(&state->edge));
	if (state->phase == PHASE_OPEN) {
		if (state->end_reason == END_NONE)
			state->end_reason = END_LOCAL_CLOSE;
		end_flow(state, OPERATION_RELEASE, bpf_ktime_get_boot_ns());
	}
	if (state_in_hash)
		forget_state_at((__u64)sk);
}

#endif
