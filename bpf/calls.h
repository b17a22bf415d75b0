/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* What happened, by whatever hook it is seen: the entries' way into the core. */
#ifndef SOCKWATCH_CALLS_H
#define SOCKWATCH_CALLS_H

#include "tcp.h"
#include "udp.h"

static __always_inline int is_inet(const struct sock *sk)
{
	unsigned short family = FIELD(sk, __sk_common.skc_family);

	return family == AF_INET || family == AF_INET6;
}

static __always_inline void on_sent(struct sock *sk, int result, const struct udp_peer *named)
{
	__u16 protocol;

	if (!is_inet(sk))
		return;
	protocol = FIELD(sk, sk_protocol);
	if (protocol == IPPROTO_TCP) {
		if (!is_no_operation(result))
			count_tcp(sk, DIRECTION_TRANSMIT, result);
	} else if (protocol == IPPROTO_UDP) {
		count_udp(sk, DIRECTION_TRANSMIT, 0, result, named);
	}
}

static __always_inline void on_received(struct sock *sk, int result, int flags, const struct udp_peer *named)
{
	__u16 protocol;

	if (!is_inet(sk))
		return;
	protocol = FIELD(sk, sk_protocol);
	if (protocol == IPPROTO_TCP) {
		if (!is_no_operation(result) && !(flags & (MSG_PEEK | MSG_ERRQUEUE)))
			count_tcp(sk, DIRECTION_RECEIVE, result);
	} else if (protocol == IPPROTO_UDP) {
		count_udp(sk, DIRECTION_RECEIVE, flags, result, named);
	}
}

static __always_inline void on_state(struct sock *sk, int old_state, int new_state)
{
	struct socket_state *state;

	if (FIELD(sk, sk_protocol) != IPPROTO_TCP || !is_inet(sk))
		return;
	on_tcp_state(sk, old_state, new_state);
	state = known_state(sk);
	if (!state)
		return;
	if (state->seen_state && state->seen_state != old_state)
		count_turned_away(TURNED_AWAY_MISSED);
	state->seen_state = new_state;
}

/* connect was called; what comes of it is not known yet. */
static __always_inline void on_connecting(struct socket_state *state, const struct udp_peer *peer)
{
	__u64 now = bpf_ktime_get_boot_ns();

	if (state->edge.transport == IPPROTO_TCP) {
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
		state->edge.folded = FOLDED_NOT;
		state->ignored = is_ignored(&state->edge, state->local_address);
	}
	state->attempt_edge = state->edge;
	__builtin_memcpy(state->attempt_edge.peer_address, peer->address, 16);
	state->attempt_edge.folded = FOLDED_NOT;
	state->attempt_edge.role = ROLE_CLIENT;
	state->attempt_edge.server_port = peer->port;
	state->attempt_edge.network_type = is_ipv4(peer->address) ? 4 : 6;
	state->attempt_at_ns = now;
	state->attempt_pending = 1;
}

static __always_inline void on_released(struct socket_state *state, __u64 socket)
{
	if (state->edge.transport == IPPROTO_TCP) {
		on_tcp_release(state, socket);
		return;
	}
	on_udp_release(state);
	if (state_in_hash)
		forget_state_at(socket);
}

/* The address that a call was given, or gave back; port 0 when there was none. */
static __always_inline void read_peer(struct udp_peer *peer, const void *address)
{
	__be32 ipv4 = 0;
	__u16 family = 0;
	__be16 port = 0;

	bpf_probe_read_kernel(&family, sizeof(family), address);
	if (family != AF_INET && family != AF_INET6)
		return;
	bpf_probe_read_kernel(&port, sizeof(port), address + 2);
	peer->port = bpf_ntohs(port);
	if (family == AF_INET) {
		bpf_probe_read_kernel(&ipv4, sizeof(ipv4), address + 4);
		set_ipv4(peer->address, ipv4);
	} else {
		bpf_probe_read_kernel(peer->address, 16, address + 8);
	}
}

static __always_inline void read_named_peer(struct udp_peer *peer, const struct msghdr *message)
{
	void *name = BPF_CORE_READ(message, msg_name);

	if (name && BPF_CORE_READ(message, msg_namelen) >= 16)
		read_peer(peer, name);
}

static __always_inline int on_hashed(struct sock *sk)
{
	struct socket_state *state;

	if (FIELD(sk, __sk_common.skc_state) != TCP_LISTEN)
		return 0;
	state = known_state(sk);
	if (!state || state->seen_state != TCP_LISTEN || !state->local_port)
		on_state(sk, TCP_CLOSE, TCP_LISTEN);
	return 0;
}

static __always_inline int on_stream_connect(struct socket *socket, const void *address)
{
	struct sock *sk = FIELD(socket, sk);
	struct udp_peer peer = {};
	struct socket_state *state;

	/* A call on a connection that is under way, or there, asks how it goes. */
	if (FIELD(sk, sk_protocol) != IPPROTO_TCP || FIELD(socket, state) != SS_UNCONNECTED ||
	    FIELD(sk, __sk_common.skc_state) != TCP_CLOSE)
		return 0;
	read_peer(&peer, address);
	state = peer.port ? state_or_new(sk) : 0;
	if (state)
		on_connecting(state, &peer);
	return 0;
}

static __always_inline int on_dgram_connect(struct socket *socket, const void *address)
{
	struct sock *sk = FIELD(socket, sk);
	struct udp_peer peer = {};
	struct socket_state *state;

	if (FIELD(sk, sk_protocol) != IPPROTO_UDP)
		return 0;
	read_peer(&peer, address);
	state = peer.port ? state_or_new(sk) : 0;
	if (state)
		on_connecting(state, &peer);
	return 0;
}

static __always_inline int on_socket_release(struct socket *socket)
{
	struct sock *sk = FIELD(socket, sk);
	struct socket_state *state = sk ? known_state(sk) : 0;

	if (state)
		on_released(state, (__u64)sk);
	return 0;
}

#endif
