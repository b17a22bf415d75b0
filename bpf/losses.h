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

static __always_inline void count_attribution(__u32 attribution)
{
	__u64 *flows = bpf_map_lookup_elem(&attributions, &attribution);

	if (flows)
		__sync_fetch_and_add(flows, 1);
}

/* What becomes of an event that a program was turned away from: enum turned_away. */
static __always_inline void count_turned_away(__u32 what)
{
	__u64 *events = bpf_map_lookup_elem(&turned_away, &what);

	if (events)
		__sync_fetch_and_add(events, 1);
}

#endif
