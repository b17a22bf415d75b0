/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* What not to watch, decided once a socket or flow. All off by default. */
#ifndef SOCKWATCH_FILTERS_H
#define SOCKWATCH_FILTERS_H

#include "maps.h"
#include "addresses.h"

/* The agent may change these while the programs run. */
volatile __u8 ignore_loopback = 0;
volatile __u8 ignore_ipv6 = 0;

const volatile __u8 have_excluded_ports = 0;
const volatile __u8 have_excluded_networks = 0;

static __always_inline int in_excluded_network(const __u8 *address)
{
	struct network_prefix prefix = { .length = 128 };

	__builtin_memcpy(prefix.address, address, 16);
	return bpf_map_lookup_elem(&excluded_networks, &prefix) != 0;
}

static __always_inline int is_excluded_port(__u16 port)
{
	__u32 word = port / 64;
	__u64 *bits = bpf_map_lookup_elem(&excluded_ports, &word);

	return bits && (*bits >> (port % 64) & 1);
}

static __always_inline int is_ignored(const struct edge_key *edge, const __u8 *local_address)
{
	if (ignore_ipv6 && edge->network_type == 6)
		return 1;
	if (ignore_loopback && is_loopback_or_unspecified(local_address) &&
	    is_loopback_or_unspecified(edge->peer_address))
		return 1;
	if (have_excluded_ports && edge->server_port && is_excluded_port(edge->server_port))
		return 1;
	return have_excluded_networks && in_excluded_network(edge->peer_address);
}

#endif
