/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Sockets that were there before the hooks, seen through the descriptors of those who have them open: who listens first, then
 * who is connected, as the role of a connection follows from whether somebody listens on its port. A socket that the hooks
 * know already is left as it is.
 */
#ifndef SOCKWATCH_ADOPTION_H
#define SOCKWATCH_ADOPTION_H

#include "calls.h"

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define SOCKFS_MAGIC 0x534f434b

/*
 * Of a file, where no helper tells (before 5.11). A socket's name in another file system is no socket, and what was opened by
 * O_PATH has none.
 */
static __always_inline struct socket *untyped_socket_of(struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);

	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFSOCK || BPF_CORE_READ(inode, i_sb, s_magic) != SOCKFS_MAGIC)
		return 0;
	return BPF_CORE_READ(file, private_data);
}

static __always_inline struct sock *inet_socket_of(struct socket *socket)
{
	struct sock *sk;

	if (!socket)
		return 0;
	sk = FIELD(socket, sk);
	if (!sk || !is_inet(sk) || (FIELD(sk, sk_protocol) != IPPROTO_TCP && FIELD(sk, sk_protocol) != IPPROTO_UDP))
		return 0;
	return sk;
}

static __always_inline void adopt_listener(struct task_struct *task, struct sock *sk)
{
	struct socket_state *state;
	struct owner owner = {};

	if (FIELD(sk, __sk_common.skc_state) != TCP_LISTEN || known_state(sk))
		return;
	state = state_or_new(sk);
	if (!state)
		return;
	identify(task, &owner);
	begin_listening(sk, state, &owner);
	state->attribution = ATTRIBUTION_ADOPTED;
}

static __always_inline void adopt_connection(struct task_struct *task, struct sock *sk)
{
	struct socket_state *state;
	struct owner owner = {};

	if (FIELD(sk, sk_protocol) == IPPROTO_UDP) {
		state = known_state(sk) ? 0 : state_or_new(sk);
		if (!state)
			return;
		identify(task, &owner);
		adopt_udp(sk, state, &owner, bpf_ktime_get_boot_ns());
		return;
	}
	if (!has_connection(sk))
		return;
	state = known_state(sk);
	if (state && !is_unclaimed(sk, state))
		return;
	if (state)
		claim(sk, state);
	else
		state = state_or_new(sk);
	if (!state)
		return;
	identify(task, &owner);
	set_owner(state, &owner, ATTRIBUTION_ADOPTED);
	adopt(sk, state, bpf_ktime_get_boot_ns());
}

#endif
