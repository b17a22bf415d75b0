/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Functions by trampoline: what was asked on entry, what came of it on exit. */
#ifndef SOCKWATCH_ENTRIES_FENTRY_H
#define SOCKWATCH_ENTRIES_FENTRY_H

#include "calls.h"

SEC("fexit/inet_sendmsg")
int BPF_PROG(sw_fexit_send4, struct socket *socket, struct msghdr *message, __u64 size, int result)
{
	struct udp_peer peer = {};

	read_named_peer(&peer, message);
	on_sent(FIELD(socket, sk), result, &peer);
	return 0;
}

SEC("fexit/inet6_sendmsg")
int BPF_PROG(sw_fexit_send6, struct socket *socket, struct msghdr *message, __u64 size, int result)
{
	struct udp_peer peer = {};

	read_named_peer(&peer, message);
	on_sent(FIELD(socket, sk), result, &peer);
	return 0;
}

/* sendfile and splice, before 6.5; for both families */
SEC("fexit/inet_sendpage")
int BPF_PROG(sw_fexit_page, struct socket *socket, void *page, int offset, __u64 size, int flags, int result)
{
	on_sent(FIELD(socket, sk), result, 0);
	return 0;
}

SEC("fexit/inet_recvmsg")
int BPF_PROG(sw_fexit_recv4, struct socket *socket, struct msghdr *message, __u64 size, int flags, int result)
{
	struct udp_peer peer = {};

	read_named_peer(&peer, message);
	on_received(FIELD(socket, sk), result, flags, &peer);
	return 0;
}

SEC("fexit/inet6_recvmsg")
int BPF_PROG(sw_fexit_recv6, struct socket *socket, struct msghdr *message, __u64 size, int flags, int result)
{
	struct udp_peer peer = {};

	read_named_peer(&peer, message);
	on_received(FIELD(socket, sk), result, flags, &peer);
	return 0;
}

SEC("fentry/tcp_set_state")
int BPF_PROG(sw_fentry_state, struct sock *sk, int state)
{
	on_state(sk, FIELD(sk, __sk_common.skc_state), state);
	return 0;
}

/* What tcp_set_state is not called for: a socket that begins to listen is put where it will be found. */

SEC("fentry/inet_hash")
int BPF_PROG(sw_fentry_listen4, struct sock *sk)
{
	return on_hashed(sk);
}

SEC("fentry/inet6_hash")
int BPF_PROG(sw_fentry_listen6, struct sock *sk)
{
	return on_hashed(sk);
}

SEC("fentry/__inet_stream_connect")
int BPF_PROG(sw_fentry_stream, struct socket *socket, void *address)
{
	return on_stream_connect(socket, address);
}

SEC("fexit/__inet_stream_connect")
int BPF_PROG(sw_fexit_stream, struct socket *socket, void *address, int length, int flags, int is_sendmsg, int result)
{
	struct sock *sk = FIELD(socket, sk);
	struct socket_state *state;

	if (result >= 0 || is_no_operation(result) || FIELD(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	state = known_state(sk);
	if (state && state->attempt_pending && state->phase == PHASE_NEW)
		fail_connect(state, -result, bpf_ktime_get_boot_ns());
	return 0;
}

SEC("fentry/inet_dgram_connect")
int BPF_PROG(sw_fentry_dgram, struct socket *socket, void *address)
{
	return on_dgram_connect(socket, address);
}

SEC("fexit/inet_dgram_connect")
int BPF_PROG(sw_fexit_dgram, struct socket *socket, void *address, int length, int flags, int result)
{
	struct sock *sk = FIELD(socket, sk);
	struct socket_state *state;

	if (FIELD(sk, sk_protocol) != IPPROTO_UDP)
		return 0;
	state = known_state(sk);
	if (state && state->attempt_pending)
		end_udp_attempt(state, -result);
	return 0;
}

/* The result moved among the arguments in 6.10; that there is a socket says as much. */
SEC("fexit/inet_accept")
int BPF_PROG(sw_fexit_accept, struct socket *socket, struct socket *accepted)
{
	struct sock *sk = FIELD(accepted, sk);

	if (sk && FIELD(sk, sk_protocol) == IPPROTO_TCP)
		on_accepted(sk);
	return 0;
}

SEC("fentry/inet_release")
int BPF_PROG(sw_fentry_release, struct socket *socket)
{
	return on_socket_release(socket);
}

SEC("fentry/tcp_v4_destroy_sock") /* for both families */
int BPF_PROG(sw_fentry_destroy, struct sock *sk)
{
	on_tcp_destroy(sk);
	return 0;
}

#endif
