/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Who holds how much of what is bounded, and what an operator limits. Mirrored in C# like the structs of socket_events.h. */
#ifndef SOCKWATCH_LIMIT_STRUCTS_H
#define SOCKWATCH_LIMIT_STRUCTS_H

#include <linux/types.h>

/* An executable in a cgroup; executable 0: the whole cgroup; all zero: everybody. */
struct edge_owner_key {
	__u64 cgroup_id;
	__u64 executable_id;
};

/* Entries of the owner's. The agent, which removes entries, sets them right. */
struct edge_owner {
	__u64 edges;
	__u64 failures;
};

/* By tgid: records of so many sockets, and until then. */
struct process_limit {
	__u64 process_started_at;	/* hundredths of a second, as in /proc: another process may get the same pid */
	__u64 until_ns;
	__u64 most_sockets;
	__u64 sockets;			/* so far */
	__u64 withheld;			/* records that were not made */
	__u32 number;			/* from 1 to 255, another one each time a limit is set */
	__u32 padding;
};

#endif
