/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * UDP conversations. A socket's first peer lives in the socket's own state, like a TCP connection; any other peer has
 * an entry in udp_flows. A connected socket's peer comes from the socket. An unconnected one's comes from the cgroup
 * hooks, which run in the same call as, and just before, the hooks that know the length.
 */
#ifndef SOCKWATCH_UDP_H
#define SOCKWATCH_UDP_H

#include "dns.h"

/* Whether somebody may ask for a live trace; otherwise the verifier drops what only a trace needs. */
const volatile __u8 can_trace = 0;

/* 0 while nobody traces. Each trace that begins has the next number: it is to see every peer once, seen by others or not. */
volatile __u16 trace_epoch = 0;

#define FLOW_IGNORED 1
#define FLOW_UNRECORDED 2

/* The cgroup hook's half: leaves the peer where only this thread will find it. */
static __always_inline void leave_peer(struct socket_state *state, int direction, const struct udp_peer *peer)
{
	struct udp_slot *slot = &state->slots[direction];
	__u32 thread = bpf_get_current_pid_tgid();
	struct udp_peer_key key = {};

	if (!plain_atomics) {
		__u32 holder = __sync_val_compare_and_swap(&slot->thread, 0, thread);

		if (!holder || holder == thread) {
			slot->peer = *peer;
			return;
		}
	}
	key.socket_cookie = state->cookie;
	key.thread = thread;
	key.direction = direction;
	state->peers_in_map = 1;
	if (bpf_map_update_elem(&udp_peers_in_flight, &key, peer, BPF_ANY))
		count_loss(LOST_UDP_PEERS_FULL);
}

/* The length hook's half. False: the call named no peer, and the socket has none. */
static __always_inline int take_peer(const struct sock *sk, struct socket_state *state, int direction,
				     const struct udp_peer *named, struct udp_peer *peer)
{
	struct udp_slot *slot = &state->slots[direction];
	__u32 holder = slot->thread;

	if (named && named->port) {
		*peer = *named;
		return 1;
	}
	if (holder && holder == (__u32)bpf_get_current_pid_tgid()) {
		*peer = slot->peer;
		slot->thread = 0;
		return 1;
	}
	if (state->peers_in_map) {
		struct udp_peer_key key = {};
		struct udp_peer *left;

		key.socket_cookie = state->cookie;
		key.thread = bpf_get_current_pid_tgid();
		key.direction = direction;
		left = bpf_map_lookup_elem(&udp_peers_in_flight, &key);
		if (left) {
			*peer = *left;
			bpf_map_delete_elem(&udp_peers_in_flight, &key);
			return 1;
		}
	}
	return remote_of(sk, peer->address, &peer->port);
}

static __always_inline int is_primary(const struct socket_state *state, const struct udp_peer *peer)
{
	return state->remote_port == peer->port && is_same_address(state->edge.peer_address, peer->address);
}

static __always_inline int is_bound(const struct sock *sk)
{
	return BITFIELD(sk, sk_userlocks) & SOCK_BINDPORT_LOCK;
}

/*
 * The client is who connected or sent first. A socket that begins by receiving is bound: a server. It stays one when
 * it later speaks first to somebody, otherwise that client's ephemeral port would become a serving port.
 */
static __always_inline int udp_role(const struct sock *sk, struct socket_state *state, int direction, int is_first)
{
	if (FIELD(sk, __sk_common.skc_state) == TCP_ESTABLISHED)
		return ROLE_CLIENT;
	/* One that was there before us and is bound to nothing has its port from a send. */
	if (direction == DIRECTION_RECEIVE && (is_bound(sk) || (is_first && state->attribution != ATTRIBUTION_ADOPTED)))
		state->was_server = 1;
	return state->was_server ? ROLE_SERVER : ROLE_CLIENT;
}

/* By the addresses in use: an IPv6 socket may carry IPv4. Without any, the socket's family is all there is. */
static __always_inline int network_type_of(const struct sock *sk, const __u8 *local, const __u8 *peer)
{
	if (!is_unspecified(peer))
		return is_ipv4(peer) ? 4 : 6;
	if (!is_unspecified(local))
		return is_ipv4(local) ? 4 : 6;
	return FIELD(sk, __sk_common.skc_family) == AF_INET ? 4 : 6;
}

static __always_inline void set_udp_ends(const struct sock *sk, struct socket_state *state,
					 const struct udp_peer *peer, int role)
{
	__u16 local_port;

	local_of(sk, state->local_address, &local_port);
	state->local_port = local_port;
	__builtin_memcpy(state->edge.peer_address, peer->address, 16);
	state->remote_port = peer->port;
	state->edge.role = role;
	state->edge.server_port = role == ROLE_SERVER ? local_port : peer->port;
	state->edge.network_type = network_type_of(sk, state->local_address, peer->address);
	state->edge.folded = FOLDED_NOT;
	state->ignored = is_ignored(&state->edge, state->local_address);
}

