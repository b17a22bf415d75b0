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

struct udp_peer {
	__u8 address[16];
	__u16 port;
	__u16 padding;
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

struct listening_port {
	__u32 network_namespace;
	__u32 port;
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
	__u8 padding;
	struct edge_key attempt_edge;	/* UDP: of the connect under way; it may not be the first peer's */
	struct udp_slot slots[DIRECTIONS];
	struct udp_peer last_peer;	/* while tracing */
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
