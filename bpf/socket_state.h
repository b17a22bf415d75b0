/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* The structs that stay in the kernel. */
#ifndef SOCKWATCH_SOCKET_STATE_H
#define SOCKWATCH_SOCKET_STATE_H

#include "socket_events.h"

/*
 * Bytes and operations since the last flush in one word, so that an operation costs one atomic addition and a flush
 * takes both with one exchange. The gate flushes long before either part could run over: 2^24 operations or 2^40 bytes
 * on one socket take longer than its second.
 */
#define PENDING_OPERATION (1ULL << 40)
#define PENDING_BYTES (PENDING_OPERATION - 1)

enum socket_phase {
	PHASE_NEW = 0,
	PHASE_LISTENING = 1,
	PHASE_CONNECTING = 2,		/* SYN sent */
	PHASE_PASSIVE = 3,		/* established by a client, not yet known to be accepted */
	PHASE_STARTING = 4,		/* UDP: one thread is filling in the first peer */
	PHASE_OPEN = 5,
	PHASE_CLOSED = 6,
};

/* The kernel does not run a program where it is running already; another then does its work, the deputy, if it can. */
enum turned_away {
	TURNED_AWAY_MISSED = 0,		/* a change of state that no program saw, told by the next one */
	TURNED_AWAY_RESCUED = 1,	/* an end that only the deputy saw */
	TURNED_AWAY_RESET = 2,		/* and so many resets of each direction */
	TURNED_AWAY = TURNED_AWAY_RESET + DIRECTIONS,
};

struct udp_peer {
	__u8 address[16];
	__u16 port;
	__u16 trace_epoch;		/* of a socket's last peer: when it was shown */
};

struct udp_peer_key {
	__u64 socket_cookie;
	__u32 thread;
	__u32 direction;
};

/* A datagram's peer, on its way from the cgroup hook to the length hook of the same call. */
struct udp_slot {
	__u32 thread;			/* who holds the slot; 0 nobody */
	struct udp_peer peer;
};

/* How far one direction of a TCP connection to port 53 has come: messages follow one another, each after two bytes of length. */
struct dns_stream {
	__u16 length;			/* of the message under way, or its first byte */
	__u16 offset;			/* in it */
	__u8 length_bytes;		/* of the length that are known: 0 to 2 */
	__u8 unwanted;
	__u8 padding[2];
};

struct listening_port {
	__u32 network_namespace;
	__u32 port;
};

struct listeners {
	__u64 socket;			/* the last one that began to listen */
	__u64 count;			/* SO_REUSEPORT */
};

struct call_key {
	__u32 thread;
	__u32 direction;
};

/* inet_sendmsg or inet_recvmsg on its way. */
struct call {
	__u64 socket;			/* struct sock * */
	__u64 message;			/* struct msghdr * */
	__u32 flags;
	__u32 padding;
};

/* Where the bytes of a call under way are. */
enum payload_place {
	PAYLOAD_ELSEWHERE = 0,		/* where they cannot be read */
	PAYLOAD_USER = 1,		/* one piece of user memory */
	PAYLOAD_USER_PIECES = 2,	/* the kernel's array of struct iovec */
	PAYLOAD_USER_ARRAY = 3,		/* the application's own */
	PAYLOAD_KERNEL_PIECES = 4,	/* an array of struct kvec */
	PAYLOAD_PAGES = 5,		/* an array of struct bio_vec */
	PAYLOAD_PAGE = 6,		/* one page */
};

struct payload_call {
	__u64 socket;			/* struct sock * */
	__u64 message;			/* struct msghdr * */
	__u64 offset;			/* in the stream, of the first byte */
	__u64 data;			/* where it is, or the array that says so */
	__u64 skip;			/* bytes at the beginning of data, or of the first piece */
	__u64 left;			/* bytes that the call still had when it was noted */
	__u64 segments;
	__u32 before;			/* bytes of the call that are recorded already */
	__u32 kind;			/* enum payload_place */
};

