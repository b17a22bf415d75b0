/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* A socket's state: where it comes from, how its counts reach the totals, what is recorded of it. */
#ifndef SOCKWATCH_SOCKETS_H
#define SOCKWATCH_SOCKETS_H

#include "addresses.h"
#include "edges.h"
#include "filters.h"
#include "identity.h"

/* About a second; the agent sets it from the kernel's tick rate. Totals never wait for it: every reading flushes. */
const volatile __u64 flush_jiffies = 250;
const volatile __u8 emit_flow_records = 1;

static __always_inline struct socket_state *known_state(struct sock *sk)
{
	return bpf_sk_storage_get(&socket_states, sk, 0, 0);
}

static __always_inline void own_state(struct socket_state *state, struct sock *sk)
{
	struct sock_common *common = &sk->__sk_common;

	state->socket = (__u64)sk;
	state->cookie = bpf_get_socket_cookie(sk);
	state->edge.transport = sk->sk_protocol;
	state->edge.network_type = common->skc_family == AF_INET ? 4 : 6;
	state->flush_always = BPF_CORE_READ_BITFIELD(sk, sk_kern_sock);
}

static __always_inline struct socket_state *state_or_new(struct sock *sk)
{
	struct socket_state *state = bpf_sk_storage_get(&socket_states, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!state) {
		count_loss(LOST_SOCKET_STATE);
		return 0;
	}
	if (!state->socket)
		own_state(state, sk);
	return state;
}

static __always_inline void set_owner(struct socket_state *state, const struct owner *owner, int attribution)
{
	state->edge.executable_id = owner->executable_id;
	state->edge.cgroup_id = owner->cgroup_id;
	state->process_started_at_ns = owner->process_started_at_ns;
	state->pid = owner->pid;
	state->parent_pid = owner->parent_pid;
	state->uid = owner->uid;
	state->attribution = attribution;
	state->owner_pending = 0;
}

static __always_inline void own_by_current(struct socket_state *state)
{
	struct owner owner = {};

	identify_current(&owner);
	set_owner(state, &owner, ATTRIBUTION_EXACT);
}

/* Takes both ends and the serving port from the socket; the role is the caller's. */
static __always_inline void set_ends(struct socket_state *state, const struct sock *sk, int role)
{
	__u16 local_port, remote_port;

	local_of(sk, state->local_address, &local_port);
	remote_of(sk, state->edge.peer_address, &remote_port);
	state->local_port = local_port;
	state->remote_port = remote_port;
	state->edge.role = role;
	state->edge.server_port = role == ROLE_SERVER ? local_port : remote_port;
	state->edge.network_type = is_ipv4(state->edge.peer_address) ? 4 : 6;
	state->ignored = is_ignored(&state->edge, state->local_address);
}

/*
 * Moves what is pending to the totals. Racing flushes are harmless: each takes what it exchanged for zero. Who has
 * looked up the totals and timings of the edge already hands them in; otherwise they are looked up when needed.
 */
static __always_inline void flush_to(struct socket_state *state, struct edge_totals *totals,
				     struct edge_timings *timings)
{
	__u64 sent = __sync_lock_test_and_set(&state->pending_sent, 0);
	__u64 received = __sync_lock_test_and_set(&state->pending_received, 0);
	__u32 rtt_us;

	if (sent || received) {
		if (!totals)
			totals = totals_of(&state->edge);
		add(&state->bytes_sent, sent & PENDING_BYTES);
		add(&state->sends, sent / PENDING_OPERATION);
		add(&state->bytes_received, received & PENDING_BYTES);
		add(&state->receives, received / PENDING_OPERATION);
		if (totals && sent) {
			add(&totals->bytes_sent, sent & PENDING_BYTES);
			add(&totals->sends, sent / PENDING_OPERATION);
		}
		if (totals && received) {
			add(&totals->bytes_received, received & PENDING_BYTES);
			add(&totals->receives, received / PENDING_OPERATION);
		}
	}
	if (state->edge.transport != IPPROTO_TCP)
		return;
	if (state->phase == PHASE_LISTENING) {
		struct sock *sk = (void *)state->socket;
		__u32 drops = BPF_CORE_READ(sk, sk_drops.counter);
		__u32 before = __sync_lock_test_and_set(&state->drops, drops);

		if (drops != before && !totals)
			totals = totals_of(&state->edge);
		if (drops != before && totals)
			add(&totals->listen_overflows, (__s64)(__s32)(drops - before));
	} else if (state->phase >= PHASE_OPEN || state->phase == PHASE_CONNECTING) {
		struct tcp_sock *tcp = (void *)state->socket;
		__u32 retransmits = BPF_CORE_READ(tcp, total_retrans);
		__u32 before = retransmits != state->retransmits ?
			       __sync_lock_test_and_set(&state->retransmits, retransmits) : retransmits;

		if (retransmits != before && !totals)
			totals = totals_of(&state->edge);
		if (retransmits != before && totals)
			add(&totals->retransmits, (__s64)(__s32)(retransmits - before));
		rtt_us = sent || received ? BPF_CORE_READ(tcp, srtt_us) >> 3 : 0;
		if (rtt_us && !timings)
			timings = timings_of(&state->edge);
		if (rtt_us && timings)
			add_latency(&timings->rtt, latency_bounds, rtt_us * MICROSECONDS);
	}
}