static __noinline int end_udp_attempt(struct socket_state *state, int error)
{
	struct edge_totals *totals;

	state->attempt_pending = 0;
	if (is_ignored(&state->attempt_edge, state->local_address))
		return 0;
	if (error) {
		count_failure(&state->attempt_edge, OPERATION_CONNECT, error, 0);
		return 0;
	}
	totals = totals_of(&state->attempt_edge);
	if (totals)
		add(&totals->connects, 1);
	return 0;
}

/* For hooks that do not see the outcome: a connect that succeeds gives the socket a new random hash, and nothing else. */
static __always_inline void settle_udp_attempt(struct socket_state *state)
{
	struct sock *sk = (void *)state->socket;

	if (state->attempt_pending)
		end_udp_attempt(state, BPF_CORE_READ(sk, sk_txhash) == state->txhash ? ENETUNREACH : 0);
}

static __always_inline void fill_udp_flow_record(struct flow_record *record, const struct udp_flow_key *key,
						 const struct udp_flow *flow, int kind, int operation, __u64 now)
{
	record->at_ns = now;
	record->started_at_ns = flow->started_at_ns;
	record->socket_cookie = key->socket_cookie;
	record->process_started_at_ns = flow->process_started_at_ns;
	record->bytes_sent = flow->bytes_sent;
	record->bytes_received = flow->bytes_received;
	record->sends = flow->sends;
	record->receives = flow->receives;
	record->reported_bytes_sent = 0;
	record->reported_bytes_received = 0;
	record->reported_sends = 0;
	record->reported_receives = 0;
	record->connect_duration_ns = 0;
	record->edge = flow->edge;
	record->edge.folded = FOLDED_NOT;
	record->pid = flow->pid;
	record->uid = flow->uid;
	record->parent_pid = flow->parent_pid;
	record->rtt_us = 0;
	record->retransmits = 0;
	record->local_port = flow->local_port;
	record->remote_port = key->peer_port;
	__builtin_memcpy(record->local_address, flow->local_address, 16);
	record->error = 0;
	record->kind = kind;
	record->end_reason = END_NONE;
	record->attribution = flow->attribution;
	record->operation = operation;
	record->repeated_since = 0;
	record->detection = 0;
	__builtin_memset(record->padding, 0, sizeof(record->padding));
}

static __noinline int emit_udp_flow(const struct udp_flow_key *key, const struct udp_flow *flow, int kind, int operation,
				    __u32 detection)
{
	struct flow_record *record;

	if (!wants_record(kind))
		return 0;
	record = reserve_record(flow->pid, detection != 0);
	if (!record)
		return 0;
	fill_udp_flow_record(record, key, flow, kind, operation, flow->started_at_ns);
	record->detection = detection;
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 0;
}

/* The same for a conversation that is not the socket's first. It need not succeed: an attempt tells as much. */
static __noinline int detect_udp_flow(const struct udp_flow_key *key, struct udp_flow *flow, int operation)
{
	__u32 detection = detection_of(key->peer_address);

	if (!detection || !is_first_contact(key))
		return 0;
	count_detection(&flow->edge, detection);
	emit_udp_flow(key, flow, RECORD_FLOW_DETECT, operation, detection);
	return 0;
}

static __always_inline void add_datagram(struct edge_totals *totals, int direction, int bytes)
{
	if (!totals)
		return;
	add(direction == DIRECTION_TRANSMIT ? &totals->bytes_sent : &totals->bytes_received, (__u32)bytes);
	add(direction == DIRECTION_TRANSMIT ? &totals->sends : &totals->receives, 1);
}

/* Gives the conversation a place of its own, if there is one. */
static __noinline int begin_udp_flow(const struct socket_state *state, const struct udp_flow_key *key, struct udp_flow *fresh,
				     int operation)
{
	if (!fresh->ignored && wants_record(RECORD_FLOW_START) &&
	    limit_against(state->pid, state->process_started_at_ns, state->limited_by, 0, fresh->started_at_ns))
		fresh->ignored = FLOW_UNRECORDED;
	if (has_too_many_udp_flows(state->pid)) {
		count_loss(LOST_UDP_FLOWS_QUOTA);
		return 0;
	}
	if (!bpf_map_update_elem(&udp_flows, key, fresh, BPF_NOEXIST)) {
		count_udp_flow(state->pid);
		if (fresh->ignored != FLOW_IGNORED)
			count_attribution(fresh->attribution);
		if (!fresh->ignored)
			emit_udp_flow(key, fresh, RECORD_FLOW_START, operation, 0);
	} else if (!bpf_map_lookup_elem(&udp_flows, key)) {
		count_loss(LOST_UDP_FLOWS_FULL);
	}
	return 0;
}

