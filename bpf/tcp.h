/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* TCP connections: attempts, outcomes, acceptance, endings. */
#ifndef SOCKWATCH_TCP_H
#define SOCKWATCH_TCP_H

#include "sockets.h"

#define TCP_FIN_WAIT1 4
#define SOCK_LINGER_BIT (1UL << 4)

static __always_inline struct listening_port listening_port_of(const struct sock *sk)
{
	return (struct listening_port){
		.network_namespace = sk->__sk_common.skc_net.net->ns.inum,
		.port = sk->__sk_common.skc_num,
	};
}

static __always_inline int is_listening_port(const struct sock *sk)
{
	struct listening_port port = listening_port_of(sk);

	return bpf_map_lookup_elem(&listening_ports, &port) != 0;
}

static __always_inline void note_listening_port(const struct sock *sk)
{
	struct listening_port port = listening_port_of(sk);
	__u32 *listeners = bpf_map_lookup_elem(&listening_ports, &port);
	__u32 one = 1;

	if (listeners)
		__sync_fetch_and_add(listeners, 1);
	else if (bpf_map_update_elem(&listening_ports, &port, &one, BPF_ANY))
		count_loss(LOST_PORTS_FULL);
}

static __always_inline void forget_listening_port(struct listening_port port)
{
	__u32 *listeners = bpf_map_lookup_elem(&listening_ports, &port);

	if (listeners && __sync_fetch_and_add(listeners, -1) == 1)
		bpf_map_delete_elem(&listening_ports, &port);
}

/* Its state is cloned to every socket that it accepts: the server is known before its first operation. */
static __always_inline void begin_listening(struct sock *sk, struct socket_state *state, const struct owner *owner)
{
	set_owner(state, owner, ATTRIBUTION_EXACT);
	set_ends(state, sk, ROLE_SERVER);
	__builtin_memset(state->edge.peer_address, 0, 16);
	state->remote_port = 0;
	state->edge.network_type = sk->__sk_common.skc_family == AF_INET ? 4 : 6;
	state->ignored = 0;
	state->drops = sk->sk_drops.counter;
	state->phase = PHASE_LISTENING;
	note_listening_port(sk);
}

static __always_inline void on_listen(struct sock *sk)
{
	struct socket_state *state = state_or_new(sk);
	struct owner owner = {};

	if (!state)
		return;
	identify_current(&owner);
	begin_listening(sk, state, &owner);
}

/* What the sequence numbers say the application has taken, to be compared at the end. */
static __always_inline void note_sequence(struct socket_state *state)
{
	struct tcp_sock *tcp = (void *)state->socket;

	state->copied_from = BPF_CORE_READ(tcp, copied_seq);
}

__noinline int open_flow(struct socket_state *state)
{
	struct edge_totals *totals;

	if (!state || state->ignored)
		return 0;
	totals = totals_of(&state->edge);
	if (totals)
		add(&totals->opened, 1);
	return 0;
}

