/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * DNS questions and answers of UDP sockets that speak to port 53, copied for the agent while the call that sent or received them
 * is still running. No hook of its own and no look at anybody else's traffic: the call's length is being counted anyway, its peer
 * is known, and the message is where the system call's arguments say, in the caller's memory. That has been read from or written to
 * this instant, so it is there.
 */
#ifndef SOCKWATCH_DNS_H
#define SOCKWATCH_DNS_H

#include "sockets.h"

#define DNS_PORT 53
#define DNS_HEADER_LENGTH 12
#define DNS_SHORT 256
#define DNS_MEDIUM 512
#define MOST_OF_BATCH 2		/* messages of one sendmmsg or recvmmsg: a resolver sends its two questions so */

#ifdef __TARGET_ARCH_arm64
#define NR_READ 63
#define NR_WRITE 64
#define NR_READV 65
#define NR_WRITEV 66
#define NR_SENDTO 206
#define NR_RECVFROM 207
#define NR_SENDMSG 211
#define NR_RECVMSG 212
#define NR_RECVMMSG 243
#define NR_SENDMMSG 269
#else
#define NR_READ 0
#define NR_WRITE 1
#define NR_READV 19
#define NR_WRITEV 20
#define NR_SENDTO 44
#define NR_RECVFROM 45
#define NR_SENDMSG 46
#define NR_RECVMSG 47
#define NR_RECVMMSG 299
#define NR_SENDMMSG 307
#endif

#define KERNEL_STACK_SIZE 16384	/* of kernels that cannot be asked where the registers are; both architectures with 4k pages */

const volatile __u8 dns_names = 0;

struct call_arguments {
	__u64 number;
	__u64 second;
	__u64 third;
};

/* As the application lays them out, on 64 bits. */
struct user_iovec {
	__u64 base;
	__u64 length;
};

struct user_mmsghdr {
	__u64 name;
	__u64 name_length;
	__u64 iov;
	__u64 iov_count;
	__u64 control;
	__u64 control_length;
	__u64 flags;
	__u64 length;
};

