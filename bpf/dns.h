/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * DNS questions and answers of sockets that speak to port 53, copied for the agent while the call that sent or received them
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
#define DNS_STEPS 32		/* of a call on a stream: the length's two bytes, a message and a piece of memory are one each */
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

/* What of a message the call at hand has, and where. */
struct dns_call {
	struct user_iovec piece;
	int direction;
	int transport;
	__u16 total;			/* the message's length where the piece is not all of it */
	__u16 offset;			/* of the piece in the message */
};

static __always_inline void fill_dns_message(struct dns_message *message, const struct socket_state *state,
					     const struct udp_peer *peer, const struct dns_call *call, __u32 captured)
{
	message->at_ns = bpf_ktime_get_boot_ns();
	message->socket_cookie = state->cookie;
	message->cgroup_id = state->edge.cgroup_id;
	__builtin_memcpy(message->server_address, peer->address, 16);
	message->server_port = peer->port;
	message->length = call->total ? call->total : (__u16)call->piece.length;
	message->captured = captured;
	message->direction = call->direction;
	message->transport = call->transport;
	message->offset = call->offset;
	__builtin_memset(message->padding, 0, sizeof(message->padding));
}

/* Each reservation has a size that is known beforehand, so there are three. */
#define CARRY(SIZE)                                                                                                       \
	do {                                                                                                              \
		struct dns_message *message =                                                                             \
			bpf_ringbuf_reserve(&dns_messages, __builtin_offsetof(struct dns_message, text) + (SIZE), 0);     \
		__u32 captured = length;                                                                                  \
                                                                                                                          \
		if (!message) {                                                                                           \
			count_loss(LOST_DNS_FULL);                                                                        \
			return DNS_CARRIED;                                                                               \
		}                                                                                                         \
		barrier_var(captured); /* or the compiler drops the bound that the verifier needs */                     \
		if (captured > (SIZE))                                                                                    \
			captured = (SIZE);                                                                                \
		fill_dns_message(message, state, peer, call, captured);                                                   \
		if (bpf_probe_read_user(message->text, captured, (void *)piece->base)) {                                  \
			bpf_ringbuf_discard(message, BPF_RB_NO_WAKEUP);                                                   \
			return DNS_UNREADABLE;                                                                            \
		}                                                                                                         \
		bpf_ringbuf_submit(message, BPF_RB_NO_WAKEUP);                                                            \
	} while (0)

#define DNS_CARRIED 0		/* or counted as lost */
#define DNS_UNWANTED 1
#define DNS_UNREADABLE 2

static __noinline int carry_dns_message(const struct socket_state *state, const struct udp_peer *peer,
					const struct dns_call *call)
{
	const struct user_iovec *piece = &call->piece;
	__u8 header[DNS_HEADER_LENGTH];
	__u32 length = piece->length;

	if (piece->length > 0xffff || (!call->offset && call->transport != IPPROTO_TCP && piece->length < DNS_HEADER_LENGTH))
		return DNS_UNWANTED;
	/* The agent looks at a header that comes in parts. */
	if (!call->offset && length >= DNS_HEADER_LENGTH) {
		if (bpf_probe_read_user(header, sizeof(header), (void *)piece->base))
			return DNS_UNREADABLE;
		if (!is_wanted(header, call->direction))
			return DNS_UNWANTED;
	}
	if (length <= DNS_SHORT)
		CARRY(DNS_SHORT);
	else if (length <= DNS_MEDIUM)
		CARRY(DNS_MEDIUM);
	else
		CARRY(DNS_LONGEST);
	return DNS_CARRIED;
}

/*
 * What is read into memory has no past: the verifier then sees one way on from here, not one for each way that led here, which by
 * the end of a loop are too many.
 */
#define FORGET_HISTORY(memory)                                             \
	do {                                                               \
		typeof(*(memory)) same = *(memory);                        \
		bpf_probe_read_kernel(memory, sizeof(*(memory)), &same);   \
	} while (0)

static __noinline int note_dns(const struct socket_state *state, const struct udp_peer *peer, int direction, int result)
{
	struct dns_call call = { .direction = direction, .transport = IPPROTO_UDP };
	struct call_arguments arguments = {};
	int was_readable = 0;

	if (state->flush_always) /* a kernel socket: nobody's system call */
		return 0;
	read_arguments(&arguments);
	for (__u32 index = 0; index < MOST_OF_BATCH; index++) {
		if (!find_message(&call.piece, &arguments, index))
			break;
		if (!is_batch(&arguments)) {
			if ((__u32)result < call.piece.length)
				call.piece.length = result;
			was_readable = carry_dns_message(state, peer, &call) != DNS_UNREADABLE;
			break;
		}
		/* Which of the batch this is cannot be told: the agent knows what it has had. One whose turn is yet to come may not be there. */
		if (call.piece.length > DNS_LONGEST)
			call.piece.length = DNS_LONGEST;
		call.total = call.piece.length;
		FORGET_HISTORY(&call.piece);
		if (carry_dns_message(state, peer, &call) != DNS_UNREADABLE) {
			was_readable = 1;
		} else if ((__u32)result < call.piece.length) { /* the buffer is longer than its message, with who knows what behind */
			call.piece.length = result;
			FORGET_HISTORY(&call.piece);
			was_readable |= carry_dns_message(state, peer, &call) != DNS_UNREADABLE;
		}
	}
	if (!was_readable)
		count_loss(LOST_DNS_UNREADABLE);
	return 0;
}