/* A datagram to or from a peer that is not the socket's first one. */
static __noinline int count_other_peer(struct sock *sk, struct socket_state *state, const struct udp_peer *peer,
				       int direction, int result)
{
	struct udp_flow_key key = {};
	struct udp_flow *flow;
	struct udp_flow fresh = {};

	key.socket_cookie = state->cookie;
	__builtin_memcpy(key.peer_address, peer->address, 16);
	key.peer_port = peer->port;
	flow = bpf_map_lookup_elem(&udp_flows, &key);
	if (!flow) {
		__u16 local_port;
		int role = udp_role(sk, state, direction, 0);

		local_of(sk, fresh.local_address, &local_port);
		fresh.local_port = local_port;
		fresh.started_at_ns = bpf_ktime_get_boot_ns();
		fresh.last_used_ns = bpf_ktime_get_boot_ns();
		fresh.edge.executable_id = state->edge.executable_id;
		fresh.edge.cgroup_id = state->edge.cgroup_id;
		fresh.process_started_at_ns = state->process_started_at_ns;
		fresh.pid = state->pid;
		fresh.uid = state->uid;
		fresh.parent_pid = state->parent_pid;
		fresh.attribution = ATTRIBUTION_EXACT;
		__builtin_memcpy(fresh.edge.peer_address, peer->address, 16);
		fresh.edge.role = role;
		fresh.edge.server_port = role == ROLE_SERVER ? local_port : peer->port;
		fresh.edge.transport = IPPROTO_UDP;
		fresh.edge.network_type = network_type_of(sk, fresh.local_address, peer->address);
		fresh.ignored = is_ignored(&fresh.edge, fresh.local_address);
		if (match_verdicts && !fresh.ignored)
			detect_udp_flow(&key, &fresh, direction == DIRECTION_TRANSMIT ? OPERATION_SEND : OPERATION_RECV);
		if (result < 0) { /* an attempt that failed begins no conversation */
			if (!fresh.ignored)
				count_failure(&fresh.edge, direction == DIRECTION_TRANSMIT ?
					      OPERATION_SEND : OPERATION_RECV, -result, 0);
			return 0;
		}
		state->many_peers = 1;
		begin_udp_flow(state, &key, &fresh, direction == DIRECTION_TRANSMIT ? OPERATION_SEND : OPERATION_RECV);
		flow = bpf_map_lookup_elem(&udp_flows, &key);
		if (!flow) {
			if (fresh.ignored != FLOW_IGNORED) {
				count_observed(direction, result);
				add_datagram(totals_of(&fresh.edge), direction, result);
			}
			return 0;
		}
	}
	if (flow->ignored == FLOW_IGNORED)
		return 0;
	if (result < 0) {
		count_failure(&flow->edge, direction == DIRECTION_TRANSMIT ? OPERATION_SEND : OPERATION_RECV,
			      -result, 0);
		return 0;
	}
	count_observed(direction, result);
	flow->last_used_ns = bpf_ktime_get_boot_ns();
	add(direction == DIRECTION_TRANSMIT ? &flow->bytes_sent : &flow->bytes_received, (__u32)result);
	add(direction == DIRECTION_TRANSMIT ? &flow->sends : &flow->receives, 1);
	add_datagram(totals_of(&flow->edge), direction, result);
	return 0;
}

static __noinline int begin_udp(struct sock *sk, struct socket_state *state, const struct udp_peer *peer,
				int direction)
{
	int adopted = state->attribution == ATTRIBUTION_ADOPTED;

	if (!change_phase(state, PHASE_NEW, PHASE_STARTING))
		return 0;
	own_by_current(state);
	if (adopted)
		state->attribution = ATTRIBUTION_ADOPTED;
	begin_flow(state);
	set_udp_ends(sk, state, peer, udp_role(sk, state, direction, 1));
	state->started_at_ns = bpf_ktime_get_boot_ns();
	state->phase = PHASE_OPEN;
	start_flow(state, direction == DIRECTION_TRANSMIT ? OPERATION_SEND : OPERATION_RECV, state->started_at_ns);
	return 0;
}

/*
 * A socket that was there before us. Connected, it is a conversation that goes on; else it waits for its next datagram,
 * as a server if it was bound by itself: who it spoke to before is not known.
 */
