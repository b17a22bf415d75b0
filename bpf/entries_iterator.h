/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Iterators. Before the agent reads the totals it runs an iterator over all socket states, so that they hold every
 * byte up to now; a connection that was accepted and has stayed silent since is noticed here.
 */
#ifndef SOCKWATCH_ENTRIES_ITERATOR_H
#define SOCKWATCH_ENTRIES_ITERATOR_H

#include "adoption.h"

#define SILENT_ACCEPT_NS (1000 * MILLISECONDS)

static __always_inline void settle(struct sock *sk, struct socket_state *state, __u64 now)
{
	if (state->edge.transport == IPPROTO_UDP) {
		if (state->attempt_pending && now - state->attempt_at_ns > SILENT_ACCEPT_NS)
			settle_udp_attempt(state);
		return;
	}
	if (state->attempt_pending && now - state->attempt_at_ns > SILENT_ACCEPT_NS)
		settle_tcp_attempt(state, now);
	if (state->phase == PHASE_PASSIVE && FIELD(sk, sk_socket) && now - state->started_at_ns > SILENT_ACCEPT_NS)
		accept_flow(state);
}

/* Lists that changed, and connects that have had no answer yet: they need not have one to be told of. */
static __always_inline void match_again(struct socket_state *state, __u64 now)
{
	struct inet_sock *inet = (void *)state->socket;

	if (state->phase == PHASE_OPEN) {
		detect_late(state, now);
	} else if (state->phase == PHASE_CONNECTING && !state->detected && !state->ignored) {
		state->local_port = bpf_ntohs(BPF_CORE_READ(inet, inet_sport));
		state->started_at_ns = state->attempt_at_ns; /* tells the flow from others of this socket */
		detect(state, OPERATION_CONNECT, now);
	}
}

static __always_inline struct socket_state *visit(struct sock *sk, __u64 now)
{
	struct socket_state *state = known_state(sk);

	if (!state || is_unclaimed(sk, state))
		return 0;
	settle(sk, state, now);
	flush(state);
	if (match_verdicts)
		match_again(state, now);
	return state;
}

/* Whether what is printed is for somebody who only looks; the agent sets it before it runs an iterator, of which there is one at a time. */
volatile __u8 only_look = 0;

/* Prints a record of an open flow. */
static __always_inline void report(struct seq_file *output, struct socket_state *state, __u64 now)
{
	struct flow_record *record;
	__u32 zero = 0;

	if (!state || state->phase != PHASE_OPEN || state->ignored)
		return;
	if (!only_look && !may_record(state, RECORD_FLOW_UPDATE, now))
		return;
	record = bpf_map_lookup_elem(&printed_record, &zero);
	if (!record)
		return;
	fill_record(record, state, RECORD_FLOW_UPDATE, OPERATION_SEND, now);
	if (bpf_seq_write(output, record, sizeof(*record)))
		return; /* no room: the kernel calls again with more */
	if (only_look)
		return;
	state->reported_bytes_sent = record->bytes_sent;
	state->reported_bytes_received = record->bytes_received;
	state->reported_sends = record->sends;
	state->reported_receives = record->receives;
}

SEC("iter/bpf_sk_storage_map")
int sw_flush(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = ctx->sk;

	if (sk)
		visit(sk, bpf_ktime_get_boot_ns());
	return 0;
}

SEC("iter/bpf_sk_storage_map")
int sw_report(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct sock *sk = ctx->sk;

	if (sk)
		report(ctx->meta->seq, visit(sk, now), now);
	return 0;
}

/* The same for states in a hash. */

SEC("iter/bpf_map_elem")
int sw_flush_hash(struct bpf_iter__bpf_map_elem *ctx)
{
	__u64 *address = ctx->key;

	if (address)
		visit((void *)*address, bpf_ktime_get_boot_ns());
	return 0;
}

SEC("iter/bpf_map_elem")
int sw_report_hash(struct bpf_iter__bpf_map_elem *ctx)
{
	__u64 now = bpf_ktime_get_boot_ns();
	__u64 *address = ctx->key;

	if (address)
		report(ctx->meta->seq, visit((void *)*address, now), now);
	return 0;
}

/* Sockets that were there before the hooks. Two passes: who listens, then who is connected. */

static __always_inline struct sock *socket_seen(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file; /* once: the verifier does not know that a second look finds the same */

	return file ? inet_socket_of(untyped_task ? untyped_socket_of(file) : bpf_sock_from_file(file)) : 0;
}

SEC("iter/task_file")
int sw_adopt_listeners(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct sock *sk = socket_seen(ctx);

	if (task && sk)
		adopt_listener(task, sk);
	return 0;
}

SEC("iter/task_file")
int sw_adopt_connections(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct sock *sk = socket_seen(ctx);

	if (task && sk)
		adopt_connection(task, sk);
	return 0;
}

#endif
