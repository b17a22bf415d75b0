// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/* Programs that do nothing, on the hooks that Sockwatch uses: what remains of a cost when all of ours is gone. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define EMPTY(section, name, result) \
	SEC(section) \
	int name(void *ctx) \
	{ \
		return result; \
	}

EMPTY("tp_btf/sock_send_length", empty_send, 0)
EMPTY("tp_btf/sock_recv_length", empty_recv, 0)
EMPTY("tp_btf/inet_sock_set_state", empty_state, 0)
EMPTY("tp_btf/tcp_destroy_sock", empty_destroy, 0)
EMPTY("tp_btf/tcp_send_reset", empty_reset_sent, 0)
EMPTY("tp_btf/tcp_receive_reset", empty_reset_received, 0)
EMPTY("cgroup/connect4", empty_connect4, 1)
EMPTY("cgroup/connect6", empty_connect6, 1)
EMPTY("cgroup/sendmsg4", empty_sendmsg4, 1)
EMPTY("cgroup/sendmsg6", empty_sendmsg6, 1)
EMPTY("cgroup/recvmsg4", empty_recvmsg4, 1)
EMPTY("cgroup/recvmsg6", empty_recvmsg6, 1)
EMPTY("cgroup/sock_release", empty_release, 1)
