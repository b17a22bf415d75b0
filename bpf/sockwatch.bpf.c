// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * The entries: one thin program a hook, over a core that does not know how it was called. Tracepoints tell lengths and
 * states, cgroup hooks tell what only the call knows, iterators read.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "tcp.h"
#include "udp.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline int is_inet(const struct sock *sk)
{
	unsigned short family = sk->__sk_common.skc_family;

	return family == AF_INET || family == AF_INET6;
}

/* send, recv: for every family, with the result of the call. */

SEC("tp_btf/sock_send_length")
int BPF_PROG(sw_send, struct sock *sk, int result, int flags)
{
	if (!is_inet(sk))
		return 0;
	if (sk->sk_protocol == IPPROTO_TCP) {
		if (!is_no_operation(result))
			count_tcp(sk, DIRECTION_TRANSMIT, result);
	} else if (sk->sk_protocol == IPPROTO_UDP) {
		count_udp(sk, DIRECTION_TRANSMIT, 0, result);
	}
	return 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(sw_recv, struct sock *sk, int result, int flags)
{
	if (!is_inet(sk))
		return 0;
	if (sk->sk_protocol == IPPROTO_TCP) {
		if (!is_no_operation(result) && !(flags & (MSG_PEEK | MSG_ERRQUEUE)))
			count_tcp(sk, DIRECTION_RECEIVE, result);
	} else if (sk->sk_protocol == IPPROTO_UDP) {
		count_udp(sk, DIRECTION_RECEIVE, flags, result);
	}
	return 0;
}

/* connect, accept, and how they end */

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(sw_state, struct sock *sk, int old_state, int new_state)
{
	if (sk->sk_protocol == IPPROTO_TCP && is_inet(sk))
		on_tcp_state(sk, new_state);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(sw_destroy, struct sock *sk)
{
	on_tcp_destroy(sk);
	return 0;
}

SEC("tp_btf/tcp_send_reset")
int BPF_PROG(sw_reset_sent, struct sock *sk)
{
	if (sk) /* a reset for a connection that nobody has */
		on_reset(sk, DIRECTION_TRANSMIT);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(sw_reset_received, struct sock *sk)
{
	on_reset(sk, DIRECTION_RECEIVE);
	return 0;
}

/* A process that executes something else is a new one to us; one that exits is none. */

SEC("tp_btf/sched_process_exec")
int BPF_PROG(sw_exec, struct task_struct *task)
{
	forget_process(task->tgid);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(sw_exit, struct task_struct *task)
{
	if (task->pid == task->tgid)
		forget_process(task->tgid);
	return 0;
}

/* What only the call knows: the address that connect is called with, a datagram's peer, the moment of release. */

static __always_inline struct socket_state *state_in_call(struct bpf_sock_addr *call)
{
	struct bpf_sock *sk = call->sk;
	struct socket_state *state;

	if (!sk)
		return 0;
	state = bpf_sk_storage_get(&socket_states, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!state) {
		count_loss(LOST_SOCKET_STATE);
		return 0;
	}
	if (!state->socket) {
		struct sock *kernel;

		state->socket = (__u64)sk;
		/* Read back, so that to the verifier it is a number, which probes may read. */
		kernel = (void *)*(volatile __u64 *)&state->socket;
		state->cookie = bpf_get_socket_cookie(call);
		state->edge.transport = call->protocol;
		state->edge.network_type = call->family == AF_INET ? 4 : 6;
		state->flush_always = BPF_CORE_READ_BITFIELD_PROBED(kernel, sk_kern_sock);
	}
	return state;
}

static __always_inline int on_connect_call(struct bpf_sock_addr *call, const struct udp_peer *peer)
{
	struct socket_state *state;
	__u64 now;

	if (call->protocol != IPPROTO_TCP && call->protocol != IPPROTO_UDP)
		return 1;
	state = state_in_call(call);
	if (!state)
		return 1;
	now = bpf_ktime_get_boot_ns();
	if (call->protocol == IPPROTO_TCP) {
		settle_tcp_attempt(state, now);
		if (state->phase == PHASE_OPEN) /* disconnected, and now connected anew */
			end_flow(state, OPERATION_CONNECT, now);
		state->phase = PHASE_NEW;
	} else {
		struct sock *sk = (void *)state->socket;

		settle_udp_attempt(state);
		state->txhash = BPF_CORE_READ(sk, sk_txhash);
	}
	if (state->phase == PHASE_NEW) {
		own_by_current(state);
		__builtin_memcpy(state->edge.peer_address, peer->address, 16);
		state->edge.role = ROLE_CLIENT;
		state->edge.server_port = peer->port;
		state->edge.network_type = is_ipv4(peer->address) ? 4 : 6;
		state->remote_port = peer->port;
		state->ignored = is_ignored(&state->edge, state->local_address);
	}
	state->attempt_edge = state->edge;
	__builtin_memcpy(state->attempt_edge.peer_address, peer->address, 16);
	state->attempt_edge.role = ROLE_CLIENT;
	state->attempt_edge.server_port = peer->port;
	state->attempt_edge.network_type = is_ipv4(peer->address) ? 4 : 6;
	state->attempt_at_ns = now;
	state->attempt_pending = 1;
	return 1;
}

static __always_inline int on_datagram_call(struct bpf_sock_addr *call, int direction, const struct udp_peer *peer)
{
	struct socket_state *state;

	if (call->protocol != IPPROTO_UDP)
		return 1;
	state = state_in_call(call);
	if (state)
		leave_peer(state, direction, peer);
	return 1;
}

/* The verifier lets version 4 hooks read version 4 addresses only, so there are two of each. */

static __always_inline struct udp_peer ipv4_peer(struct bpf_sock_addr *call)
{
	struct udp_peer peer = { .port = bpf_ntohs(call->user_port) };

	set_ipv4(peer.address, call->user_ip4);
	return peer;
}

static __always_inline struct udp_peer ipv6_peer(struct bpf_sock_addr *call)
{
	struct udp_peer peer = { .port = bpf_ntohs(call->user_port) };

	set_ipv6(peer.address, call->user_ip6[0], call->user_ip6[1], call->user_ip6[2], call->user_ip6[3]);
	return peer;
}

SEC("cgroup/connect4")
int sw_connect4(struct bpf_sock_addr *call)
{
	struct udp_peer peer = ipv4_peer(call);

	return on_connect_call(call, &peer);
}

SEC("cgroup/connect6")
int sw_connect6(struct bpf_sock_addr *call)
{
	struct udp_peer peer = ipv6_peer(call);

	return on_connect_call(call, &peer);
}

SEC("cgroup/sendmsg4")
int sw_sendmsg4(struct bpf_sock_addr *call)
{
	struct udp_peer peer = ipv4_peer(call);

	return on_datagram_call(call, DIRECTION_TRANSMIT, &peer);
}

SEC("cgroup/sendmsg6")
int sw_sendmsg6(struct bpf_sock_addr *call)
{
	struct udp_peer peer = ipv6_peer(call);

	return on_datagram_call(call, DIRECTION_TRANSMIT, &peer);
}

SEC("cgroup/recvmsg4")
int sw_recvmsg4(struct bpf_sock_addr *call)
{
	struct udp_peer peer = ipv4_peer(call);

	return on_datagram_call(call, DIRECTION_RECEIVE, &peer);
}

SEC("cgroup/recvmsg6")
int sw_recvmsg6(struct bpf_sock_addr *call)
{
	struct udp_peer peer = ipv6_peer(call);

	return on_datagram_call(call, DIRECTION_RECEIVE, &peer);
}

SEC("cgroup/sock_release")
int sw_release(struct bpf_sock *sk)
{
	struct socket_state *state = bpf_sk_storage_get(&socket_states, sk, 0, 0);

	if (!state)
		return 1;
	if (state->edge.transport == IPPROTO_TCP)
		on_tcp_release(state, (__u64)sk);
	else
		on_udp_release(state);
	return 1;
}

/*
 * Readings. Before the agent reads the totals it runs an iterator over all socket states, so that they hold every
 * byte up to now; a connection that was accepted and has stayed silent since is noticed here.
 */

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
	if (state->phase == PHASE_PASSIVE && sk->sk_socket && now - state->started_at_ns > SILENT_ACCEPT_NS)
		accept_flow(state);
}

static __always_inline struct socket_state *next_state(struct bpf_iter__bpf_sk_storage_map *ctx, __u64 now)
{
	struct sock *sk = ctx->sk;
	struct socket_state *state;

	if (!sk)
		return 0;
	state = known_state(sk);
	if (!state || is_unclaimed(sk, state))
		return 0;
	settle(sk, state, now);
	flush(state);
	return state;
}

SEC("iter/bpf_sk_storage_map")
int sw_flush(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	next_state(ctx, bpf_ktime_get_boot_ns());
	return 0;
}

/* The same, and prints a record of every open flow. */
SEC("iter/bpf_sk_storage_map")
int sw_report(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct socket_state *state = next_state(ctx, now);
	struct flow_record *record;
	__u32 zero = 0;

	if (!state || state->phase != PHASE_OPEN || state->ignored)
		return 0;
	record = bpf_map_lookup_elem(&printed_record, &zero);
	if (!record)
		return 0;
	fill_record(record, state, RECORD_FLOW_UPDATE, OPERATION_SEND, now);
	if (bpf_seq_write(ctx->meta->seq, record, sizeof(*record)))
		return 0; /* no room: the kernel calls again with more */
	state->reported_bytes_sent = record->bytes_sent;
	state->reported_bytes_received = record->bytes_received;
	state->reported_sends = record->sends;
	state->reported_receives = record->receives;
	return 0;
}

/*
 * Sockets that were there before the hooks. Two kinds of pass: who listens, then who is connected; the role of a connection
 * follows from whether somebody listens on its port.
 */

static __always_inline struct sock *tcp_socket_of(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file; /* once: the verifier does not know that a second look finds the same */
	struct socket *socket;
	struct sock *sk;

	if (!file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || !is_inet(sk) || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	return sk;
}

SEC("iter/task_file")
int sw_adopt_listeners(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct sock *sk = tcp_socket_of(ctx);
	struct socket_state *state;
	struct owner owner = {};

	if (!task || !sk || sk->__sk_common.skc_state != TCP_LISTEN || known_state(sk))
		return 0;
	state = state_or_new(sk);
	if (!state)
		return 0;
	identify(task, &owner);
	begin_listening(sk, state, &owner);
	state->attribution = ATTRIBUTION_ADOPTED;
	return 0;
}

SEC("iter/task_file")
int sw_adopt_connections(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct sock *sk = tcp_socket_of(ctx);
	struct socket_state *state;
	struct owner owner = {};

	if (!task || !sk || !has_connection(sk))
		return 0;
	state = known_state(sk);
	if (state && !is_unclaimed(sk, state))
		return 0;
	if (state)
		claim(sk, state);
	else
		state = state_or_new(sk);
	if (!state)
		return 0;
	identify(task, &owner);
	adopt(sk, state, &owner, bpf_ktime_get_boot_ns());
	return 0;
}