/* A connection to port 53 begins: from its first byte on it can be told where messages begin. */
static __always_inline void begin_dns_streams(struct socket_state *state)
{
	state->speaks_dns = dns_names && state->remote_port == DNS_PORT && !state->flush_always;
	if (state->speaks_dns)
		__builtin_memset(state->dns_streams, 0, sizeof(state->dns_streams));
}

/* The memory of a call on a stream: the piece at hand, and where the next is. */
struct dns_memory {
	struct user_iovec piece;
	__u64 iov;
	__u64 pieces;
	__u64 unread;			/* of the bytes that the call sent or received */
};

static __always_inline int find_memory(struct dns_memory *memory, const struct call_arguments *call)
{
	struct user_mmsghdr header;

	switch (call->number) {
	case NR_READ:
	case NR_WRITE:
	case NR_SENDTO:
	case NR_RECVFROM:
		memory->piece.base = call->second;
		memory->piece.length = call->third;
		return 1;
	case NR_READV:
	case NR_WRITEV:
		memory->iov = call->second;
		memory->pieces = call->third;
		return 1;
	case NR_SENDMMSG:
	case NR_RECVMMSG:
		if (is_batch(call)) /* which of it this is cannot be told */
			return 0;
		/* fallthrough */
	case NR_SENDMSG:
	case NR_RECVMSG:
		if (bpf_probe_read_user(&header, __builtin_offsetof(struct user_mmsghdr, control), (void *)call->second))
			return 0;
		memory->iov = header.iov;
		memory->pieces = header.iov_count;
		return 1;
	default: /* io_uring, sendfile and splice, or a program of 32 bits */
		return 0;
	}
}

/* False: the memory has less than the call moved, or cannot be read. */
static __always_inline int next_dns_piece(struct dns_memory *memory)
{
	if (!memory->pieces || !first_piece(&memory->piece, memory->iov))
		return 0;
	memory->pieces--;
	memory->iov += sizeof(struct user_iovec);
	return 1;
}

static __always_inline void take_bytes(struct dns_memory *memory, __u64 bytes)
{
	memory->piece.base += bytes;
	memory->piece.length -= bytes;
	memory->unread -= bytes;
}

/* One byte of a length, or what there is of a message. */
static __noinline int take_of_stream(struct socket_state *state, const struct udp_peer *peer, struct dns_memory *memory, int direction)
{
	struct dns_stream *stream = direction == DIRECTION_TRANSMIT ? &state->dns_streams[DIRECTION_TRANSMIT] :
				    &state->dns_streams[DIRECTION_RECEIVE];
	struct dns_call call = { .direction = direction, .transport = IPPROTO_TCP };
	int carried;
	__u64 taken;
	__u8 byte = 0;

	if (stream->length_bytes < 2) {
		if (bpf_probe_read_user(&byte, sizeof(byte), (void *)memory->piece.base))
			return 0;
		stream->length = stream->length_bytes ? stream->length << 8 | byte : byte;
		stream->length_bytes++;
		stream->offset = 0;
		stream->unwanted = 0;
		if (stream->length_bytes == 2 && !stream->length)
			stream->length_bytes = 0;
		take_bytes(memory, 1);
		return 1;
	}
	taken = (__u16)(stream->length - stream->offset);
	if (taken > memory->piece.length)
		taken = memory->piece.length;
	if (taken > memory->unread)
		taken = memory->unread;
	if (!stream->unwanted && stream->offset < DNS_LONGEST) {
		call.piece.base = memory->piece.base;
		call.piece.length = taken;
		if (taken > (__u64)(DNS_LONGEST - stream->offset))
			call.piece.length = DNS_LONGEST - stream->offset;
		call.total = stream->length;
		call.offset = stream->offset;
		FORGET_HISTORY(&call.piece);
		carried = carry_dns_message(state, peer, &call);
		if (carried == DNS_UNREADABLE)
			count_loss(LOST_DNS_UNREADABLE);
		stream->unwanted = carried != DNS_CARRIED;
	}
	stream->offset += taken;
	if (stream->offset >= stream->length)
		stream->length_bytes = 0;
	take_bytes(memory, taken);
	return 1;
}

static __noinline int note_dns_stream(struct socket_state *state, int direction, int result)
{
	struct call_arguments arguments = {};
	struct dns_memory memory = {};
	struct udp_peer peer = { .port = DNS_PORT };

	__builtin_memcpy(peer.address, state->edge.peer_address, 16);
	memory.unread = (__u32)result;
	read_arguments(&arguments);
	if (find_memory(&memory, &arguments)) {
		for (int step = 0; step < DNS_STEPS; step++) {
			if (!memory.unread)
				return 0;
			if (memory.piece.length) {
				if (!take_of_stream(state, &peer, &memory, direction))
					break;
			} else if (!next_dns_piece(&memory)) {
				break;
			}
			FORGET_HISTORY(&memory);
		}
		if (!memory.unread)
			return 0;
	}
	/* Where the next message begins is not known any more. */
	state->speaks_dns = 0;
	count_loss(LOST_DNS_UNREADABLE);
	return 0;
}

#endif