static __always_inline void *user_registers(void)
{
	struct task_struct *task;

	if (!untyped_task && bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	task = (void *)bpf_get_current_task();
	return BPF_CORE_READ(task, stack) + KERNEL_STACK_SIZE - bpf_core_type_size(struct pt_regs);
}

static __always_inline void read_arguments(struct call_arguments *call)
{
#ifdef __TARGET_ARCH_arm64
	struct pt_regs___user_arm64 *registers = user_registers();

	call->number = (__u32)BPF_CORE_READ(registers, syscallno);
	call->second = BPF_CORE_READ(registers, regs[1]);
	call->third = BPF_CORE_READ(registers, regs[2]);
#else
	struct pt_regs___x86 *registers = user_registers();

	call->number = BPF_CORE_READ(registers, orig_ax);
	call->second = BPF_CORE_READ(registers, si);
	call->third = BPF_CORE_READ(registers, dx);
#endif
}

/* The first piece of a message is all of it, in every resolver there is. */
static __always_inline int first_piece(struct user_iovec *piece, __u64 iov)
{
	return !bpf_probe_read_user(piece, sizeof(*piece), (void *)iov);
}

/* Where the message is, and how long at most. The index is of messages in a batch; 0 otherwise. */
static __always_inline int find_message(struct user_iovec *piece, const struct call_arguments *call, __u32 index)
{
	struct user_mmsghdr header;

	switch (call->number) {
	case NR_READ:
	case NR_WRITE:
	case NR_SENDTO:
	case NR_RECVFROM:
		piece->base = call->second;
		piece->length = call->third;
		return 1;
	case NR_READV:
	case NR_WRITEV:
		return first_piece(piece, call->second);
	case NR_SENDMSG:
	case NR_RECVMSG:
	case NR_SENDMMSG:
	case NR_RECVMMSG:
		if (bpf_probe_read_user(&header, __builtin_offsetof(struct user_mmsghdr, control),
					(void *)(call->second + index * sizeof(header))))
			return 0;
		return first_piece(piece, header.iov);
	default: /* io_uring, or a program of 32 bits */
		return 0;
	}
}

static __always_inline int is_batch(const struct call_arguments *call)
{
	return (call->number == NR_SENDMMSG || call->number == NR_RECVMMSG) && call->third > 1;
}

/* A plain query that is sent, or a response that is received; one question in either. */
static __always_inline int is_wanted(const __u8 *header, int direction)
{
	int is_response = header[2] & 0x80;

	return (header[2] & 0x78) == 0 && header[4] == 0 && header[5] == 1 &&
	       (direction == DIRECTION_TRANSMIT ? !is_response : is_response);
}

static __always_inline void fill_dns_message(struct dns_message *message, const struct socket_state *state,
					     const struct udp_peer *peer, int direction, __u32 length, __u32 captured)
{
	message->at_ns = bpf_ktime_get_boot_ns();
	message->socket_cookie = state->cookie;
	message->cgroup_id = state->edge.cgroup_id;
	__builtin_memcpy(message->server_address, peer->address, 16);
	message->server_port = peer->port;
	message->length = length;
	message->captured = captured;
	message->direction = direction;
	message->padding = 0;
}

/* Each reservation has a size that is known beforehand, so there are three. */
#define CARRY(SIZE)                                                                                                       \
	do {                                                                                                              \
		struct dns_message *message =                                                                             \
			bpf_ringbuf_reserve(&dns_messages, __builtin_offsetof(struct dns_message, text) + (SIZE), 0);    \
		__u32 captured = length;                                                                                  \
                                                                                                                          \
		if (!message) {                                                                                           \
			count_loss(LOST_DNS_FULL);                                                                        \
			return 0;                                                                                         \
		}                                                                                                         \
		barrier_var(captured); /* or the compiler drops the bound that the verifier needs */                     \
		if (captured > (SIZE))                                                                                    \
			captured = (SIZE);                                                                                \
		fill_dns_message(message, state, peer, direction, length, captured);                                      \
		if (bpf_probe_read_user(message->text, captured, (void *)piece->base)) {                                  \
			count_loss(LOST_DNS_UNREADABLE);                                                                  \
			bpf_ringbuf_discard(message, BPF_RB_NO_WAKEUP);                                                   \
			return 0;                                                                                         \
		}                                                                                                         \
		bpf_ringbuf_submit(message, BPF_RB_NO_WAKEUP);                                                            \
	} while (0)

struct dns_call {
	struct user_iovec piece;
	int direction;
};

static __noinline int carry_dns_message(const struct socket_state *state, const struct udp_peer *peer,
					const struct dns_call *call)
{
	const struct user_iovec *piece = &call->piece;
	int direction = call->direction;
	__u8 header[DNS_HEADER_LENGTH];
	__u32 length = piece->length;

	if (piece->length < DNS_HEADER_LENGTH || piece->length > 0xffff)
		return 0;
	if (bpf_probe_read_user(header, sizeof(header), (void *)piece->base)) {
		count_loss(LOST_DNS_UNREADABLE);
		return 0;
	}
	if (!is_wanted(header, direction))
		return 0;
	if (length <= DNS_SHORT)
		CARRY(DNS_SHORT);
	else if (length <= DNS_MEDIUM)
		CARRY(DNS_MEDIUM);
	else
		CARRY(DNS_LONGEST);
	return 0;
}

static __noinline int note_dns(const struct socket_state *state, const struct udp_peer *peer, int direction, int result)
{
	struct dns_call call = { .direction = direction };
	struct call_arguments arguments = {};

	if (state->flush_always) /* a kernel socket: nobody's system call */
		return 0;
	read_arguments(&arguments);
	for (__u32 index = 0; index < MOST_OF_BATCH; index++) {
		if (!find_message(&call.piece, &arguments, index)) {
			count_loss(LOST_DNS_UNREADABLE);
			return 0;
		}
		if (!is_batch(&arguments)) {
			if ((__u32)result < call.piece.length)
				call.piece.length = result;
			carry_dns_message(state, peer, &call);
			return 0;
		}
		/* Which of the batch this is cannot be told: the agent knows what it has had. */
		if (call.piece.length > DNS_LONGEST)
			call.piece.length = DNS_LONGEST;
		carry_dns_message(state, peer, &call);
	}
	return 0;
}

#endif
