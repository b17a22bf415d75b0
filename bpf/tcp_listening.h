/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Who listens, and where: what is known of a server before anybody connects. */
#ifndef SOCKWATCH_TCP_LISTENING_H
#define SOCKWATCH_TCP_LISTENING_H

#include "sockets.h"

static __always_inline struct listening_port listening_port_of(const struct sock *sk)
{
	return (struct listening_port){
		.network_namespace = state_in_hash ? BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum) :
						     sk->__sk_common.skc_net.net->ns.inum,
		.port = FIELD(sk, __sk_common.skc_num),
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
	struct listeners *listeners = bpf_map_lookup_elem(&listening_ports, &port);
	struct listeners first = { .socket = (__u64)sk, .count = 1 };

	if (listeners) {
		add(&listeners->count, 1);
		listeners->socket = (__u64)sk;
	} else if (bpf_map_update_elem(&listening_ports, &port, &first, BPF_ANY)) {
		count_loss(LOST_PORTS_FULL);
	}
}

static __always_inline void forget_listening_port(struct listening_port port)
{
	struct listeners *listeners = bpf_map_lookup_elem(&listening_ports, &port);

	if (!listeners)
		return;
	add(&listeners->count, -1);
	if (!listeners->count)
		bpf_map_delete_elem(&listening_ports, &port);
}

/* Its state is cloned to every socket that it accepts: the server is known before its first operation. */
static __always_inline void begin_listening(struct sock *sk, struct socket_state *state, const struct owner *owner)
{
	set_owner(state, owner, ATTRIBUTION_EXACT);
	set_ends(state, sk, ROLE_SERVER);
	__builtin_memset(state->edge.peer_address, 0, 16);
	state->remote_port = 0;
	state->edge.network_type = FIELD(sk, __sk_common.skc_family) == AF_INET ? 4 : 6;
	state->ignored = 0;
	state->drops = FIELD(sk, sk_drops.counter);
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

/* Where states are in a hash nothing is cloned: the listener is who listens on the port. */
static __always_inline struct socket_state *listener_of(const struct sock *sk)
{
	struct listening_port port = listening_port_of(sk);
	struct listeners *listeners = bpf_map_lookup_elem(&listening_ports, &port);

	return listeners ? state_at(listeners->socket) : 0;
}

#endif
