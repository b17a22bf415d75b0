// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * peers [--count 1000000] [--bytes 10] [--rounds 1]: one datagram to each of so many addresses of 127.0.0.0/8, from one UDP
 * socket to one port, where nobody listens. Prints the truth.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "ledger.h"

#define MOST (1 << 24)
#define MAX_BYTES 1400
#define PORT 9

int main(int argc, char **argv)
{
	static char data[MAX_BYTES];
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	long number, bytes, rounds;
	struct edge *edge;
	uint64_t began;
	int fd;

	name_program(argv[0]);
	activity = "peers";
	number = option(argc, argv, "--count", 1000000);
	bytes = option(argc, argv, "--bytes", 10);
	rounds = option(argc, argv, "--rounds", 1);
	if (number < 1 || number > MOST - 2 || bytes < 1 || bytes > MAX_BYTES || rounds < 1) {
		fprintf(stderr, "usage: peers [--count N] [--bytes N] [--rounds N]\n");
		return 2;
	}
	ledger_create(1);
	edge = edge_of(CLIENT, UDP, PORT);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		fail_errno("socket");
	began = now_ns();
	for (long round = 0; round < rounds; round++) {
		for (long i = 1; i <= number; i++) {
			ssize_t sent;

			peer.sin_addr.s_addr = htonl(127u << 24 | i);
			sent = sendto(fd, data, bytes, 0, (void *)&peer, sizeof(peer));
			if (sent != bytes)
				fail_errno("sendto");
			count_transfer(edge, SEND, sent);
		}
	}
	close(fd);
	printf("{");
	print_truth(stdout, "peers");
	printf(",\"seconds\":%.3f}\n", (now_ns() - began) / 1e9);
	return 0;
}