__noinline int fail_connect(struct socket_state *state, int error, __u64 now)
{
	__u64 began;

	if (!state)
		return 0;
	began = state->attempt_at_ns ?: now;
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

__noinline int end_flow(struct socket_state *state, int operation, __u64 now)
{
	if (!state || state->phase != PHASE_OPEN)
		return 0;
	if (state->ignored)
		state->phase = PHASE_CLOSED;
	else
		close_flow(state, totals_of(&state->edge), operation, now);
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
	emit(state, RECORD_FLOW_START, OPERATION_CONNECT, now);
}

/* The handshake is done, in softirq: "current" is a stranger, and nobody has accepted yet. */
static __always_inline void on_passive(struct sock *sk, struct socket_state *state, __u64 now)
{
	own_state(state, sk);
	begin_flow(state);
	state->pending_sent = 0;
	state->pending_received = 0;
	state->connect_duration_ns = 0;
	state->attempt_pending = 0;
	state->started_at_ns = now;
	state->retransmits = 0; /* the socket begins with the count of its SYN-ACKs */
	set_ends(state, sk, ROLE_SERVER);
	note_sequence(state);
	state->owner_pending = 1;
	state->phase = PHASE_PASSIVE;
}

static __always_inline void on_established(struct sock *sk)
{
	struct socket_state *state = known_state(sk);
	__u64 now = bpf_ktime_get_boot_ns();

	if (state && state->phase == PHASE_CONNECTING) {
		on_connected(sk, state, now);
		return;
	}
	if (state && state->phase == PHASE_LISTENING) {
		state->attribution = ATTRIBUTION_CGROUP;
		on_passive(sk, state, now);
		return;
	}
	if (state && state->phase != PHASE_NEW)
		return;
	/* Its beginning was before our hooks: a server's if somebody listens on its port. */
	state = state_or_new(sk);
	if (!state)
		return;
	on_passive(sk, state, now);
	state->attribution = ATTRIBUTION_NONE;
	if (!is_listening_port(sk)) {
		set_ends(state, sk, ROLE_CLIENT);
		state->phase = PHASE_OPEN;
		open_flow(state);
		emit(state, RECORD_FLOW_START, OPERATION_CONNECT, now);
	}
}

__noinline int accept_flow(struct socket_state *state)
{
	struct edge_totals *totals;

	if (!state || __sync_val_compare_and_swap(&state->phase, PHASE_PASSIVE, PHASE_OPEN) != PHASE_PASSIVE)
		return 0;
	if (state->ignored)
		return 0;
	totals = totals_of(&state->edge);
	if (totals) {
		add(&totals->accepts, 1);
		add(&totals->opened, 1);
	}
	emit(state, RECORD_FLOW_START, OPERATION_ACCEPT, state->started_at_ns);
	return 0;
}

/* The accepting process uses the socket: it is the owner, whoever listened. */
__noinline int correct_owner(struct socket_state *state)
{
	struct owner owner = {};

	if (!state || !state->owner_pending)
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

/* A connection that was there before us, met at its first operation or by the adopting iterator. */
static __always_inline void adopt(struct sock *sk, struct socket_state *state, const struct owner *owner, __u64 now)
{
	struct tcp_sock *tcp = (void *)state->socket;

	begin_flow(state);
	set_owner(state, owner, ATTRIBUTION_ADOPTED);
	set_ends(state, sk, is_listening_port(sk) ? ROLE_SERVER : ROLE_CLIENT);
	note_sequence(state);
	state->retransmits = BPF_CORE_READ(tcp, total_retrans);
	state->started_at_ns = now;
	state->phase = PHASE_OPEN;
	open_flow(state);
	emit(state, RECORD_FLOW_START,
	     state->edge.role == ROLE_SERVER ? OPERATION_ACCEPT : OPERATION_CONNECT, now);
}

static __always_inline int has_connection(const struct sock *sk)
{
	unsigned char phase = sk->__sk_common.skc_state;

	return phase != TCP_CLOSE && phase != TCP_LISTEN && phase != TCP_SYN_SENT && sk->__sk_common.skc_dport;
}

/* A listener's state, cloned to a socket whose handshake nobody saw: it was over before the programs were on. */
static __always_inline int is_unclaimed(const struct sock *sk, const struct socket_state *state)
{
	return state->phase == PHASE_LISTENING && state->socket != (__u64)sk;
}

static __always_inline void claim(struct sock *sk, struct socket_state *state)
{
	own_state(state, sk);
	state->pending_sent = 0;
	state->pending_received = 0;
	state->connect_duration_ns = 0;
	state->phase = PHASE_NEW;
}

/* An operation on a socket whose phase is not OPEN, or whose owner is not known yet. */
static __noinline int on_first_use(struct sock *sk, struct socket_state *state)
{
	if (!state)
		return 0;
	if (is_unclaimed(sk, state))
		claim(sk, state);
	if (state->phase == PHASE_PASSIVE) {
		correct_owner(state);
		accept_flow(state);
	} else if (state->phase == PHASE_OPEN) {
		correct_owner(state);
	} else if (state->phase == PHASE_NEW) {
		struct owner owner = {};

		if (state->attempt_pending)
			settle_tcp_attempt(state, bpf_ktime_get_boot_ns());
		identify_current(&owner);
		if (has_connection(sk))
			adopt(sk, state, &owner, bpf_ktime_get_boot_ns());
		else if (!state->edge.executable_id)
			set_owner(state, &owner, ATTRIBUTION_EXACT);
	}
	return 0;
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
	if (state->ignored)
		return;
	if (result < 0) {
		count_failure(&state->edge, direction == DIRECTION_TRANSMIT ? OPERATION_SEND : OPERATION_RECV,
			      -result, 0);
		return;
	}
	count_pending(state, direction, result);
}

static __always_inline void on_tcp_closed(struct sock *sk)
{
	struct socket_state *state = known_state(sk);
	int error;

	if (!state)
		return;
	error = sk->sk_err;
	if (state->phase == PHASE_CONNECTING) {
		struct inet_sock *inet = (void *)state->socket;

		/* The socket has given its port back already, and still says which it was. */
		state->local_port = bpf_ntohs(BPF_CORE_READ(inet, inet_sport));
		/* No error: the application closed it, or there was no free local port. */
		if (!error)
			error = sk->sk_shutdown == SHUTDOWN_MASK ? ECANCELED : EADDRNOTAVAIL;
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

static __always_inline void on_tcp_state(struct sock *sk, int new_state)
{
	switch (new_state) {
	case TCP_LISTEN:
		on_listen(sk);
		break;
	case TCP_SYN_SENT:
		on_syn_sent(sk);
		break;
	case TCP_ESTABLISHED:
		on_established(sk);
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

static __always_inline void on_reset(struct sock *sk, int direction)
{
	struct socket_state *state = known_state(sk);
	struct edge_totals *totals;

	if (!state || state->ignored || state->phase == PHASE_LISTENING || state->phase == PHASE_NEW)
		return;
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

	if (BPF_CORE_READ(connection, icsk_ulp_ops))
		return;
	if ((BPF_CORE_READ(sk, __sk_common.skc_flags) & SOCK_DONE_BIT) && copied == BPF_CORE_READ(tcp, rcv_nxt))
		taken--; /* the FIN has a number of its own */
	unaccounted = taken - (__u32)(state->bytes_received + (state->pending_received & PENDING_BYTES));
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

	if (!state || state->phase == PHASE_PASSIVE || state->phase == PHASE_LISTENING)
		return;
	flush(state);
	if (state->phase == PHASE_OPEN) {
		if (state->end_reason == END_NONE)
			state->end_reason = END_LOCAL_CLOSE;
		end_flow(state, OPERATION_RELEASE, bpf_ktime_get_boot_ns());
	}
}

#endif
