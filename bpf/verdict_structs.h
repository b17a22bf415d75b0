/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * What the agent hands to the programs that match addresses with its lists, and what they count. Mirrored in C# like the structs of
 * socket_events.h.
 */
#ifndef SOCKWATCH_VERDICT_STRUCTS_H
#define SOCKWATCH_VERDICT_STRUCTS_H

#include "socket_events.h"

/*
 * What the lists say of an address, in a word: 0 when they say nothing. Otherwise the number of the detection, 0 for allow; the
 * length of the prefix that says so, of 128 bits; and a bit that makes it differ from 0.
 */
#define VERDICT_DETECTION 0xffffU
#define VERDICT_LENGTH_SHIFT 16
#define VERDICT_LENGTH 0xffU
#define VERDICT_SAID (1U << 31)

/*
 * Prefixes cut into ranges that do not overlap, in order: each goes up to the first address of the next. Element 0 holds their
 * number; element 1 begins at the lowest address there is.
 */
struct listed_range4 {
	__u32 first;			/* host byte order */
	__u32 verdict;
};

struct listed_range6 {
	__u64 high;			/* host byte order */
	__u64 low;
	__u32 verdict;
	__u32 padding;
};

/* Changes whenever the lists do, so that sockets which are open already are matched anew. */
struct listed {
	__u32 generation;
	__u32 ranges;			/* whether there are any from files */
	__u32 added;			/* the same for entries added at run time */
	__u32 padding;
};

struct edge_detection_key {
	struct edge_key edge;
	__u32 detection;
	__u32 padding;
};

#endif
