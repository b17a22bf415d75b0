/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * What applications send and receive, up to a limit a socket and direction. Nothing here is loaded unless the agent was told to
 * capture or to recognise protocols.
 *
 * A call is noted where the kernel begins to take its bytes, with the socket locked, and read where the kernel has taken them:
 * by then it is known how many there were, and the pages they are in are there. How far the stream had come, the kernel's own
 * sequence numbers say, so that a record's place in it is exact however calls fail, are cut short or take turns.
 */
#ifndef SOCKWATCH_PAYLOAD_H
#define SOCKWATCH_PAYLOAD_H

#include "calls.h"

#define PAYLOAD_STEPS 1300	/* of one call: the 1024 pieces of memory that it may name, and a record for each 4 KiB of a limit */
#define PAGE_SHIFT_4K 12

/* How far into a stream, by who sends it. 0 for nothing. */
const volatile __u32 payload_of_client = 0;
const volatile __u32 payload_of_server = 0;
const volatile __u32 payload_received = 0;

/* The same of sockets that are on no list: what recognising a protocol takes. */
const volatile __u32 payload_unlisted = 0;
const volatile __u8 have_payload_ports = 0;

/* Where the kernel keeps them; 0 where it does not say. Data in pages cannot be found then. */
const volatile __u64 vmemmap_base_at = 0;
const volatile __u64 page_offset_base_at = 0;

/* Records may take no more than half of the ring, so that payload never pushes out a flow's beginning or end. */
const volatile __u64 payload_ring_share = 4 * 1024 * 1024;

/* Who the agent found not to be on the list, so that their payload need not leave the kernel again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct payload_owner);
	__type(value, __u8);
} payload_strangers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536 / 64);
	__type(key, __u32);
	__type(value, __u64);
} payload_ports SEC(".maps");

/* Calls on their way, by thread. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct call_key);
	__type(value, struct payload_call);
} payload_calls SEC(".maps");

/* Room to gather a record in. More than one a CPU: a program may be preempted while it gathers. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PAYLOAD_BUILDERS);
	__type(key, __u32);
	__type(value, struct payload_builder);
} payload_builders SEC(".maps");

/* How many bytes of its stream the socket has sent. 64 bits wide, where the numbers on the wire go round. */
static __always_inline __u64 sent_offset(const struct sock *sk, int role)
{
	const struct tcp_sock *tcp = (const void *)sk;
	int state = BPF_CORE_READ(sk, __sk_common.skc_state);
	__u32 under_way;

	/* Not connected yet: what is sent goes with the SYN, or waits for the answer. */
	if (state == TCP_CLOSE || state == TCP_SYN_SENT)
		return 0;
	under_way = BPF_CORE_READ(tcp, write_seq) - BPF_CORE_READ(tcp, snd_una);
	/* Who connected has its SYN counted as well. */
	return BPF_CORE_READ(tcp, bytes_acked) + under_way - (role == ROLE_CLIENT);
}

static __always_inline __u32 payload_limit_of(int direction, int role)
{
	if (direction == DIRECTION_RECEIVE)
		return payload_received;
	return role == ROLE_CLIENT ? payload_of_client : payload_of_server;
}

static __always_inline int is_payload_port(__u16 port)
{
	__u32 word = port / 64;
	__u64 *bits = bpf_map_lookup_elem(&payload_ports, &word);

	return bits && (*bits >> (port % 64) & 1);
}

/* How far into its stream this socket is captured, of who uses it. */
static __always_inline __u32 payload_reach(struct socket_state *state, const struct owner *user, int direction)
{
	struct payload_owner owner = {
		.executable_id = without_process(user ? user->executable_id : state->edge.executable_id),
		.cgroup_id = user ? user->cgroup_id : state->edge.cgroup_id,
	};
	__u32 reach;

	/* One that was there before us: how far it had come is not known to be exact. */
	if (state->ignored || state->attribution == ATTRIBUTION_ADOPTED)
		return 0;
	reach = payload_limit_of(direction, state->edge.role);
	if ((have_payload_ports && !is_payload_port(state->edge.server_port)) ||
	    bpf_map_lookup_elem(&payload_strangers, &owner))
		reach = reach < payload_unlisted ? reach : payload_unlisted;
	return reach;
}

