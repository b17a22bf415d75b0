// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * The entries, one thin program a hook, over a core that does not know how it was called. There are several ways to see the
 * same operation; the agent loads those that it chose for this kernel (Kernel/HookProgram.cs).
 */
#include <linux/bpf.h>
#include <asm/ptrace.h>
#include <bpf/bpf_helpers.h>
#include "kernel_types.h"
#include <bpf/bpf_tracing.h>
#include "entries_tracepoint.h"
#include "entries_fentry.h"
#include "entries_kprobe.h"
#include "entries_cgroup.h"
#include "entries_iterator.h"
#include "entries_payload.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
