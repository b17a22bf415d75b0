/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * The two ways to hold a socket's state, decided before the programs are loaded; the verifier then sees one of them only.
 *
 * Storage: the state is part of the socket, found in no time and freed with it. For programs that are handed typed pointers,
 * which they also read through directly.
 * Hash: the state is in a map by the socket's address. For every kind of program on every kernel; reads are probes.
 */
#ifndef SOCKWATCH_READING_H
#define SOCKWATCH_READING_H

#include "maps.h"
#include "kernel_types.h"
#include <bpf/bpf_core_read.h>

const volatile __u8 state_in_hash = 0;

/*
 * Kernels before 5.12 have no atomic operation that returns a value. The agent blanks them out then: where this is set, no
 * program reaches one.
 */
const volatile __u8 plain_atomics = 0;

/*
 * A state in a hash may become another socket's while a flush of it is under way: what the flush has taken would be the other's.
 * There an operation adds to its edge by itself, and what is pending only says that there was one.
 */
#define counts_at_once state_in_hash

/* Kernels before 5.11 have no typed pointer to the running task. */
const volatile __u8 untyped_task = 0;

#define FIELD(object, field) (state_in_hash ? BPF_CORE_READ(object, field) : (object)->field)

#define BITFIELD(object, field) \
	(state_in_hash ? BPF_CORE_READ_BITFIELD_PROBED(object, field) : BPF_CORE_READ_BITFIELD(object, field))

/* An insertion decides who goes first where no atomic operation can. */
static __always_inline int begin_alone(__u64 what)
{
	__u8 taken = 1;

	return !bpf_map_update_elem(&claims, &what, &taken, BPF_NOEXIST);
}

static __always_inline void end_alone(__u64 what)
{
	bpf_map_delete_elem(&claims, &what);
}

/* A kernel pointer as a number, which a key has to be. */
static __always_inline __u64 address_of(const void *pointer)
{
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), &pointer);
	return address;
}

#endif
