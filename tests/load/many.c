// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * many [--sockets 200000]: a noisy process. It opens that many UDP sockets, each of which sends a datagram of ten bytes to a peer that
 * nobody else sends to, and keeps as many of them as it is permitted to; the oldest go first. Then it prints
 * {"sockets":…,"kept":…,"sent":…,"seconds":…}, and at a line, or the end, on stdin it closes what is left.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "ledger.h"

#define PORTS 20000		/* of one local address: finding a free one becomes slow long before there is none */

int main(int argc, char **argv)
{
	long sockets = option(argc, argv, "--sockets", 200000), sent = 0, most;
	struct rlimit limit;
	uint64_t began = now_ns();
	int *open;
	char byte;

	name_program(argv[0]);
	activity = "many";
	raise_file_limit();
	getrlimit(RLIMIT_NOFILE, &limit);
	most = (long)limit.rlim_cur - 64 < sockets ? (long)limit.rlim_cur - 64 : sockets;
	open = calloc(most, sizeof(*open));
	if (!open)
		fail_errno("calloc");
	for (long i = 0; i < sockets; i++) {
		struct sockaddr_in local = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f400001 + i / PORTS) };
		struct sockaddr_in peer = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f800001 + i), .sin_port = htons(9) };
		int fd;

		if (open[i % most])
			close(open[i % most]);
		fd = open[i % most] = socket(AF_INET, SOCK_DGRAM, 0);
		if (fd < 0)
			fail_errno("socket");
		if (bind(fd, (void *)&local, sizeof(local)))
			fail_errno("bind");
		if (sendto(fd, "0123456789", 10, 0, (void *)&peer, sizeof(peer)) == 10)
			sent += 10;
	}
	printf("{\"sockets\":%ld,\"kept\":%ld,\"sent\":%ld,\"seconds\":%.3f}\n", sockets, most, sent, (now_ns() - began) / 1e9);
	fflush(stdout);
	if (read(0, &byte, 1) < 0)
		fail_errno("read");
	return 0;
}