/* Where the iterator of a message stands. */
static __always_inline void note_position(struct payload_call *call, const struct msghdr *message)
{
	const struct iov_iter *iter = &message->msg_iter;
	const struct iov_iter___until_6_3 *until_6_3 = (const void *)iter;
	const struct iov_iter___until_5_13 *until_5_13 = (const void *)iter;
	__u32 type;

	type = bpf_core_field_exists(iter->iter_type) ? BPF_CORE_READ(iter, iter_type) :
						       BPF_CORE_READ(until_5_13, type) & ~1U;
	call->message = (__u64)message;
	call->skip = BPF_CORE_READ(iter, iov_offset);
	call->left = BPF_CORE_READ(iter, count);
	call->segments = BPF_CORE_READ(iter, nr_segs);
	call->kind = PAYLOAD_ELSEWHERE;
	if (bpf_core_enum_value_exists(enum iter_type, ITER_UBUF) &&
	    type == bpf_core_enum_value(enum iter_type, ITER_UBUF)) {
		call->kind = PAYLOAD_USER;
		call->data = (__u64)BPF_CORE_READ(iter, ubuf);
		return;
	}
	if (type == bpf_core_enum_value(enum iter_type, ITER_IOVEC))
		call->kind = PAYLOAD_USER_PIECES;
	else if (type == bpf_core_enum_value(enum iter_type, ITER_KVEC))
		call->kind = PAYLOAD_KERNEL_PIECES;
	else if (type == bpf_core_enum_value(enum iter_type, ITER_BVEC))
		call->kind = PAYLOAD_PAGES;
	/* One word for all of them. */
	call->data = bpf_core_field_exists(iter->__iov) ? (__u64)BPF_CORE_READ(iter, __iov) :
							 (__u64)BPF_CORE_READ(until_6_3, iov);
}

static __always_inline void fill_payload_header(struct payload_builder *builder, const struct socket_state *state,
						const struct owner *user, __u64 at_ns, int direction)
{
	struct flow_record *record = &builder->record.flow;

	fill_record(record, state, RECORD_PAYLOAD, direction == DIRECTION_TRANSMIT ? OPERATION_SEND : OPERATION_RECV, at_ns);
	if (!user)
		return;
	record->edge.executable_id = user->executable_id;
	record->edge.cgroup_id = user->cgroup_id;
	record->process_started_at_ns = user->process_started_at_ns;
	record->pid = user->pid;
	record->uid = user->uid;
	record->parent_pid = user->parent_pid;
}

/* Where a page's content is in the kernel's own view of all memory. 0 unknown. */
static __always_inline __u64 content_of(__u64 page)
{
	__u64 pages = 0, memory = 0;

	if (!vmemmap_base_at || !page_offset_base_at ||
	    bpf_probe_read_kernel(&pages, sizeof(pages), (const void *)vmemmap_base_at) ||
	    bpf_probe_read_kernel(&memory, sizeof(memory), (const void *)page_offset_base_at) || page < pages)
		return 0;
	return memory + ((page - pages) / bpf_core_type_size(struct page) << PAGE_SHIFT_4K);
}

