/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* The same functions by breakpoint. What a call was given is kept from its entry to its return. Needs states in a hash. */
#ifndef SOCKWATCH_ENTRIES_KPROBE_H
#define SOCKWATCH_ENTRIES_KPROBE_H

#include "adoption.h"

static __always_inline struct call_key this_call(int direction)
{
	return (struct call_key){ .thread = bpf_get_current_pid_tgid(), .direction = direction };
}

static __always_inline void on_entry(struct socket *socket, struct msghdr *message, int flags, int direction)
{
	struct call_key key = this_call(direction);
	struct call call = {
		.socket = (__u64)BPF_CORE_READ(socket, sk),
		.message = (__u64)message,
		.flags = flags,
	};
	long error = bpf_map_update_elem(&calls, &key, &call, BPF_NOEXIST);

	if (!error)
		return;
	/* The thread's last call has not returned, as far as we were told. */
	count_loss(error == -EEXIST ? LOST_CALL_RETURN : LOST_CALLS_FULL);
	if (error == -EEXIST)
		bpf_map_update_elem(&calls, &key, &call, BPF_ANY);
}

static __always_inline int on_return(int result, int direction)
{
	struct call_key key = this_call(direction);
	struct call *call = bpf_map_lookup_elem(&calls, &key);
	struct udp_peer peer = {};
	struct sock *sk;
	__u32 flags;

	if (!call)
		return 0;
	sk = (void *)call->socket;
	flags = call->flags;
	if (call->message)
		read_named_peer(&peer, (void *)call->message);
	bpf_map_delete_elem(&calls, &key);
	if (direction == DIRECTION_TRANSMIT)
		on_sent(sk, result, &peer);
	else
		on_received(sk, result, flags, &peer);
	return 0;
}

SEC("kprobe/inet_sendmsg")
int BPF_KPROBE(sw_kprobe_send4, struct socket *socket, struct msghdr *message)
{
	on_entry(socket, message, 0, DIRECTION_TRANSMIT);
	return 0;
}

SEC("kprobe/inet6_sendmsg")
int BPF_KPROBE(sw_kprobe_send6, struct socket *socket, struct msghdr *message)
{
	on_entry(socket, message, 0, DIRECTION_TRANSMIT);
	return 0;
}

SEC("kprobe/inet_sendpage")
int BPF_KPROBE(sw_kprobe_page, struct socket *socket)
{
	on_entry(socket, 0, 0, DIRECTION_TRANSMIT);
	return 0;
}

SEC("kprobe/inet_recvmsg")
int BPF_KPROBE(sw_kprobe_recv4, struct socket *socket, struct msghdr *message, __u64 size, int flags)
{
	on_entry(socket, message, flags, DIRECTION_RECEIVE);
	return 0;
}

SEC("kprobe/inet6_recvmsg")
int BPF_KPROBE(sw_kprobe_recv6, struct socket *socket, struct msghdr *message, __u64 size, int flags)
{
	on_entry(socket, message, flags, DIRECTION_RECEIVE);
	return 0;
}

SEC("kretprobe/inet_sendmsg")
int BPF_KRETPROBE(sw_kretprobe_send4, int result)
{
	on_return(result, DIRECTION_TRANSMIT);
	return 0;
}

SEC("kretprobe/inet6_sendmsg")
int BPF_KRETPROBE(sw_kretprobe_send6, int result)
{
	on_return(result, DIRECTION_TRANSMIT);
	return 0;
}

SEC("kretprobe/inet_sendpage")
int BPF_KRETPROBE(sw_kretprobe_page, int result)
{
	on_return(result, DIRECTION_TRANSMIT);
	return 0;
}

SEC("kretprobe/inet_recvmsg")
int BPF_KRETPROBE(sw_kretprobe_recv4, int result)
{
	on_return(result, DIRECTION_RECEIVE);
	return 0;
}

SEC("kretprobe/inet6_recvmsg")
int BPF_KRETPROBE(sw_kretprobe_recv6, int result)
{
	on_return(result, DIRECTION_RECEIVE);
	return 0;
}

SEC("kprobe/tcp_set_state")
int BPF_KPROBE(sw_kprobe_state, struct sock *sk, int state)
{
	on_state(sk, FIELD(sk, __sk_common.skc_state), state);
	return 0;
}

SEC("kprobe/inet_hash")
int BPF_KPROBE(sw_kprobe_listen4, struct sock *sk)
{
	on_hashed(sk);
	return 0;
}

SEC("kprobe/inet6_hash")
int BPF_KPROBE(sw_kprobe_listen6, struct sock *sk)
{
	on_hashed(sk);
	return 0;
}

SEC("kprobe/__inet_stream_connect")
int BPF_KPROBE(sw_kprobe_stream, struct socket *socket, void *address)
{
	on_stream_connect(socket, address);
	return 0;
}

SEC("kprobe/inet_dgram_connect")
int BPF_KPROBE(sw_kprobe_dgram, struct socket *socket, void *address)
{
	on_dgram_connect(socket, address);
	return 0;
}

SEC("kretprobe/inet_csk_accept")
int BPF_KRETPROBE(sw_kretprobe_accept, struct sock *sk)
{
	if (sk && FIELD(sk, sk_protocol) == IPPROTO_TCP)
		on_accepted(sk);
	return 0;
}

SEC("kprobe/inet_release")
int BPF_KPROBE(sw_kprobe_release, struct socket *socket)
{
	on_socket_release(socket);
	return 0;
}

SEC("kprobe/tcp_v4_destroy_sock")
int BPF_KPROBE(sw_kprobe_destroy, struct sock *sk)
{
	on_tcp_destroy(sk);
	return 0;
}

/*
 * Sockets that were there before, on kernels without iterators: the agent has the kernel print the descriptor of every socket
 * of every process (/proc/PID/fdinfo/N), which leads to both.
 */

/* The agent sets it before the second pass. */
volatile __u8 adopting_connections = 0;

static __always_inline struct task_struct *task_of_descriptor(struct seq_file *output)
{
	void *inode = BPF_CORE_READ(output, private);
	struct proc_inode *process = inode - bpf_core_field_offset(struct proc_inode, vfs_inode);
	void *link = BPF_CORE_READ(process, pid, tasks[0].first);

	return link ? link - bpf_core_field_offset(struct task_struct, pid_links) : 0;
}

SEC("kprobe/sock_show_fdinfo")
int BPF_KPROBE(sw_adopt_descriptor, struct seq_file *output, struct file *file)
{
	struct sock *sk = inet_socket_of(BPF_CORE_READ(file, private_data));
	struct task_struct *task = task_of_descriptor(output);

	if (!sk || !task)
		return 0;
	if (adopting_connections)
		adopt_connection(task, sk);
	else
		adopt_listener(task, sk);
	return 0;
}

#endif