#define PAYLOAD_BUILDERS 4

/* The bytes have room for two records, so that any start within the first has room for a whole one. */
struct payload_builder {
	__u32 busy;
	__u32 in_kernel;
	struct payload_call call;
	__u64 at;			/* what is left of the piece of memory at hand */
	__u64 piece_left;
	__u64 left;
	struct payload_record record;
	__u8 bytes[2 * PAYLOAD_PIECE];
};

struct network_prefix {
	__u32 length;			/* bits of the 16-byte address */
	__u8 address[16];
};

/*
 * What is known of a socket. The first cache line is all that an operation touches between flushes. Counters are
 * changed by atomic operations only; the rest is written while the socket changes its phase, by one thread.
 */
struct socket_state {
	__u64 pending_sent;
	__u64 pending_received;
	__u64 flush_after;		/* jiffies */
	__u32 phase;			/* enum socket_phase */
	__u8 ignored;			/* a filter says so */
	__u8 owner_pending;		/* the owner is the listener's: correct it at the first operation */
	__u8 flush_always;		/* a kernel socket: no hook tells when it goes */
	__u8 many_peers;		/* UDP: has flows in udp_flows */
	__u64 socket;			/* struct sock *, for programs that are given a copy of some fields only */
	__u64 cookie;
	__u8 speaks_dns;		/* TCP: connected to port 53, and followed from its first byte on */
	__u8 reset_seen[DIRECTIONS];	/* by the program, and not yet by its deputy */
	__u8 padding_of_line[5];

	struct edge_key edge;
	__u64 bytes_sent;		/* flushed */
	__u64 bytes_received;
	__u64 sends;
	__u64 receives;
	__u64 reported_bytes_sent;	/* by the last record */
	__u64 reported_bytes_received;
	__u64 reported_sends;
	__u64 reported_receives;
	__u64 started_at_ns;
	__u64 attempt_at_ns;		/* of the connect under way; 0 none */
	__u64 connect_duration_ns;
	__u64 process_started_at_ns;
	__u32 pid;
	__u32 parent_pid;
	__u32 uid;
	__u32 retransmits;		/* tcp_sock.total_retrans at the last flush */
	__u32 drops;			/* sk_drops at the last flush */
	__u32 copied_from;		/* tcp_sock.copied_seq when the flow started */
	__u32 txhash;			/* sk_txhash before a UDP connect: a successful one changes it */
	__u16 local_port;
	__u16 remote_port;
	__u8 local_address[16];
	__u16 error;
	__u8 end_reason;
	__u8 attribution;
	__u8 attempt_pending;		/* connect was called and has shown no outcome yet */
	__u8 was_server;		/* UDP: bound, and was sent to first by somebody */
	__u8 peers_in_map;		/* UDP: udp_peers_in_flight has held one for this socket */
	__u8 seen_state;		/* TCP: the last change that was handled */
	__u8 limited_by;		/* the number of the limit that leaves no room for records of this flow */
	__u8 accepted_early;		/* TCP: accepted before its handshake's last packet was worked through */
	__u8 splice_unsettled;		/* TCP: a flush was under way at the release */
	__u8 padding;
	__u32 flushing;			/* flushes under way: what they took may be in neither place */
	__u32 detected;			/* it was told of: once a TCP socket */
	__u32 matched_generation;	/* of the lists that the peer was last matched with */
	__u32 charged_pid;		/* who pays for the place in socket_hash */
	struct edge_key attempt_edge;	/* UDP: of the connect under way; it may not be the first peer's */
	struct udp_slot slots[DIRECTIONS];
	struct udp_peer last_peer;	/* while tracing */
	struct dns_stream dns_streams[DIRECTIONS];
};

#define PATH_BUILDERS 4

/* Paths grow from the end of the first half; the second half stays zero, so that any start has PATH_LENGTH bytes. */
struct path_builder {
	__u32 busy;
	__u32 start;
	char text[2 * PATH_LENGTH];
	char name[256];
};

#endif