/* Turns to the next piece of memory. False when there is none to be read. */
static __always_inline int next_piece(struct payload_builder *builder)
{
	struct payload_call *call = &builder->call;

	builder->in_kernel = call->kind >= PAYLOAD_KERNEL_PIECES;
	if (call->kind == PAYLOAD_USER) {
		builder->at = call->data + call->skip;
		builder->piece_left = builder->left;
		return 1;
	}
	if (call->kind == PAYLOAD_PAGES || call->kind == PAYLOAD_PAGE) {
		struct {
			__u64 page;
			__u32 length, offset;
		} vector = { .page = call->data, .length = builder->left, .offset = call->skip };
		__u64 content;

		if (call->kind == PAYLOAD_PAGES) {
			struct bio_vec *from = (void *)call->data;

			if (!call->segments)
				return 0;
			vector.page = (__u64)BPF_CORE_READ(from, bv_page);
			vector.length = BPF_CORE_READ(from, bv_len);
			vector.offset = BPF_CORE_READ(from, bv_offset);
			call->data += bpf_core_type_size(struct bio_vec);
			call->segments--;
		} else {
			/* Where in the page its bytes begin: not a part of them that is done with. */
			call->skip = 0;
		}
		content = content_of(vector.page);
		if (!content) {
			count_loss(LOST_PAYLOAD_PAGES);
			return 0;
		}
		builder->at = content + vector.offset + call->skip;
		builder->piece_left = vector.length > call->skip ? vector.length - call->skip : 0;
		call->skip = 0;
		return 1;
	}
	if (call->kind == PAYLOAD_USER_PIECES || call->kind == PAYLOAD_KERNEL_PIECES || call->kind == PAYLOAD_USER_ARRAY) {
		__u64 piece[2] = {};

		if (!call->segments)
			return 0;
		if (call->kind == PAYLOAD_USER_ARRAY ? bpf_probe_read_user(piece, sizeof(piece), (const void *)call->data) :
						       bpf_probe_read_kernel(piece, sizeof(piece), (const void *)call->data)) {
			count_loss(LOST_PAYLOAD_FAULT);
			return 0;
		}
		call->data += sizeof(piece);
		call->segments--;
		builder->at = piece[0] + call->skip;
		builder->piece_left = piece[1] > call->skip ? piece[1] - call->skip : 0;
		call->skip = 0;
		return 1;
	}
	count_loss(LOST_PAYLOAD_PAGES);
	return 0;
}

static __always_inline void send_gathered(struct payload_builder *builder)
{
	__u32 length = builder->record.length;

	if (!length || length > PAYLOAD_PIECE)
		return;
	builder->record.more = builder->left > 0;
	if (bpf_ringbuf_query(&flow_records, BPF_RB_AVAIL_DATA) > payload_ring_share ||
	    bpf_ringbuf_output(&flow_records, &builder->record, sizeof(builder->record) + length, BPF_RB_NO_WAKEUP))
		count_loss(LOST_PAYLOAD_RING);
	builder->record.sequence += length;
	builder->record.length = 0;
}

/*
 * Verifiers before 6.8 learn nothing of a number that is compared with another, only of one that is compared with a constant; and
 * that comparison the compiler would leave out, since it does learn. Hence the statement that it cannot look into.
 */
static __always_inline long read_piece(void *to, __u64 bytes, const struct payload_builder *builder)
{
	asm volatile("" : "+r"(bytes));
	if (bytes > PAYLOAD_PIECE)
		return -1;
	return builder->in_kernel ? bpf_probe_read_kernel(to, bytes, (const void *)builder->at) :
				    bpf_probe_read_user(to, bytes, (const void *)builder->at);
}

/*
 * One step of gathering: some bytes of one piece of memory into the record, and the record into the ring once it is full. True when
 * that was the last. Not static, so that the verifier looks at it once and not once a step.
 */
__noinline int gather_payload(__u32 slot)
{
	struct payload_builder *builder = bpf_map_lookup_elem(&payload_builders, &slot);
	__u32 length, room;
	__u64 wanted;
	long error;

	if (!builder)
		return 1;
	if (!builder->piece_left) {
		if (!next_piece(builder)) {
			builder->left = 0;
			send_gathered(builder);
			return 1;
		}
		/* An empty one. */
		if (!builder->piece_left)
			return 0;
	}
	length = builder->record.length & (PAYLOAD_PIECE - 1);
	room = PAYLOAD_PIECE - length;
	wanted = builder->piece_left < builder->left ? builder->piece_left : builder->left;
	if (wanted > room)
		wanted = room;
	error = read_piece(&builder->bytes[length], wanted, builder);
	builder->at += wanted;
	builder->piece_left -= wanted;
	builder->left -= wanted;
	if (!error)
		builder->record.length += wanted;
	else
		count_loss(LOST_PAYLOAD_FAULT);
	if (error || !builder->left || builder->record.length >= PAYLOAD_PIECE)
		send_gathered(builder);
	/* A hole in what is captured; what comes after it has its right place. */
	if (error)
		builder->record.sequence += wanted;
	return !builder->left;
}

