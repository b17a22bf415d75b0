/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Fills a ring buffer on demand. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} records SEC(".maps");

__u64 next_number = 0;
__u64 submitted = 0;
__u64 lost = 0;

struct record {
	__u64 number;
	__u32 odd;
};

/* A record of 12 bytes, so that the buffer has to round up; every third one is discarded. */
SEC("syscall")
int write_records(void *ctx)
{
	for (int i = 0; i < 30; i++) {
		__u64 number = next_number++;
		struct record *record = bpf_ringbuf_reserve(&records, 12, 0);

		if (!record) {
			lost++;
			continue;
		}
		record->number = number;
		record->odd = number & 1;
		if (number % 3 == 2) {
			bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
			continue;
		}
		bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
		submitted++;
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
