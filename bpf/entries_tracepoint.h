/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Tracepoints: they tell lengths and states. */
#ifndef SOCKWATCH_ENTRIES_TRACEPOINT_H
#define SOCKWATCH_ENTRIES_TRACEPOINT_H

#include "calls.h"

/* send, recv: for every family, with the result of the call. */

SEC("tp_btf/sock_send_length")
int BPF_PROG(sw_send, struct sock *sk, int result, int flags)
{
	on_sent(sk, result, 0);
	return 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(sw_recv, struct sock *sk, int result, int flags)
{
	on_received(sk, result, flags, 0);
	return 0;
}

/*
 * Programs of the other kind, by number and not by typed pointer. For kernels without type information; and for those whose
 * tracepoints leave preemption on (7.0): there a program of the kind above that is preempted keeps every other task on its CPU
 * from being counted, for as long as it waits. This kind runs with preemption off. Needs states in a hash.
 */

SEC("tp/sock/sock_send_length")
int sw_send_steady(struct trace_event_raw_sock_msg_length *event)
{
	on_sent(event->sk, event->ret, 0);
	return 0;
}

SEC("tp/sock/sock_recv_length")
int sw_recv_steady(struct trace_event_raw_sock_msg_length *event)
{
	on_received(event->sk, event->ret, event->flags, 0);
	return 0;
}

SEC("tp/sock/inet_sock_set_state")
int sw_state_steady(struct trace_event_raw_inet_sock_set_state *event)
{
	on_state((void *)event->skaddr, event->oldstate, event->newstate);
	return 0;
}

SEC("tp/tcp/tcp_destroy_sock")
int sw_destroy_steady(struct trace_event_raw_tcp_event_sk *event)
{
	on_tcp_destroy((void *)event->skaddr);
	return 0;
}

SEC("tp/tcp/tcp_send_reset")
int sw_reset_sent_steady(void *event)
{
	struct sock *sk = 0;

	/* An event of its own since 6.10. */
	if (bpf_core_type_exists(struct trace_event_raw_tcp_send_reset))
		bpf_probe_read_kernel(&sk, sizeof(sk), event + bpf_core_field_offset(struct trace_event_raw_tcp_send_reset, skaddr));
	else
		bpf_probe_read_kernel(&sk, sizeof(sk), event + bpf_core_field_offset(struct trace_event_raw_tcp_event_sk_skb, skaddr));
	if (sk) /* a reset for a connection that nobody has */
		on_reset(sk, DIRECTION_TRANSMIT, 0);
	return 0;
}

SEC("tp/tcp/tcp_receive_reset")
int sw_reset_received_steady(struct trace_event_raw_tcp_event_sk *event)
{
	on_reset((void *)event->skaddr, DIRECTION_RECEIVE, 0);
	return 0;
}

SEC("tp/sched/sched_process_exec")
int sw_exec_steady(void *event)
{
	forget_process(bpf_get_current_pid_tgid() >> 32);
	return 0;
}

SEC("tp/sched/sched_process_exit")
int sw_exit_steady(void *event)
{
	__u64 task = bpf_get_current_pid_tgid();

	if ((__u32)task == task >> 32) {
		forget_process(task);
		forget_use(task);
	}
	return 0;
}

/* connect, accept, and how they end */

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(sw_state, struct sock *sk, int old_state, int new_state)
{
	on_state(sk, old_state, new_state);
	return 0;
}

/*
 * The kernel does not run a program on a CPU where it is running already; nor a kprobe's where any kprobe's is, or where a task is in
 * bpf(2). So a change in an interrupt, or in a task that took over, may pass the program above, or the kprobe that stands for
 * it. This deputy then does the work; it is the same socket's next change, so nobody else does at the same time.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(sw_state_deputy, struct sock *sk, int old_state, int new_state)
{
	struct socket_state *state;

	if (FIELD(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	state = known_state(sk);
	if (state && state->seen_state == new_state)
		return 0;
	on_state(sk, old_state, new_state);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(sw_destroy, struct sock *sk)
{
	on_tcp_destroy(sk);
	return 0;
}

/* Where the program above was kept from it, the state is still there. */
SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(sw_destroy_deputy, struct sock *sk)
{
	if (state_in_hash && known_state(sk)) {
		count_turned_away(TURNED_AWAY_RESCUED);
		on_tcp_destroy(sk);
	}
	return 0;
}

SEC("tp_btf/tcp_send_reset")
int BPF_PROG(sw_reset_sent, struct sock *sk)
{
	if (sk) /* a reset for a connection that nobody has */
		on_reset(sk, DIRECTION_TRANSMIT, 0);
	return 0;
}

SEC("tp_btf/tcp_send_reset")
int BPF_PROG(sw_reset_sent_deputy, struct sock *sk)
{
	if (sk)
		on_reset(sk, DIRECTION_TRANSMIT, 1);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(sw_reset_received, struct sock *sk)
{
	on_reset(sk, DIRECTION_RECEIVE, 0);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(sw_reset_received_deputy, struct sock *sk)
{
	on_reset(sk, DIRECTION_RECEIVE, 1);
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
	if (task->pid == task->tgid) {
		forget_process(task->tgid);
		forget_use(task->tgid);
	}
	return 0;
}

#endif