__noinline int flush(struct socket_state *state)
{
	if (state && !state->ignored)
		flush_to(state, 0, 0);
	return 0;
}

static __always_inline void fill_record(struct flow_record *record, const struct socket_state *state, int kind,
					int operation, __u64 at_ns)
{
	record->at_ns = at_ns;
	record->started_at_ns = state->started_at_ns;
	record->socket_cookie = state->cookie;
	record->process_started_at_ns = state->process_started_at_ns;
	record->bytes_sent = state->bytes_sent;
	record->bytes_received = state->bytes_received;
	record->sends = state->sends;
	record->receives = state->receives;
	record->reported_bytes_sent = state->reported_bytes_sent;
	record->reported_bytes_received = state->reported_bytes_received;
	record->reported_sends = state->reported_sends;
	record->reported_receives = state->reported_receives;
	record->connect_duration_ns = state->connect_duration_ns;
	record->edge = state->edge;
	record->pid = state->pid;
	record->uid = state->uid;
	record->parent_pid = state->parent_pid;
	record->rtt_us = 0;
	record->retransmits = state->retransmits;
	if (state->edge.transport == IPPROTO_TCP) {
		struct tcp_sock *tcp = (void *)state->socket;

		record->rtt_us = BPF_CORE_READ(tcp, srtt_us) >> 3;
	}
	record->local_port = state->local_port;
	record->remote_port = state->remote_port;
	__builtin_memcpy(record->local_address, state->local_address, 16);
	record->error = state->error;
	record->kind = kind;
	record->end_reason = state->end_reason;
	record->attribution = state->attribution;
	record->operation = operation;
	record->padding[0] = 0;
	record->padding[1] = 0;
}

/* No wake-up: the agent drains the ring on a timer, and the application pays nothing for it. */
__noinline int emit(struct socket_state *state, int kind, int operation, __u64 at_ns)
{
	struct flow_record *record;

	if (!state || !emit_flow_records || state->ignored)
		return 0;
	record = bpf_ringbuf_reserve(&flow_records, sizeof(*record), 0);
	if (!record) {
		count_loss(LOST_RING_FULL);
		return 0;
	}
	fill_record(record, state, kind, operation, at_ns);
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 0;
}

static __always_inline void begin_flow(struct socket_state *state)
{
	state->bytes_sent = 0;
	state->bytes_received = 0;
	state->sends = 0;
	state->receives = 0;
	state->reported_bytes_sent = 0;
	state->reported_bytes_received = 0;
	state->reported_sends = 0;
	state->reported_receives = 0;
	state->error = 0;
	state->end_reason = END_NONE;
}

static __always_inline int is_no_operation(int result)
{
	return result == -EAGAIN || result == -EINTR || result == -EINPROGRESS ||
	       (result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK);
}

/* Bytes of a socket for which there is no memory: nobody's, but counted. */
static __always_inline void count_without_state(int direction, int result)
{
	struct edge_totals *totals = bpf_map_lookup_elem(&edges, &overflow_edge);

	if (result < 0)
		return;
	count_observed(direction, result);
	if (!totals)
		return;
	add(direction == DIRECTION_TRANSMIT ? &totals->bytes_sent : &totals->bytes_received, result);
	add(direction == DIRECTION_TRANSMIT ? &totals->sends : &totals->receives, 1);
}

static __always_inline void count_pending(struct socket_state *state, int direction, int bytes)
{
	__u64 now;

	count_observed(direction, bytes);
	__sync_fetch_and_add(direction == DIRECTION_TRANSMIT ? &state->pending_sent : &state->pending_received,
			     PENDING_OPERATION + (__u32)bytes);
	now = bpf_jiffies64();
	if (now >= state->flush_after || state->flush_always) {
		state->flush_after = now + flush_jiffies;
		flush(state);
	}
}

#endif
