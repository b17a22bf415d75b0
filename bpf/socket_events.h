/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * The structs that the kernel programs share with the agent. Widest fields first, explicit padding. Every struct here
 * has a C# mirror of the same name in src/Sockwatch/Kernel; a test compares each offset with the BTF of
 * shared_structs.bpf.o.
 *
 * Addresses are always 16 bytes: IPv6, or IPv4 as ::ffff:a.b.c.d. Ports are in host byte order. Times are nanoseconds
 * of CLOCK_BOOTTIME.
 */
#ifndef SOCKWATCH_SOCKET_EVENTS_H
#define SOCKWATCH_SOCKET_EVENTS_H

#define LATENCY_BUCKETS 17	/* 16 upper bounds and +Inf */
#define DNS_LONGEST 1472		/* what an Ethernet frame carries; longer messages are cut */
#define ANCESTORS 14		/* of a process, that are remembered */
#define PATH_LENGTH 512		/* longer paths keep their end, where the base name is */

enum network_role {
	ROLE_UNKNOWN = 0,
	ROLE_CLIENT = 1,
	ROLE_SERVER = 2,
};

enum socket_operation {
	OPERATION_CONNECT = 0,
	OPERATION_ACCEPT = 1,
	OPERATION_SEND = 2,
	OPERATION_RECV = 3,
	OPERATION_RELEASE = 4,
};

enum network_direction {
	DIRECTION_TRANSMIT = 0,
	DIRECTION_RECEIVE = 1,
	DIRECTIONS = 2,
};

/* How well we know who owns a socket. */
enum flow_attribution {
	ATTRIBUTION_NONE = 0,
	ATTRIBUTION_EXACT = 1,		/* the owner was the running task when the socket connected, accepted or first spoke */
	ATTRIBUTION_CGROUP = 2,		/* only the listener is known: nobody has used the accepted socket yet */
	ATTRIBUTION_ADOPTED = 3,	/* the socket was there before the hooks */
	ATTRIBUTIONS = 4,
};

/*
 * Who talked to whom, as far as the kernel can tell: a cgroup and an executable on this side, an address on the other.
 * All zero is the overflow edge, which takes what finds no room in the map.
 */
struct edge_key {
	__u64 cgroup_id;		/* of cgroup_paths; 0 unknown */
	__u64 executable_id;		/* of executable_paths, perhaps with a pid in it (edge_process.h); 0 unknown */
	__u8 peer_address[16];		/* all zero when unknown */
	__u16 server_port;		/* the serving side's; 0 unknown */
	__u8 role;			/* enum network_role */
	__u8 transport;			/* IPPROTO_TCP or IPPROTO_UDP */
	__u8 network_type;		/* 4 or 6, by the addresses in use */
	__u8 folded;			/* enum folding; in a socket's own edge only: no key of a map has it */
	__u8 padding[2];
};

/* In whose overflow an edge is counted that goes over a share: an edge of that owner without any of the rest. */
enum folding {
	FOLDED_NOT = 0,
	FOLDED_PROCESS = 1,
	FOLDED_CONTAINER = 2,
	FOLDED_ALL = 3,			/* everybody's: the overflow edge */
};

/* Only ever added to. */
struct edge_totals {
	__u64 bytes_sent;
	__u64 bytes_received;
	__u64 sends;
	__u64 receives;
	__u64 connects;			/* succeeded; the failed ones are in edge_failures */
	__u64 accepts;
	__u64 releases;
	__u64 opened;			/* opened - closed = open now */
	__u64 closed;
	__u64 retransmits;		/* TCP segments */
	__u64 resets_sent;
	__u64 resets_received;
	__u64 listen_overflows;
};

/* A histogram whose bucket bounds are in latency.h. */
struct latency {
	__u64 sum_ns;
	__u64 buckets[LATENCY_BUCKETS];	/* not cumulative */
};

/* TCP edges only. */
struct edge_timings {
	struct latency connect;		/* successful connects */
	struct latency connection;	/* from established to released */
	struct latency rtt;		/* smoothed, one sample a socket and flush */
};

struct edge_failure_key {
	struct edge_key edge;
	__u16 error;			/* errno */
	__u8 operation;			/* enum socket_operation */
	__u8 padding[5];
};

