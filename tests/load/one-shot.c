// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * one-shot PORT: connects to 127.0.0.1:PORT, sends one byte, exits without closing. A process that is gone before
 * anybody can look at it; spawn starts thousands. Exit code: 0, or what went wrong: 2 usage, 3 socket, 4 connect,
 * 5 send.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd;

	if (argc != 2)
		_exit(2);
	address.sin_port = htons(atoi(argv[1]));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0)
		_exit(3);
	if (connect(fd, (void *)&address, sizeof(address)))
		_exit(4);
	if (send(fd, "1", 1, MSG_NOSIGNAL) != 1)
		_exit(5);
	_exit(0); /* the kernel closes the socket */
}
