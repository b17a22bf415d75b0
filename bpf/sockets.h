/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* A socket's state: where it comes from, how its counts reach the totals, what is recorded of it. */
#ifndef SOCKWATCH_SOCKETS_H
#define SOCKWATCH_SOCKETS_H

#include "addresses.h"
#include "edges.h"
#include "filters.h"
#include "identity.h"
#include "verdicts.h"

/* About a second; the agent sets it from the kernel's tick rate. Totals never wait for it: every reading flushes. */
const volatile __u64 flush_jiffies = 250;

enum wanted_records {
	RECORDS_NONE,
	RECORDS_OF_TROUBLE,
	RECORDS_ALL,
};

/* Changed while the programs run: asked when a flow begins or ends, never by an operation. */
volatile __u8 emit_flow_records = RECORDS_ALL;

static __always_inline int wants_record(int kind)
{
	return emit_flow_records >= (kind == RECORD_FLOW_FAILED || kind == RECORD_FLOW_DETECT ? RECORDS_OF_TROUBLE : RECORDS_ALL);
}

static const struct socket_state no_state;

static __always_inline struct socket_state *state_at(__u64 address)
{
	return bpf_map_lookup_elem(&socket_hash, &address);
}

/* At the cost of a process's share. */
static __always_inline struct socket_state *state_or_new_at(__u64 address, __u32 pid)
{
	struct socket_state *state = state_at(address);

	if (state || !take_socket(pid))
		return state;
	if (bpf_map_update_elem(&socket_hash, &address, &no_state, BPF_NOEXIST))
		give_socket_back(pid);
	state = state_at(address);
	if (state && !state->socket)
		state->charged_pid = pid;
	if (!state)
		count_loss(LOST_SOCKET_STATE);
	return state;
}

static __always_inline void forget_state_at(__u64 address)
{
	struct socket_state *state = state_at(address);
	__u32 pid = state ? state->charged_pid : 0;

	if (state && !bpf_map_delete_elem(&socket_hash, &address))
		give_socket_back(pid);
}

/* Unique for as long as the machine is up: what a socket's own number is where programs cannot ask for it. */
static __always_inline __u64 new_cookie(void)
{
	return bpf_ktime_get_boot_ns() << 8 | (bpf_get_smp_processor_id() & 0xff);
}

static __always_inline struct socket_state *known_state(struct sock *sk)
{
	return state_in_hash ? state_at((__u64)sk) : bpf_sk_storage_get(&socket_states, sk, 0, 0);
}

static __always_inline void own_state(struct socket_state *state, struct sock *sk)
{
	state->socket = (__u64)sk;
	state->cookie = state_in_hash ? new_cookie() : bpf_get_socket_cookie(sk);
	state->edge.transport = FIELD(sk, sk_protocol);
	state->edge.network_type = FIELD(sk, __sk_common.skc_family) == AF_INET ? 4 : 6;
	state->flush_always = BITFIELD(sk, sk_kern_sock);
	state->flushing = 0; /* a clone may be of a moment when its listener was flushed */
	state->splice_unsettled = 0;
	state->speaks_dns = 0;
}

