// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/* io_uring by its system calls, so that nothing needs to be installed. */
#include <errno.h>
#include <linux/io_uring.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "ledger.h"
#include "uring.h"

static struct {
	int fd;
	struct io_uring_params params;
	char *submissions;
	char *completions;
	size_t submissions_size;
	size_t completions_size;
	struct io_uring_sqe *entries;
} ring;

int uring_open(void)
{
	memset(&ring, 0, sizeof(ring));
	ring.fd = syscall(__NR_io_uring_setup, 4, &ring.params);
	if (ring.fd < 0)
		return errno;
	ring.submissions_size = ring.params.sq_off.array + ring.params.sq_entries * sizeof(uint32_t);
	ring.completions_size = ring.params.cq_off.cqes + ring.params.cq_entries * sizeof(struct io_uring_cqe);
	ring.submissions = mmap(NULL, ring.submissions_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd,
				IORING_OFF_SQ_RING);
	ring.completions = mmap(NULL, ring.completions_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd,
				IORING_OFF_CQ_RING);
	ring.entries = mmap(NULL, ring.params.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
			    MAP_SHARED, ring.fd, IORING_OFF_SQES);
	if (ring.submissions == MAP_FAILED || ring.completions == MAP_FAILED || (void *)ring.entries == MAP_FAILED)
		return errno;
	return 0;
}

void uring_close(void)
{
	munmap(ring.submissions, ring.submissions_size);
	munmap(ring.completions, ring.completions_size);
	munmap(ring.entries, ring.params.sq_entries * sizeof(struct io_uring_sqe));
	close(ring.fd);
}

static long perform(const struct io_uring_sqe *request)
{
	uint32_t *tail = (void *)(ring.submissions + ring.params.sq_off.tail);
	uint32_t mask = *(uint32_t *)(ring.submissions + ring.params.sq_off.ring_mask);
	uint32_t *array = (void *)(ring.submissions + ring.params.sq_off.array);
	uint32_t *head = (void *)(ring.completions + ring.params.cq_off.head);
	uint32_t *completed = (void *)(ring.completions + ring.params.cq_off.tail);
	uint32_t completion_mask = *(uint32_t *)(ring.completions + ring.params.cq_off.ring_mask);
	struct io_uring_cqe *results = (void *)(ring.completions + ring.params.cq_off.cqes);
	unsigned int to_submit = 1;
	long result;

	ring.entries[*tail & mask] = *request;
	array[*tail & mask] = *tail & mask;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(completed, __ATOMIC_ACQUIRE) == *head) {
		long taken = syscall(__NR_io_uring_enter, ring.fd, to_submit, 1, IORING_ENTER_GETEVENTS, NULL, 0);

		if (taken < 0 && errno != EINTR)
			fail_errno("io_uring_enter");
		if (taken > 0)
			to_submit = 0;
	}
	result = results[*head & completion_mask].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	if (result < 0) {
		errno = -result;
		return -1;
	}
	return result;
}

ssize_t uring_send(int fd, const void *data, size_t length)
{
	return perform(&(struct io_uring_sqe){ .opcode = IORING_OP_SEND, .fd = fd, .addr = (uintptr_t)data,
					       .len = length, .msg_flags = MSG_NOSIGNAL });
}

ssize_t uring_recv(int fd, void *data, size_t length)
{
	return perform(&(struct io_uring_sqe){ .opcode = IORING_OP_RECV, .fd = fd, .addr = (uintptr_t)data,
					       .len = length });
}

int uring_connect(int fd, const struct sockaddr *address, socklen_t length)
{
	return perform(&(struct io_uring_sqe){ .opcode = IORING_OP_CONNECT, .fd = fd, .addr = (uintptr_t)address,
					       .off = length });
}

int uring_accept(int fd)
{
	return perform(&(struct io_uring_sqe){ .opcode = IORING_OP_ACCEPT, .fd = fd });
}
