/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
#ifndef SOCKWATCH_LOSSES_H
#define SOCKWATCH_LOSSES_H

#include "maps.h"

static __always_inline void count_loss(__u32 reason)
{
	__u64 *lost = bpf_map_lookup_elem(&lost_records, &reason);

	if (lost)
		__sync_fetch_and_add(lost, 1);
}

static __always_inline void count_observed(int direction, __u64 bytes)
{
	__u32 zero = 0;
	struct observed_bytes *here = bpf_map_lookup_elem(&observed, &zero);

	/* Atomic although per CPU: cgroup programs and iterators can be preempted here. */
	if (here)
		__sync_fetch_and_add(&here->bytes[direction], bytes);
}

#endif
