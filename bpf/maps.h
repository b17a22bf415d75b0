/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Every map but those of lists (verdicts.h) and of shares (limits.h). The agent may shrink or grow max_entries before it loads the programs (Kernel/KernelOptions.cs). */
#ifndef SOCKWATCH_MAPS_H
#define SOCKWATCH_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "socket_events.h"
#include "socket_state.h"

/* One state a socket, freed with it; BPF_F_CLONE hands a listener's on to the sockets it accepts. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct socket_state);
} socket_states SEC(".maps");

/* The same where state_in_hash: keyed by the socket's address; an entry goes when its socket is destroyed or, UDP, released. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, __u64);
	__type(value, struct socket_state);
} socket_hash SEC(".maps");

/* What is being changed at this moment, for kernels without the atomic operations for it: a few entries at any time. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u8);
} claims SEC(".maps");

/* What a call was given, from its kprobe to its kretprobe. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct call_key);
	__type(value, struct call);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct edge_key);
	__type(value, struct edge_totals);
} edges SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct edge_key);
	__type(value, struct edge_timings);
} edge_timings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct edge_failure_key);
	__type(value, struct edge_failures);
} edge_failures SEC(".maps");

/* Failures of the overflow edge: the key space is operations times errnos, so this one cannot fill up. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct edge_failure_key);
	__type(value, struct edge_failures);
} overflow_failures SEC(".maps");

/* Per CPU, so that the check on everything else costs no shared cache line. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct observed_bytes);
} observed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOSS_REASONS);
	__type(key, __u32);
	__type(value, __u64);
} lost_records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 * 1024 * 1024);
} flow_records SEC(".maps");

/* How many flows began, by enum flow_attribution. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ATTRIBUTIONS);
	__type(key, __u32);
	__type(value, __u64);
} attributions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} dns_messages SEC(".maps");

/* Keyed by tgid; an entry goes when its process executes something else or exits. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct process_identity);
} processes SEC(".maps");

/* For traces of a process and its children, which may be gone when their records are read. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct process_ancestors);
} process_ancestors SEC(".maps");

/* Keyed by a hash of the path, so that the name outlives every process that had it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct path_text);
} executable_paths SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct path_text);
} cgroup_paths SEC(".maps");

/* UDP conversations other than a socket's first. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct udp_flow_key);
	__type(value, struct udp_flow);
} udp_flows SEC(".maps");

/* When a UDP socket that has such conversations was released: the agent ends them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u64);
} released_udp_sockets SEC(".maps");

/* The peer of a datagram under way, by thread, when another thread holds the socket's own slot. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8192);
	__type(key, struct udp_peer_key);
	__type(value, struct udp_peer);
} udp_peers_in_flight SEC(".maps");

/* Ports somebody listens on, by network namespace: tells the role of connections that were there before us. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct listening_port);
	__type(value, struct listeners);
} listening_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct network_prefix);
	__type(value, __u8);
} excluded_networks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536 / 64);
	__type(key, __u32);
	__type(value, __u64);
} excluded_ports SEC(".maps");

/* What a program was turned away from, by enum turned_away: whether its deputy was as well, or did the work. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TURNED_AWAY);
	__type(key, __u32);
	__type(value, __u64);
} turned_away SEC(".maps");

/* Room to build a path in. More than one a CPU: a program may be preempted or interrupted while it builds. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PATH_BUILDERS);
	__type(key, __u32);
	__type(value, struct path_builder);
} path_builders SEC(".maps");

/* The record that an iterator is printing. The agent runs one iterator at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_record);
} printed_record SEC(".maps");

#endif