struct edge_failures {
	__u64 count;
	struct latency duration;	/* of connects: from the attempt to the failure */
};

/* Not attributed to anyone: the check on everything that is. */
struct observed_bytes {
	__u64 bytes[DIRECTIONS];
};

/* Executable and cgroup paths, NUL-terminated. */
struct path_text {
	char text[PATH_LENGTH];
};

/* A live process that has used a socket, by tgid. */
struct process_identity {
	__u64 started_at_ns;
	__u64 executable_id;		/* as edges have it */
	__u64 cgroup_id;
	__u32 parent_pid;
	__u32 padding;
};

/* Of a process that has used a socket, by tgid: kept when it has gone, for as long as there is room. */
struct process_ancestors {
	__u64 started_at_ns;
	__u32 pids[ANCESTORS];		/* the parent first; 0 no more */
};

struct udp_flow_key {
	__u64 socket_cookie;
	__u8 peer_address[16];
	__u16 peer_port;
	__u8 padding[6];
};

/* A UDP socket's conversation with a peer that is not its first one. */
struct udp_flow {
	__u64 started_at_ns;
	__u64 last_used_ns;
	__u64 bytes_sent;
	__u64 bytes_received;
	__u64 sends;
	__u64 receives;
	struct edge_key edge;
	__u64 process_started_at_ns;
	__u32 pid;
	__u32 uid;
	__u32 parent_pid;
	__u16 local_port;
	__u8 ignored;			/* 1: a filter says so; 2: counted, but a limit leaves no room for records */
	__u8 attribution;
	__u8 local_address[16];
};

enum record_kind {
	RECORD_FLOW_START = 1,
	RECORD_FLOW_UPDATE = 2,
	RECORD_FLOW_END = 3,
	RECORD_FLOW_FAILED = 4,
	RECORD_PEER_CHANGED = 5,	/* UDP, while tracing: the peer is not the socket's last one */
	RECORD_FLOW_DETECT = 6,		/* the peer is on a list */
	RECORD_PAYLOAD = 7,		/* a struct payload_record: what was sent or received, while that is captured */
};

enum flow_end_reason {
	END_NONE = 0,
	END_LOCAL_CLOSE = 1,		/* this side closed first */
	END_PEER_CLOSE = 2,		/* the peer's FIN came first */
	END_RESET_RECEIVED = 3,
	END_RESET_SENT = 4,
	END_TIMED_OUT = 5,
	END_ERROR = 6,			/* see error */
	END_IDLE = 7,			/* UDP: silent for longer than the idle time */
};

/* One thing that happened to a flow; what the ring buffer carries and what the socket iterator prints. */
struct flow_record {
	__u64 at_ns;
	__u64 started_at_ns;		/* established, accepted, or the first datagram */
	__u64 socket_cookie;
	__u64 process_started_at_ns;
	__u64 bytes_sent;		/* since the flow started */
	__u64 bytes_received;
	__u64 sends;
	__u64 receives;
	__u64 reported_bytes_sent;	/* what the flow's record before this one said */
	__u64 reported_bytes_received;
	__u64 reported_sends;
	__u64 reported_receives;
	__u64 connect_duration_ns;	/* 0 when the flow was not connected by this side */
	struct edge_key edge;
	__u32 pid;			/* tgid, as the host sees it */
	__u32 uid;
	__u32 parent_pid;
	__u32 rtt_us;			/* smoothed; 0 unknown */
	__u32 retransmits;
	__u16 local_port;
	__u16 remote_port;
	__u8 local_address[16];
	__u16 error;			/* errno; 0 none */
	__u8 kind;			/* enum record_kind */
	__u8 end_reason;		/* enum flow_end_reason */
	__u8 attribution;		/* enum flow_attribution */
	__u8 operation;			/* enum socket_operation that made the record */
	__u16 repeated_since;		/* of RECORD_PEER_CHANGED: the peer is the last one, shown at this epoch already; 0 it changed */
	__u16 detection;		/* of RECORD_FLOW_DETECT: the number of what the lists say */
	__u8 padding[6];
};