static __always_inline void adopt_udp(struct sock *sk, struct socket_state *state, const struct owner *owner, __u64 now)
{
	struct udp_peer peer = {};

	if (!change_phase(state, PHASE_NEW, PHASE_STARTING))
		return;
	set_owner(state, owner, ATTRIBUTION_ADOPTED);
	if (!remote_of(sk, peer.address, &peer.port)) {
		state->was_server = (BITFIELD(sk, sk_userlocks) & (SOCK_BINDADDR_LOCK | SOCK_BINDPORT_LOCK)) != 0;
		state->phase = PHASE_NEW;
		return;
	}
	begin_flow(state);
	set_udp_ends(sk, state, &peer, ROLE_CLIENT);
	state->started_at_ns = now;
	state->phase = PHASE_OPEN;
	start_flow(state, OPERATION_CONNECT, now);
}

/* What a live trace shows of UDP: whenever the peer is not the socket's last one. */
static __noinline int trace_peer(struct socket_state *state, const struct udp_peer *peer, int direction)
{
	int is_same = state->last_peer.port == peer->port &&
		      is_same_address(state->last_peer.address, peer->address);
	__u16 shown = state->last_peer.trace_epoch;
	__u16 epoch = trace_epoch;
	struct flow_record *record;

	if (is_same && (shown == epoch || !peer->port))
		return 0;
	state->last_peer = *peer;
	state->last_peer.trace_epoch = epoch;
	if ((state->ignored && !peer->port) || !may_record(state, RECORD_PEER_CHANGED, bpf_ktime_get_boot_ns()))
		return 0;
	record = reserve_record(state->pid, 0);
	if (!record) {
		state->last_peer.port = 0; /* nobody has seen it: the next datagram tries again */
		return 0;
	}
	fill_record(record, state, RECORD_PEER_CHANGED,
		    direction == DIRECTION_TRANSMIT ? OPERATION_SEND : OPERATION_RECV, bpf_ktime_get_boot_ns());
	if (is_same)
		record->repeated_since = shown;
	__builtin_memcpy(record->edge.peer_address, peer->address, 16);
	record->remote_port = peer->port;
	if (peer->port && record->edge.role == ROLE_CLIENT)
		record->edge.server_port = peer->port;
	if (!is_unspecified(peer->address))
		record->edge.network_type = is_ipv4(peer->address) ? 4 : 6;
	if (peer->port && is_ignored(&record->edge, record->local_address))
		bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP); /* filters decide by peer */
	else
		bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 0;
}

/* With the peer that the call named, where the hook can tell; otherwise a cgroup hook has left it. */
static __always_inline void count_udp(struct sock *sk, int direction, int flags, int result,
				      const struct udp_peer *named)
{
	struct socket_state *state = known_state(sk);
	struct udp_peer peer = {};
	int has_peer;

	if (!state) {
		if (is_no_operation(result) || flags & (MSG_PEEK | MSG_ERRQUEUE))
			return;
		state = state_or_new(sk);
		if (!state) {
			count_without_state(direction, result);
			return;
		}
	}
	/* Before anything else, so that a slot never stays taken. */
	has_peer = take_peer(sk, state, direction, named, &peer);
	if (is_no_operation(result) || flags & (MSG_PEEK | MSG_ERRQUEUE))
		return;
	if (state->attempt_pending)
		settle_udp_attempt(state);
	if (state->phase == PHASE_NEW && result >= 0)
		begin_udp(sk, state, &peer, direction);
	if (dns_names && result > 0 && peer.port == DNS_PORT)
		note_dns(state, &peer, direction, result);
	if (can_trace && trace_epoch && result >= 0)
		trace_peer(state, &peer, direction);
	if (state->phase == PHASE_OPEN && (is_primary(state, &peer) || (!has_peer && !state->many_peers))) {
		if (state->ignored)
			return;
		if (result < 0)
			count_failure(&state->edge, direction == DIRECTION_TRANSMIT ? OPERATION_SEND : OPERATION_RECV,
				      -result, 0);
		else
			count_pending(state, direction, result);
		return;
	}
	/* Nobody's first datagram has succeeded yet, or another thread is filling in the first peer at this moment. */
	if (state->phase != PHASE_OPEN)
		own_by_current(state);
	count_other_peer(sk, state, &peer, direction, result);
}

static __always_inline void on_udp_release(struct socket_state *state)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct edge_totals *totals;

	if (state->attempt_pending)
		settle_udp_attempt(state);
	if (state->phase == PHASE_OPEN) {
		flush(state);
		state->end_reason = END_LOCAL_CLOSE;
		state->phase = PHASE_CLOSED;
		emit(state, RECORD_FLOW_END, OPERATION_RELEASE, now);
	}
	/* If it finds no room, its conversations end when they have been idle for long enough. */
	if (state->many_peers)
		bpf_map_update_elem(&released_udp_sockets, &state->cookie, &now, BPF_ANY);
	if (state->ignored || !state->edge.role)
		return;
	totals = totals_of(&state->edge);
	if (totals)
		add(&totals->releases, 1);
}

#endif
