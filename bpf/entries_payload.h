/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* What is sent and received, by each kind of hook. Loaded only where payload is captured or protocols are recognised. */
#ifndef SOCKWATCH_ENTRIES_PAYLOAD_H
#define SOCKWATCH_ENTRIES_PAYLOAD_H

#include "payload.h"

/* By tracepoint (6.17): before each part of a call that the kernel takes, and after the whole of it. */

SEC("tp_btf/tcp_sendmsg_locked")
int BPF_PROG(sw_payload_send, struct sock *sk, const struct msghdr *message)
{
	return on_send_begins(sk, message);
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(sw_payload_sent, struct sock *sk, int result)
{
	return on_send_ends(sk, result);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(sw_payload_received, struct sock *sk, int result, int flags)
{
	return on_received_length(sk, result, flags);
}

/* By trampoline */

SEC("fentry/tcp_sendmsg_locked")
int BPF_PROG(sw_fentry_payload, struct sock *sk, struct msghdr *message)
{
	return on_send_begins(sk, message);
}

SEC("fexit/tcp_sendmsg_locked")
int BPF_PROG(sw_fexit_payload, struct sock *sk, struct msghdr *message, __u64 size, int result)
{
	return on_send_ends(sk, result);
}

SEC("fexit/sk_stream_wait_memory")
int BPF_PROG(sw_fexit_room, struct sock *sk)
{
	return on_send_goes_on(sk);
}

SEC("fentry/do_tcp_sendpages")
int BPF_PROG(sw_fentry_pages, struct sock *sk, struct page *page, int offset, __u64 size)
{
	return on_page_begins(sk, (__u64)page, offset, size);
}

SEC("fexit/do_tcp_sendpages")
int BPF_PROG(sw_fexit_pages, struct sock *sk, struct page *page, int offset, __u64 size, int flags, int result)
{
	return on_send_ends(sk, result);
}

SEC("fentry/inet_recvmsg")
int BPF_PROG(sw_fentry_receive4, struct socket *socket, struct msghdr *message, __u64 size, int flags)
{
	return on_receive_begins(socket, message, flags);
}

SEC("fexit/inet_recvmsg")
int BPF_PROG(sw_fexit_receive4, struct socket *socket, struct msghdr *message, __u64 size, int flags, int result)
{
	return on_receive_ends(FIELD(socket, sk), result);
}

SEC("fentry/inet6_recvmsg")
int BPF_PROG(sw_fentry_receive6, struct socket *socket, struct msghdr *message, __u64 size, int flags)
{
	return on_receive_begins(socket, message, flags);
}

SEC("fexit/inet6_recvmsg")
int BPF_PROG(sw_fexit_receive6, struct socket *socket, struct msghdr *message, __u64 size, int flags, int result)
{
	return on_receive_ends(FIELD(socket, sk), result);
}

/* By breakpoint */

SEC("kprobe/tcp_sendmsg_locked")
int BPF_KPROBE(sw_kprobe_payload, struct sock *sk, struct msghdr *message)
{
	return on_send_begins(sk, message);
}

SEC("kretprobe/tcp_sendmsg_locked")
int BPF_KRETPROBE(sw_kretprobe_payload, int result)
{
	return on_send_ends(socket_of_call(DIRECTION_TRANSMIT), result);
}

SEC("kretprobe/sk_stream_wait_memory")
int BPF_KRETPROBE(sw_kretprobe_room)
{
	return on_send_goes_on(socket_of_call(DIRECTION_TRANSMIT));
}

SEC("kprobe/do_tcp_sendpages")
int BPF_KPROBE(sw_kprobe_pages, struct sock *sk, __u64 page, int offset, __u64 size)
{
	return on_page_begins(sk, page, offset, size);
}

SEC("kretprobe/do_tcp_sendpages")
int BPF_KRETPROBE(sw_kretprobe_pages, int result)
{
	return on_send_ends(socket_of_call(DIRECTION_TRANSMIT), result);
}

SEC("kprobe/inet_recvmsg")
int BPF_KPROBE(sw_kprobe_receive4, struct socket *socket, struct msghdr *message, __u64 size, int flags)
{
	return on_receive_begins(socket, message, flags);
}

SEC("kretprobe/inet_recvmsg")
int BPF_KRETPROBE(sw_kretprobe_receive4, int result)
{
	return on_receive_ends(socket_of_call(DIRECTION_RECEIVE), result);
}

SEC("kprobe/inet6_recvmsg")
int BPF_KPROBE(sw_kprobe_receive6, struct socket *socket, struct msghdr *message, __u64 size, int flags)
{
	return on_receive_begins(socket, message, flags);
}

SEC("kretprobe/inet6_recvmsg")
int BPF_KRETPROBE(sw_kretprobe_receive6, int result)
{
	return on_receive_ends(socket_of_call(DIRECTION_RECEIVE), result);
}

#endif
