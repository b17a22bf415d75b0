/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Counts at a tracepoint and at a cgroup hook, and visits every task. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 exits = 0;
__u64 sockets = 0;
__u64 tasks = 0;

SEC("tp_btf/sched_process_exit")
int on_exit(__u64 *ctx)
{
	__sync_fetch_and_add(&exits, 1);
	return 0;
}

SEC("cgroup/sock_create")
int on_socket(struct bpf_sock *ctx)
{
	__sync_fetch_and_add(&sockets, 1);
	return 1;
}

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

SEC("iter/task")
int on_task(struct bpf_iter__task *ctx)
{
	if (ctx->task)
		__sync_fetch_and_add(&tasks, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