/* Bytes of a flow's stream. As many bytes as it says come after it in the ring buffer. */
struct payload_record {
	struct flow_record flow;	/* of the process that made the call */
	__u64 sequence;			/* how many bytes of the stream came before */
	__u32 length;
	__u8 direction;			/* enum network_direction */
	__u8 more;			/* the same call has more, in the record after this one */
	__u8 padding[2];
};

/* Whose payload the agent does not want. */
struct payload_owner {
	__u64 executable_id;
	__u64 cgroup_id;
};

#define PAYLOAD_PIECE 4096	/* bytes of one record at most */

/* Every way to lose something in the kernel; an index of lost_records. Keep Kernel/LossReason.cs in step. */
enum loss_reason {
	LOST_RING_FULL = 0,		/* a flow record found no room in the ring buffer */
	LOST_EDGES_FULL = 1,		/* an edge found no room: its counts went to the overflow edge */
	LOST_TIMINGS_FULL = 2,		/* the same for edge_timings */
	LOST_FAILURES_FULL = 3,		/* the same for edge_failures */
	LOST_UDP_FLOWS_FULL = 4,	/* a UDP conversation has no flow records; its counts are in its edge */
	LOST_UDP_PEERS_FULL = 5,	/* a datagram's peer could not be remembered between two hooks */
	LOST_SOCKET_STATE = 6,		/* no memory for a socket's state: its counts went to the overflow edge */
	LOST_PROCESSES_FULL = 7,	/* a process identity was not cached: only slower */
	LOST_EXECUTABLES_FULL = 8,	/* an executable has no name */
	LOST_CGROUPS_FULL = 9,		/* a cgroup has no name */
	LOST_PORTS_FULL = 10,		/* a listening port was not noted: a connection older than the agent may have the wrong role */
	LOST_CALLS_FULL = 11,		/* a call was not followed to its return: its bytes are not counted */
	LOST_CALL_RETURN = 12,		/* a call's return was not seen: its bytes are not counted */
	LOST_DNS_FULL = 13,		/* a DNS message found no room in its ring: a name is not known */
	LOST_DNS_UNREADABLE = 14,	/* a DNS message was not where the call's arguments say: a name is not known */
	LOST_EDGES_QUOTA = 15,		/* an edge over its owner's share: its counts went to the owner's overflow */
	LOST_FAILURES_QUOTA = 16,	/* the same for edge_failures */
	LOST_UDP_FLOWS_QUOTA = 17,	/* a UDP conversation over its process's share has no flow records */
	LOST_SOCKETS_QUOTA = 18,	/* a socket over its process's share: its counts went to the owner's overflow */
	LOST_RECORDS_QUOTA = 19,	/* a flow record over its process's share of a ring that is filling up */
	LOST_PROCESS_LIMIT = 20,	/* a flow record that an operator's limit of the process left no room for */
	LOST_DETECTIONS = 21,		/* a detection's record found no room in the ring buffer; it is counted all the same */
	LOST_DETECTIONS_FULL = 22,	/* a detection found no room in edge_detections: it is counted for the overflow edge */
	LOST_PAYLOAD_RING = 23,		/* captured bytes found no room in payload's share of the ring buffer */
	LOST_PAYLOAD_FAULT = 24,	/* bytes that were sent or received could not be read */
	LOST_PAYLOAD_PAGES = 25,	/* bytes in pages (sendfile) that cannot be found on this kernel */
	LOST_PAYLOAD_CALLS = 26,	/* too many calls at a time to follow each */
	LOSS_REASONS = 27,
};

/* A DNS message that a socket sent to, or received from, port 53; by TCP, as much of it as one call had. */
struct dns_message {
	__u64 at_ns;
	__u64 socket_cookie;
	__u64 cgroup_id;		/* of who asked */
	__u8 server_address[16];	/* all zero when the call did not say */
	__u16 server_port;
	__u16 length;			/* of the whole message */
	__u16 captured;			/* bytes of text that hold the message */
	__u8 direction;			/* enum network_direction */
	__u8 transport;			/* IPPROTO_TCP or IPPROTO_UDP */
	__u16 offset;			/* in the message, of the text's first byte */
	__u8 padding[6];
	__u8 text[DNS_LONGEST];		/* a record in the ring may end before it does */
};

#endif
