/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Addresses are 16 bytes everywhere: IPv6, or IPv4 as ::ffff:a.b.c.d. */
#ifndef SOCKWATCH_ADDRESSES_H
#define SOCKWATCH_ADDRESSES_H

#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include "kernel_types.h"
#include "reading.h"

#define WORD(address, i) (((__u32 *)(address))[i])

static __always_inline void set_ipv4(__u8 *address, __be32 ipv4)
{
	WORD(address, 0) = 0;
	WORD(address, 1) = 0;
	WORD(address, 2) = bpf_htonl(0xffff);
	WORD(address, 3) = ipv4;
}

static __always_inline void set_ipv6(__u8 *address, __be32 a, __be32 b, __be32 c, __be32 d)
{
	WORD(address, 0) = a;
	WORD(address, 1) = b;
	WORD(address, 2) = c;
	WORD(address, 3) = d;
}

static __always_inline int is_same_address(const __u8 *one, const __u8 *other)
{
	return WORD(one, 3) == WORD(other, 3) && WORD(one, 2) == WORD(other, 2) &&
	       WORD(one, 1) == WORD(other, 1) && WORD(one, 0) == WORD(other, 0);
}

static __always_inline int is_ipv4(const __u8 *address)
{
	return !WORD(address, 0) && !WORD(address, 1) && WORD(address, 2) == bpf_htonl(0xffff);
}

static __always_inline int is_unspecified(const __u8 *address)
{
	if (WORD(address, 0) || WORD(address, 1))
		return 0;
	return (!WORD(address, 2) || WORD(address, 2) == bpf_htonl(0xffff)) && !WORD(address, 3);
}

static __always_inline int is_loopback_or_unspecified(const __u8 *address)
{
	if (is_unspecified(address))
		return 1;
	if (is_ipv4(address))
		return address[12] == 127;
	return !WORD(address, 0) && !WORD(address, 1) && !WORD(address, 2) && WORD(address, 3) == bpf_htonl(1);
}

/* The remote end as the socket has it; false for an unconnected one. */
static __always_inline int remote_of(const struct sock *sk, __u8 *address, __u16 *port)
{
	*port = bpf_ntohs(FIELD(sk, __sk_common.skc_dport));
	if (FIELD(sk, __sk_common.skc_family) == AF_INET) {
		set_ipv4(address, FIELD(sk, __sk_common.skc_daddr));
	} else if (state_in_hash) {
		bpf_core_read(address, 16, &sk->__sk_common.skc_v6_daddr);
	} else {
		const struct in6_addr *from = &sk->__sk_common.skc_v6_daddr;

		set_ipv6(address, from->in6_u.u6_addr32[0], from->in6_u.u6_addr32[1], from->in6_u.u6_addr32[2],
			 from->in6_u.u6_addr32[3]);
	}
	return *port != 0;
}

static __always_inline void local_of(const struct sock *sk, __u8 *address, __u16 *port)
{
	*port = FIELD(sk, __sk_common.skc_num);
	if (FIELD(sk, __sk_common.skc_family) == AF_INET) {
		set_ipv4(address, FIELD(sk, __sk_common.skc_rcv_saddr));
	} else if (state_in_hash) {
		bpf_core_read(address, 16, &sk->__sk_common.skc_v6_rcv_saddr);
	} else {
		const struct in6_addr *from = &sk->__sk_common.skc_v6_rcv_saddr;

		set_ipv6(address, from->in6_u.u6_addr32[0], from->in6_u.u6_addr32[1], from->in6_u.u6_addr32[2],
			 from->in6_u.u6_addr32[3]);
	}
}

#endif