/* What the kernel has taken of, or given to, a call: its first bytes, as far as they lie within the socket's reach. */
static __noinline int emit_payload(struct socket_state *state, const struct payload_call *call, __u64 bytes, int direction)
{
	struct payload_builder *builder = 0;
	struct owner other = {}, *user = 0;
	__u64 at_ns;
	__u32 reach, slot = 0;

	if (!bytes)
		return 0;
	/* A socket may belong to several processes: it is the one that uses it whose list and record it is. */
	if (state->pid != bpf_get_current_pid_tgid() >> 32) {
		identify_current(&other);
		user = &other;
	}
	reach = payload_reach(state, user, direction);
	if (call->offset >= reach)
		return 0;
	at_ns = bpf_ktime_get_boot_ns();
	/* Past its process's limit nothing is told of a flow; the totals are named by its protocol all the same. */
	if (!may_record(state, RECORD_PAYLOAD, at_ns)) {
		reach = reach < payload_unlisted ? reach : payload_unlisted;
		if (call->offset >= reach)
			return 0;
	}
	if (bytes > reach - call->offset)
		bytes = reach - call->offset;
	for (__u32 i = 0; i < PAYLOAD_BUILDERS; i++) {
		slot = i;
		builder = bpf_map_lookup_elem(&payload_builders, &slot);
		if (builder && (plain_atomics ? begin_alone(address_of(builder)) : !__sync_lock_test_and_set(&builder->busy, 1)))
			break;
		builder = 0;
	}
	if (!builder) {
		count_loss(LOST_PAYLOAD_CALLS);
		return 0;
	}
	fill_payload_header(builder, state, user, at_ns, direction);
	builder->record.sequence = call->offset;
	builder->record.length = 0;
	builder->record.direction = direction;
	builder->call = *call;
	builder->left = bytes;
	builder->piece_left = 0;
	for (__u32 i = 0; i < PAYLOAD_STEPS; i++)
		if (gather_payload(slot))
			break;
	if (plain_atomics)
		end_alone(address_of(builder));
	else
		__sync_lock_test_and_set(&builder->busy, 0);
	return 0;
}

/* Kernel TLS takes text and sends records of its own making: neither length fits the other. */
static __always_inline int has_upper_layer(const struct sock *sk)
{
	const struct inet_connection_sock *connection = (const void *)sk;

	return BPF_CORE_READ(connection, icsk_ulp_ops) != 0;
}

static __always_inline struct socket_state *capturable_state(struct sock *sk)
{
	struct socket_state *state = known_state(sk);

	if (state && (state->phase != PHASE_OPEN || state->owner_pending))
		on_first_use(sk, state);
	return state && state->phase == PHASE_OPEN ? state : 0;
}

/*
 * The kernel is about to take bytes of a message, the socket being locked. Seen once a call, or once for each part of it, as the
 * hook has it: between two parts the lock may have been another thread's.
 */
static __always_inline int on_send_begins(struct sock *sk, const struct msghdr *message)
{
	struct call_key key = { .thread = bpf_get_current_pid_tgid(), .direction = DIRECTION_TRANSMIT };
	struct socket_state *state = known_state(sk);
	struct payload_call *known = bpf_map_lookup_elem(&payload_calls, &key);
	struct payload_call call = {};
	int role = state ? state->edge.role : ROLE_UNKNOWN;
	__u32 limit = state ? payload_limit_of(DIRECTION_TRANSMIT, role) : 0;
	__u64 offset;

	/* The cheap answer for a socket that is long past its limit. */
	if (!known && (!limit || state->bytes_sent >= limit))
		return 0;
	offset = sent_offset(sk, role);
	if (known && known->socket == (__u64)sk && known->message == (__u64)message) {
		__u64 left = BPF_CORE_READ(message, msg_iter.count);
		__u64 taken = known->left - left;

		if (known->offset + taken == offset && offset < limit)
			return 0;
		call = *known;
		if (taken && taken <= known->left) {
			state = capturable_state(sk);
			if (state && !has_upper_layer(sk))
				emit_payload(state, &call, taken, DIRECTION_TRANSMIT);
			call.before += taken;
		}
	}
	if (offset >= limit) {
		if (known)
			bpf_map_delete_elem(&payload_calls, &key);
		return 0;
	}
	call.socket = (__u64)sk;
	call.offset = offset;
	note_position(&call, message);
	if (bpf_map_update_elem(&payload_calls, &key, &call, BPF_ANY))
		count_loss(LOST_PAYLOAD_CALLS);
	return 0;
}