static __always_inline struct socket_state *state_or_new(struct sock *sk)
{
	struct socket_state *state = state_in_hash ? state_or_new_at((__u64)sk, current_process()) :
				     bpf_sk_storage_get(&socket_states, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!state) {
		if (!state_in_hash)
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
	state->edge.folded = FOLDED_NOT;
	state->process_started_at_ns = owner->process_started_at_ns;
	state->pid = owner->pid;
	state->parent_pid = owner->parent_pid;
	state->uid = owner->uid;
	state->attribution = attribution;
	state->owner_pending = 0;
}

static __noinline int own_by_current(struct socket_state *state)
{
	struct owner owner = {};

	identify_current(&owner);
	set_owner(state, &owner, ATTRIBUTION_EXACT);
	return 0;
}

/* Of several at once, one succeeds. */
static __always_inline int change_phase(struct socket_state *state, __u32 from, __u32 to)
{
	__u64 claim;
	int changed;

	if (!plain_atomics)
		return __sync_val_compare_and_swap(&state->phase, from, to) == from;
	claim = address_of(state); /* of a state whose socket is not noted yet, too */
	if (!begin_alone(claim))
		return 0;
	changed = state->phase == from;
	if (changed)
		state->phase = to;
	end_alone(claim);
	return changed;
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
	state->edge.folded = FOLDED_NOT;
	state->ignored = is_ignored(&state->edge, state->local_address);
}

static __always_inline __u64 take(__u64 *pending)
{
	__u64 taken;

	if (!plain_atomics)
		return __sync_lock_test_and_set(pending, 0);
	taken = *pending;
	*pending = 0;
	return taken;
}

/* Of two that look at once, one may come with what is old by then. */
static __noinline __u32 advance_to(__u32 *seen, __u32 now)
{
	for (int tries = 0; tries < 2; tries++) {
		__u32 before = *(volatile __u32 *)seen;

		if ((__s32)(now - before) <= 0)
			return 0;
		if (plain_atomics)
			*seen = now;
		if (plain_atomics || __sync_val_compare_and_swap(seen, before, now) == before)
			return now - before;
	}
	return 0; /* the next flush takes it */
}

/* How far a counter of the kernel's has come since the last look. Never back: a total that did would be taken for one that began anew. */
static __always_inline __u32 advance(__u32 *seen, __u32 now)
{
	return *seen == now ? 0 : advance_to(seen, now);
}

/*
 * Moves what is pending to the totals, unless it was counted at once. Racing flushes are harmless: each takes what it exchanged
 * for zero; where nothing can be exchanged, the second does nothing. Who has looked up the totals and timings of the edge already
 * hands them in; otherwise they are looked up when needed.
 */
static __always_inline void flush_alone(struct socket_state *state, struct edge_totals *totals,
					struct edge_timings *timings)
{
	__u64 sent = 0, received = 0;
	__u32 rtt_us;

	if (state->pending_sent || state->pending_received) {
		__sync_fetch_and_add(&state->flushing, 1);
		sent = take(&state->pending_sent);
		received = take(&state->pending_received);
		if (!counts_at_once) {
			add(&state->bytes_sent, sent & PENDING_BYTES);
			add(&state->sends, sent / PENDING_OPERATION);
			add(&state->bytes_received, received & PENDING_BYTES);
			add(&state->receives, received / PENDING_OPERATION);
		}
		__sync_fetch_and_add(&state->flushing, -1);
	}
	if (!counts_at_once && (sent || received)) {
		if (!totals)
			totals = totals_of(&state->edge);
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
		__u32 drops = advance(&state->drops, BPF_CORE_READ(sk, sk_drops.counter));

		if (drops && !totals)
			totals = totals_of(&state->edge);
		if (drops && totals)
			add(&totals->listen_overflows, drops);
	} else if (state->phase >= PHASE_OPEN || state->phase == PHASE_CONNECTING) {
		struct tcp_sock *tcp = (void *)state->socket;
		__u32 retransmits = advance(&state->retransmits, BPF_CORE_READ(tcp, total_retrans));

		if (retransmits && !totals)
			totals = totals_of(&state->edge);
		if (retransmits && totals)
			add(&totals->retransmits, retransmits);
		rtt_us = sent || received ? BPF_CORE_READ(tcp, srtt_us) >> 3 : 0;
		if (rtt_us && !timings)
			timings = timings_of(&state->edge);
		if (rtt_us && timings)
			add_latency(&timings->rtt, latency_bounds, rtt_us * MICROSECONDS);
	}
}

#define FLUSH_CLAIM 1	/* addresses are even */

static __always_inline void flush_to(struct socket_state *state, struct edge_totals *totals,
				     struct edge_timings *timings)
{
	if (!plain_atomics) {
		flush_alone(state, totals, timings);
	} else if (begin_alone(state->socket + FLUSH_CLAIM)) {
		flush_alone(state, totals, timings);
		end_alone(state->socket + FLUSH_CLAIM);
	}
}

static __noinline int flush(struct socket_state *state)
{
	if (!state->ignored)
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
	record->edge.folded = FOLDED_NOT; /* the record has its peer all the same */
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
	record->repeated_since = 0;
	record->detection = 0;
	__builtin_memset(record->padding, 0, sizeof(record->padding));
}

/* No wake-up: the agent drains the ring on a timer, and the application pays nothing for it. */
static __noinline int write_record(struct socket_state *state, int kind, int operation, __u64 at_ns, __u32 detection)
{
	struct flow_record *record = reserve_record(state->pid, detection != 0);

	if (!record)
		return 0;
	fill_record(record, state, kind, operation, at_ns);
	record->detection = detection;
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 0;
}

static __always_inline int may_record(struct socket_state *state, int kind, __u64 at_ns)
{
	state->limited_by = limit_against(state->pid, state->process_started_at_ns, state->limited_by,
					  kind == RECORD_FLOW_START || kind == RECORD_FLOW_FAILED, at_ns);
	return !state->limited_by;
}

#define DETECT_CLAIM 2

/* Of several at once, one tells. */
static __always_inline int begin_telling(struct socket_state *state)
{
	int is_first;

	if (state->edge.transport != IPPROTO_TCP) {
		struct udp_flow_key conversation = {};

		conversation.socket_cookie = state->cookie;
		__builtin_memcpy(conversation.peer_address, state->edge.peer_address, 16);
		conversation.peer_port = state->remote_port;
		return is_first_contact(&conversation);
	}
	if (!plain_atomics)
		return !__sync_lock_test_and_set(&state->detected, 1);
	if (!begin_alone(state->socket + DETECT_CLAIM))
		return 0;
	is_first = !state->detected;
	state->detected = 1;
	end_alone(state->socket + DETECT_CLAIM);
	return is_first;
}

/* Tells, once, of a flow whose peer is on a list. Limits of its process do not matter here. */
static __noinline int detect(struct socket_state *state, int operation, __u64 at_ns)
{
	__u32 detection;

	state->matched_generation = listed_generation();
	if (state->edge.transport == IPPROTO_TCP && state->detected)
		return 0;
	detection = detection_of(state->edge.peer_address);
	if (!detection || !begin_telling(state))
		return 0;
	count_detection(&state->edge, detection);
	if (wants_record(RECORD_FLOW_DETECT))
		write_record(state, RECORD_FLOW_DETECT, operation, at_ns, detection);
	return 0;
}

/* The lists have changed since the flow was matched with them. */
static __noinline int detect_late(struct socket_state *state, __u64 now)
{
	int is_client = state->edge.role == ROLE_CLIENT;

	if (state->ignored || state->matched_generation == listed_generation())
		return 0;
	if (state->edge.transport == IPPROTO_TCP)
		detect(state, is_client ? OPERATION_CONNECT : OPERATION_ACCEPT, now);
	else
		detect(state, is_client ? OPERATION_SEND : OPERATION_RECV, now);
	return 0;
}

static __noinline int emit(struct socket_state *state, int kind, int operation, __u64 at_ns)
{
	if (state->ignored)
		return 0;
	if (wants_record(kind) && may_record(state, kind, at_ns))
		write_record(state, kind, operation, at_ns, 0);
	if (match_verdicts && (kind == RECORD_FLOW_START || kind == RECORD_FLOW_FAILED))
		detect(state, operation, at_ns);
	return 0;
}

/* The flow is there, and counted as well attributed as it is now. */
static __noinline int start_flow(struct socket_state *state, int operation, __u64 at_ns)
{
	if (!state->ignored)
		count_attribution(state->attribution);
	return emit(state, RECORD_FLOW_START, operation, at_ns);
}

static __always_inline void begin_flow(struct socket_state *state)
{
	state->limited_by = 0;
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

/* Bytes of a socket for which there is no room: of its process, and of no peer. */
static __noinline int count_without_state(int direction, int result)
{
	struct edge_key edge = { .folded = FOLDED_PROCESS };
	struct owner owner = {};
	struct edge_totals *totals;

	if (result < 0)
		return 0;
	count_observed(direction, result);
	identify_current(&owner);
	edge.cgroup_id = owner.cgroup_id;
	edge.executable_id = owner.executable_id;
	totals = folded_totals_of(&edge);
	if (!totals)
		return 0;
	add(direction == DIRECTION_TRANSMIT ? &totals->bytes_sent : &totals->bytes_received, (__u32)result);
	add(direction == DIRECTION_TRANSMIT ? &totals->sends : &totals->receives, 1);
	return 0;
}

static __always_inline void count_at_once(struct socket_state *state, int direction, int bytes)
{
	struct edge_totals *totals = totals_of(&state->edge);

	if (direction == DIRECTION_TRANSMIT) {
		add(&state->bytes_sent, (__u32)bytes);
		add(&state->sends, 1);
		state->pending_sent = 1;
	} else {
		add(&state->bytes_received, (__u32)bytes);
		add(&state->receives, 1);
		state->pending_received = 1;
	}
	if (totals && direction == DIRECTION_TRANSMIT) {
		add(&totals->bytes_sent, (__u32)bytes);
		add(&totals->sends, 1);
	} else if (totals) {
		add(&totals->bytes_received, (__u32)bytes);
		add(&totals->receives, 1);
	}
}

static __always_inline void count_pending(struct socket_state *state, int direction, int bytes)
{
	__u64 now;

	count_observed(direction, bytes);
	if (counts_at_once)
		count_at_once(state, direction, bytes);
	else
		add(direction == DIRECTION_TRANSMIT ? &state->pending_sent : &state->pending_received,
		    PENDING_OPERATION + (__u32)bytes);
	now = bpf_jiffies64();
	if (now >= state->flush_after || state->flush_always) {
		state->flush_after = now + flush_jiffies;
		flush(state);
		if (match_verdicts)
			detect_late(state, bpf_ktime_get_boot_ns());
	}
}

#endif
