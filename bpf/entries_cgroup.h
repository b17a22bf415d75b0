/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* What only the call knows: the address that connect is called with, a datagram's peer, the moment of release. */
#ifndef SOCKWATCH_ENTRIES_CGROUP_H
#define SOCKWATCH_ENTRIES_CGROUP_H

#include "calls.h"

static __always_inline struct socket_state *state_in_call(struct bpf_sock_addr *call)
{
	struct bpf_sock *sk = call->sk;
	struct socket_state *state;

	if (!sk)
		return 0;
	state = state_in_hash ? state_or_new_at(address_of(sk), current_process()) :
				bpf_sk_storage_get(&socket_states, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!state) {
		if (!state_in_hash)
			count_loss(LOST_SOCKET_STATE);
		return 0;
	}
	if (!state->socket) {
		struct sock *kernel = (void *)address_of(sk);

		state->socket = (__u64)kernel;
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

	if (call->protocol != IPPROTO_TCP && call->protocol != IPPROTO_UDP)
		return 1;
	state = state_in_call(call);
	if (state)
		on_connecting(state, peer);
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
	__u64 address = address_of(sk);
	struct socket_state *state = state_in_hash ? state_at(address) : bpf_sk_storage_get(&socket_states, sk, 0, 0);

	if (state)
		on_released(state, address);
	return 1;
}

#endif