/* The call is over: with this many bytes of it taken, or an error. */
static __always_inline int on_send_ends(struct sock *sk, int result)
{
	struct call_key key = { .thread = bpf_get_current_pid_tgid(), .direction = DIRECTION_TRANSMIT };
	struct payload_call *known = bpf_map_lookup_elem(&payload_calls, &key);
	struct payload_call call;
	struct socket_state *state;

	if (!known)
		return 0;
	call = *known;
	bpf_map_delete_elem(&payload_calls, &key);
	if (call.socket != (__u64)sk || result <= 0 || (__u32)result <= call.before || has_upper_layer(sk))
		return 0;
	state = capturable_state(sk);
	if (state)
		emit_payload(state, &call, (__u32)result - call.before, DIRECTION_TRANSMIT);
	return 0;
}

/* For hooks that are not told which socket it was. */
static __always_inline struct sock *socket_of_call(int direction)
{
	struct call_key key = { .thread = bpf_get_current_pid_tgid(), .direction = direction };
	struct payload_call *known = bpf_map_lookup_elem(&payload_calls, &key);

	return known ? (void *)known->socket : 0;
}

/* The call has waited for room: the lock is its own again, and was another thread's meanwhile. */
static __always_inline int on_send_goes_on(struct sock *sk)
{
	struct call_key key = { .thread = bpf_get_current_pid_tgid(), .direction = DIRECTION_TRANSMIT };
	struct payload_call *known = bpf_map_lookup_elem(&payload_calls, &key);

	if (!sk || !known || known->socket != (__u64)sk || !known->message)
		return 0;
	return on_send_begins(sk, (const void *)known->message);
}

/* sendfile and splice before 6.5. */
static __always_inline int on_page_begins(struct sock *sk, __u64 page, __u32 offset, __u64 size)
{
	struct call_key key = { .thread = bpf_get_current_pid_tgid(), .direction = DIRECTION_TRANSMIT };
	struct socket_state *state = known_state(sk);
	int role = state ? state->edge.role : ROLE_UNKNOWN;
	struct payload_call call = {
		.socket = (__u64)sk, .data = page, .skip = offset, .left = size, .kind = PAYLOAD_PAGE,
	};

	if (!state)
		return 0;
	call.offset = sent_offset(sk, role);
	if (call.offset >= payload_limit_of(DIRECTION_TRANSMIT, role))
		return 0;
	if (bpf_map_update_elem(&payload_calls, &key, &call, BPF_ANY))
		count_loss(LOST_PAYLOAD_CALLS);
	return 0;
}

/*
 * How many bytes of its stream the application has received. A FIN that came counts on both sides, until it is read with the last
 * bytes.
 *
 * The socket may be free, so that a segment arrives between two of these reads. How much has come and up to which number differ by
 * the same for as long as the connection lives: they are read until they do. Whether a FIN came is asked first, or the end of the
 * stream would be taken for read with one that came since.
 */
static __always_inline __u64 received_offset(const struct sock *sk)
{
	const struct tcp_sock *tcp = (const void *)sk;
	__u32 fin = (BPF_CORE_READ(sk, __sk_common.skc_flags) & SOCK_DONE_BIT) != 0;
	__u64 received = 0;
	__u32 next = 0, unread;

	for (int i = 0; i < 8; i++) {
		__u32 apart = (__u32)received - next;

		received = BPF_CORE_READ(tcp, bytes_received);
		next = BPF_CORE_READ(tcp, rcv_nxt);
		if (i && (__u32)received - next == apart)
			break;
	}
	unread = next - BPF_CORE_READ(tcp, copied_seq);
	return received - unread - (!unread && fin);
}

