/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * Edges by process. Where somebody asked for them, the pid takes the lower bits of the number of the process's executable, and the
 * executable has the rest. So a key is no longer for it, and what is asked for each operation, connection and datagram is
 * the same either way: the number is made once a process. The top bit tells the two apart (Kernel/EdgeProcess.cs).
 */
#ifndef SOCKWATCH_EDGE_PROCESS_H
#define SOCKWATCH_EDGE_PROCESS_H

#include <linux/types.h>

const volatile __u8 edges_by_process = 0;

#define PROCESS_BITS 22			/* no kernel gives out more: PID_MAX_LIMIT */
#define PROCESS_MASK ((1ULL << PROCESS_BITS) - 1)
#define HAS_PROCESS (1ULL << 63)

static __always_inline __u64 with_process(__u64 executable_id, __u32 pid)
{
	return edges_by_process ? executable_id | HAS_PROCESS | (pid & PROCESS_MASK) : executable_id;
}

/* The number of the executable alone, by which shares and payload go. */
static __always_inline __u64 without_process(__u64 executable_id)
{
	return edges_by_process ? executable_id & ~(HAS_PROCESS | PROCESS_MASK) : executable_id;
}

#endif
