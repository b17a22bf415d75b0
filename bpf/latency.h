/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Bucket bounds of the histograms, in nanoseconds, inclusive. Keep Kernel/LatencyBounds.cs in step; a test does. */
#ifndef SOCKWATCH_LATENCY_H
#define SOCKWATCH_LATENCY_H

#include "socket_events.h"

#define MICROSECONDS 1000ULL
#define MILLISECONDS (1000 * MICROSECONDS)
#define SECONDS (1000 * MILLISECONDS)

/* Handshakes and round trips. */
static const __u64 latency_bounds[LATENCY_BUCKETS - 1] = {
	50 * MICROSECONDS,  100 * MICROSECONDS, 250 * MICROSECONDS, 500 * MICROSECONDS,
	1 * MILLISECONDS,   2500 * MICROSECONDS, 5 * MILLISECONDS,  10 * MILLISECONDS,
	25 * MILLISECONDS,  50 * MILLISECONDS,  100 * MILLISECONDS, 250 * MILLISECONDS,
	500 * MILLISECONDS, 1 * SECONDS,        5 * SECONDS,        30 * SECONDS,
};

/* How long connections live. */
static const __u64 lifetime_bounds[LATENCY_BUCKETS - 1] = {
	1 * MILLISECONDS,   5 * MILLISECONDS, 10 * MILLISECONDS, 50 * MILLISECONDS,
	100 * MILLISECONDS, 500 * MILLISECONDS, 1 * SECONDS,     5 * SECONDS,
	10 * SECONDS,       30 * SECONDS,     60 * SECONDS,      300 * SECONDS,
	900 * SECONDS,      3600 * SECONDS,   21600 * SECONDS,   86400 * SECONDS,
};

#endif