static __always_inline int on_receive_begins(struct socket *socket, const struct msghdr *message, int flags)
{
	struct call_key key = { .thread = bpf_get_current_pid_tgid(), .direction = DIRECTION_RECEIVE };
	struct sock *sk = FIELD(socket, sk);
	struct payload_call call = {};

	if (FIELD(sk, sk_protocol) != IPPROTO_TCP || flags & (MSG_PEEK | MSG_TRUNC | MSG_ERRQUEUE) ||
	    received_offset(sk) >= payload_received)
		return 0;
	call.socket = (__u64)sk;
	note_position(&call, message);
	if (bpf_map_update_elem(&payload_calls, &key, &call, BPF_ANY))
		count_loss(LOST_PAYLOAD_CALLS);
	return 0;
}

/*
 * The socket is free again by now: of two threads that receive from it at the same moment, one may be told the other's place in the
 * stream.
 */
static __always_inline int on_receive_ends(struct sock *sk, int result)
{
	struct call_key key = { .thread = bpf_get_current_pid_tgid(), .direction = DIRECTION_RECEIVE };
	struct payload_call *known = bpf_map_lookup_elem(&payload_calls, &key);
	struct socket_state *state;
	struct payload_call call;

	if (!known)
		return 0;
	call = *known;
	bpf_map_delete_elem(&payload_calls, &key);
	if (call.socket != (__u64)sk || result <= 0 || has_upper_layer(sk))
		return 0;
	call.offset = received_offset(sk) - (__u32)result;
	state = capturable_state(sk);
	if (state)
		emit_payload(state, &call, (__u32)result, DIRECTION_RECEIVE);
	return 0;
}

/*
 * For a hook that is told the length alone. What was received lies where the system call's arguments say, since this instant; not
 * so of io_uring, nor of programs of 32 bits.
 */
static __always_inline int find_received(struct payload_call *call)
{
	struct call_arguments arguments = {};
	struct user_mmsghdr header;

	read_arguments(&arguments);
	switch (arguments.number) {
	case NR_READ:
	case NR_RECVFROM:
		call->kind = PAYLOAD_USER;
		call->data = arguments.second;
		return 1;
	case NR_READV:
		call->kind = PAYLOAD_USER_ARRAY;
		call->data = arguments.second;
		call->segments = arguments.third;
		return 1;
	case NR_RECVMMSG:
		if (arguments.third > 1)
			return 0;
		/* as one message */
	case NR_RECVMSG:
		if (bpf_probe_read_user(&header, __builtin_offsetof(struct user_mmsghdr, control), (void *)arguments.second))
			return 0;
		call->kind = PAYLOAD_USER_ARRAY;
		call->data = header.iov;
		call->segments = header.iov_count;
		return 1;
	default:
		return 0;
	}
}

static __always_inline int on_received_length(struct sock *sk, int result, int flags)
{
	struct socket_state *state;
	struct payload_call call = {};

	if (result <= 0 || flags & (MSG_OOB | MSG_PEEK | MSG_TRUNC | MSG_ERRQUEUE) || FIELD(sk, sk_protocol) != IPPROTO_TCP ||
	    !is_inet(sk))
		return 0;
	state = known_state(sk);
	/* Long past the limit, this call being counted or not; or a kernel socket, and so nobody's system call. */
	if (!state || state->bytes_received >= (__u64)payload_received + (__u32)result || state->flush_always)
		return 0;
	call.offset = received_offset(sk) - (__u32)result;
	if (call.offset >= payload_received || has_upper_layer(sk))
		return 0;
	state = capturable_state(sk);
	if (!state)
		return 0;
	if (find_received(&call))
		emit_payload(state, &call, (__u32)result, DIRECTION_RECEIVE);
	else
		count_loss(LOST_PAYLOAD_FAULT);
	return 0;
}

#endif
