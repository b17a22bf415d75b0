// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * pingpong tcp|udp [--pairs 200000] [--batches 5] [--cpu N]: nanoseconds that a send of one byte and the recv of it at
 * the other end take, over loopback in one thread; one line a batch.
 * pingpong cycle [--count 20000] [--batches 5] [--cpu N]: the same of a connect, the accept of it and both closes.
 *
 * A benchmark, not a check: it keeps no ledger, but the calls are countable (pairs times batches). Pin it, interleave
 * runs with and without what is being measured, and compare the smallest numbers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "ledger.h"

#define HOSTS 20		/* each has its own range of local ports, so that none runs out while in TIME_WAIT */

struct ends {
	int near;
	int far;
};

static int listen_on(int host)
{
	struct address address = loopback(4, host, 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (void *)&address.storage, address.length) || listen(fd, 16))
		fail_errno("listen");
	return fd;
}

static struct ends connect_to(int listener, const struct address *address)
{
	struct ends ends = { .near = socket(AF_INET, SOCK_STREAM, 0) };

	if (ends.near < 0 || connect(ends.near, (void *)&address->storage, address->length))
		fail_errno("connect");
	ends.far = accept(listener, NULL, NULL);
	if (ends.far < 0)
		fail_errno("accept");
	return ends;
}

static struct ends tcp_ends(void)
{
	int listener = listen_on(1);
	struct address address = loopback(4, 1, bound_port(listener));
	struct ends ends = connect_to(listener, &address);
	int yes = 1;

	if (setsockopt(ends.near, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)))
		fail_errno("setsockopt TCP_NODELAY");
	close(listener);
	return ends;
}

static struct ends udp_ends(void)
{
	struct ends ends = { socket(AF_INET, SOCK_DGRAM, 0), socket(AF_INET, SOCK_DGRAM, 0) };
	struct address address = loopback(4, 1, 0);

	if (ends.near < 0 || ends.far < 0 || bind(ends.far, (void *)&address.storage, address.length))
		fail_errno("bind");
	address = loopback(4, 1, bound_port(ends.far));
	if (connect(ends.near, (void *)&address.storage, address.length))
		fail_errno("connect");
	return ends;
}

static void exchange(struct ends ends, long pairs)
{
	char byte = 1;

	for (long i = 0; i < pairs; i++)
		if (send(ends.near, &byte, 1, 0) != 1 || recv(ends.far, &byte, 1, 0) != 1)
			fail_errno("a pair");
}

static void cycle(const int *listeners, const struct address *addresses, long number)
{
	for (long i = 0; i < number; i++) {
		struct ends ends = connect_to(listeners[i % HOSTS], &addresses[i % HOSTS]);

		close(ends.near);
		close(ends.far);
	}
}

static void pin(long cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail_errno("sched_setaffinity");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int is_cycle = !strcmp(what, "cycle");
	struct address addresses[HOSTS];
	struct ends ends = { -1, -1 };
	int listeners[HOSTS];
	long batches, times;

	name_program(argv[0]);
	activity = "pingpong";
	if (!is_cycle && strcmp(what, "tcp") && strcmp(what, "udp")) {
		fprintf(stderr, "usage: pingpong tcp|udp|cycle [--pairs N | --count N] [--batches B] [--cpu C]\n");
		return 2;
	}
	batches = option(argc, argv, "--batches", 5);
	times = is_cycle ? option(argc, argv, "--count", 20000) : option(argc, argv, "--pairs", 200000);
	if (!times)
		fail("nothing to measure");
	if (has_option(argc, argv, "--cpu"))
		pin(option(argc, argv, "--cpu", 0));
	for (int i = 0; is_cycle && i < HOSTS; i++) {
		listeners[i] = listen_on(i + 1);
		addresses[i] = loopback(4, i + 1, bound_port(listeners[i]));
	}
	if (!is_cycle)
		ends = *what == 't' ? tcp_ends() : udp_ends();
	for (long i = 0; i < batches; i++) {
		uint64_t began = now_ns();

		if (is_cycle)
			cycle(listeners, addresses, times);
		else
			exchange(ends, times);
		printf("%.1f\n", (double)(now_ns() - began) / times);
		fflush(stdout);
	}
	return 0;
}
