/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * The kernel struct fields that the programs read, and no others; libbpf finds their real offsets when it loads
 * (CO-RE). This is the honest list of what we depend on in the kernel.
 */
#ifndef SOCKWATCH_KERNEL_TYPES_H
#define SOCKWATCH_KERNEL_TYPES_H

#include <linux/types.h>

#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define MSG_OOB 0x1
#define MSG_PEEK 0x2
#define MSG_TRUNC 0x20
#define MSG_ERRQUEUE 0x2000

/* enum tcp_state; datagram sockets use ESTABLISHED for "connected". */
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_FIN_WAIT1 4
#define TCP_CLOSE 7
#define TCP_CLOSE_WAIT 8
#define TCP_LISTEN 10

/* struct sock: sk_flags, sk_shutdown, sk_userlocks */
#define SOCK_DONE_BIT (1UL << 1)	/* the peer's FIN was taken in */
#define SHUTDOWN_MASK 3
#define SOCK_BINDADDR_LOCK 4		/* bound by the application, not by the kernel */
#define SOCK_BINDPORT_LOCK 8

#define EINTR 4
#define EAGAIN 11
#define EEXIST 17
#define ENETUNREACH 101
#define EADDRNOTAVAIL 99
#define ETIMEDOUT 110
#define EINPROGRESS 115
#define ECANCELED 125
#define ERESTARTSYS 512			/* the kernel's own codes for "interrupted, will be called again" */
#define ERESTART_RESTARTBLOCK 516

#ifdef __TARGET_ARCH_arm64
/* What a kprobe is handed; as the kernel's headers for that architecture have it. */
struct user_pt_regs {
	__u64 regs[31];
	__u64 sp;
	__u64 pc;
	__u64 pstate;
};
#endif

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

struct in6_addr {
	union {
		__be32 u6_addr32[4];
	} in6_u;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	unsigned long skc_flags;
	possible_net_t skc_net;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
	__u8 sk_kern_sock : 1;
	__u8 sk_shutdown;
	__u8 sk_userlocks : 4;
	int sk_err;
	__u32 sk_txhash;
	atomic_t sk_drops;
	struct socket *sk_socket;
};

enum socket_progress {
	SS_FREE,
	SS_UNCONNECTED,
};

struct socket {
	enum socket_progress state;
	struct sock *sk;
};

enum iter_type {
	ITER_IOVEC,
	ITER_KVEC,
	ITER_BVEC,
	ITER_UBUF,
};

/* Where the bytes of a call are, and how far it has come in them. The pointers share one place. */
struct iov_iter {
	__u8 iter_type;
	unsigned long iov_offset;
	unsigned long count;
	unsigned long nr_segs;
	void *ubuf;
	const void *__iov;
};

struct iov_iter___until_6_3 {
	const void *iov;
};

struct iov_iter___until_5_13 {
	unsigned int type;
};

struct page {
	unsigned long private;
};

struct bio_vec {
	struct page *bv_page;
	unsigned int bv_len;
	unsigned int bv_offset;
};

struct msghdr {
	void *msg_name;
	int msg_namelen;
	struct iov_iter msg_iter;
};

struct inet_sock {
	__be16 inet_sport;
};

struct inet_connection_sock {
	const void *icsk_ulp_ops;
};

struct tcp_sock {
	__u32 copied_seq;
	__u32 rcv_nxt;
	__u32 srtt_us;		/* eighths of a microsecond */
	__u32 total_retrans;
	__u32 write_seq;	/* of the next byte that the application sends */
	__u32 snd_una;		/* the first that the peer has not confirmed */
	__u64 bytes_acked;
	__u64 bytes_received;
};

struct qstr {
	__u32 len;
	const unsigned char *name;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct super_block {
	unsigned long s_magic;
};

struct inode {
	unsigned short i_mode;
	struct super_block *i_sb;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
	void *private_data;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct pid {
	struct hlist_head tasks[4];
};

struct proc_inode {
	struct pid *pid;
	struct inode vfs_inode;
};

struct mm_struct {
	struct file *exe_file;
};

struct kernfs_node {
	struct kernfs_node *parent;
	const char *name;
	__u64 id;
};

struct kernfs_node___since_6_15 {
	struct kernfs_node___since_6_15 *__parent;
};

struct cgroup {
	int level;
	struct kernfs_node *kn;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct css_set {
	struct cgroup_subsys_state *subsys[4];
	struct cgroup *dfl_cgrp;
};

typedef struct {
	unsigned int val;
} kuid_t;

struct cred {
	kuid_t uid;
};

struct task_struct {
	int pid;
	int tgid;
	__u64 start_boottime;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct hlist_node pid_links[4];
	struct mm_struct *mm;
	const struct cred *cred;
	struct css_set *cgroups;
	char comm[16];
	void *stack;
};

struct pt_regs___x86 {
	unsigned long dx;
	unsigned long si;
	unsigned long orig_ax;
};

struct pt_regs___user_arm64 {
	__u64 regs[31];
	int syscallno;
};

struct seq_file {
	void *private;
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct sock *sk;
};

struct bpf_map;

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct file *file;
};

/* What tracing's own tracepoint programs are handed. */

struct trace_event_raw_sock_msg_length {
	void *sk;
	int ret;
	int flags;
};

struct trace_event_raw_inet_sock_set_state {
	const void *skaddr;
	int oldstate;
	int newstate;
};

struct trace_event_raw_tcp_event_sk {
	const void *skaddr;
};

struct trace_event_raw_tcp_event_sk_skb {
	const void *skaddr;
};

struct trace_event_raw_tcp_send_reset {
	const void *skaddr;
};

#pragma clang attribute pop

enum cgroup_subsys_id {
	memory_cgrp_id,
	pids_cgrp_id,
};

#endif
