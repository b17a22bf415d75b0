// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * hold [--sockets 50000]: opens that many TCP connections over loopback and keeps both ends of each. After 10 bytes
 * each way on every one it prints {"ready":true} and then the truth so far, waits for a line (or the end) on stdin, closes
 * everything and prints the final truth. One line of JSON each.
 *
 * The connections are spread over pairs of processes, a client and a server with a listener each: as many as the limits
 * on descriptors and on local ports ask for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>
#include "ledger.h"

#define PAIR_LIMIT 5000		/* finding a free local port for one peer becomes slow long before there is none */
#define MAX_PAIRS 64
#define GREETING 10

/* Two pipes for all processes: each says "ready" on one and waits for the end of the other. */
static int ready_pipe[2];
static int end_pipe[2];

static void say_ready(void)
{
	if (write(ready_pipe[1], "", 1) != 1)
		fail_errno("write");
}

static void wait_for_end(void)
{
	char byte;

	/* No writer but the parent is left: its close is the signal. */
	if (read(end_pipe[0], &byte, 1) < 0)
		fail_errno("read");
}

static void recv_greeting(int fd, struct edge *edge)
{
	char data[GREETING];

	for (int left = GREETING; left > 0;) {
		ssize_t received = recv(fd, data, left, 0);

		count_transfer(edge, RECV, received);
		if (received <= 0)
			fail_errno("recv");
		left -= received;
	}
}

static void send_greeting(int fd, struct edge *edge)
{
	ssize_t sent = send(fd, "0123456789", GREETING, MSG_NOSIGNAL);

	count_transfer(edge, SEND, sent);
	if (sent != GREETING)
		fail_errno("send");
}

static void hold_server(int listener, int number, int *fds)
{
	struct edge *edge = edge_of(SERVER, TCP, bound_port(listener));
	char byte;

	for (int i = 0; i < number; i++) {
		fds[i] = accept(listener, NULL, NULL);
		if (fds[i] < 0)
			fail_errno("accept");
		count(edge, ACCEPT, 0);
		recv_greeting(fds[i], edge);
		send_greeting(fds[i], edge);
	}
	say_ready();
	wait_for_end();
	for (int i = 0; i < number; i++) {
		ssize_t received = recv(fds[i], &byte, 1, 0); /* the client closes first */

		count_transfer(edge, RECV, received);
		if (received)
			fail_errno("recv at the end");
		close(fds[i]);
		count(edge, RELEASE, 0);
	}
}

static void hold_client(int port, int number, int *fds)
{
	struct edge *edge = edge_of(CLIENT, TCP, port);
	struct address address = loopback(4, 1, port);

	for (int i = 0; i < number; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (fds[i] < 0 || connect(fds[i], (void *)&address.storage, address.length))
			fail_errno("connect");
		count(edge, CONNECT, 0);
		send_greeting(fds[i], edge);
		recv_greeting(fds[i], edge);
	}
	say_ready();
	wait_for_end();
	for (int i = 0; i < number; i++) {
		close(fds[i]);
		count(edge, RELEASE, 0);
	}
}

static pid_t start(int listener, int port, int number)
{
	pid_t child = fork();
	int *fds;

	if (child < 0)
		fail_errno("fork");
	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(end_pipe[1]);
	fds = calloc(number, sizeof(*fds));
	if (!fds)
		fail("no memory");
	if (listener >= 0)
		hold_server(listener, number, fds);
	else
		hold_client(port, number, fds);
	_exit(0);
}

static int new_listener(void)
{
	struct address address = loopback(4, 1, 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (void *)&address.storage, address.length) || listen(fd, 4096))
		fail_errno("listen");
	return fd;
}

static void print_line(void)
{
	printf("{");
	print_truth(stdout, "hold");
	printf("}\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	pid_t children[2 * MAX_PAIRS];
	struct rlimit limit;
	int processes = 0;
	long sockets, pair;
	char byte;

	name_program(argv[0]);
	activity = "hold";
	sockets = option(argc, argv, "--sockets", 50000);
	raise_file_limit();
	getrlimit(RLIMIT_NOFILE, &limit);
	pair = limit.rlim_cur < PAIR_LIMIT + 64 ? (long)limit.rlim_cur - 64 : PAIR_LIMIT;
	if (sockets < 1 || pair < 1 || (sockets + pair - 1) / pair > MAX_PAIRS) {
		fprintf(stderr, "usage: hold [--sockets 1..%ld]\n", pair * MAX_PAIRS);
		return 2;
	}
	ledger_create(4);
	if (pipe(ready_pipe) || pipe(end_pipe))
		fail_errno("pipe");
	for (long left = sockets; left > 0; left -= pair) {
		int number = left < pair ? left : pair;
		int listener = new_listener();
		int port = bound_port(listener);

		children[processes++] = start(listener, port, number);
		close(listener);
		children[processes++] = start(-1, port, number);
	}
	close(ready_pipe[1]);
	for (int i = 0; i < processes; i++)
		if (read(ready_pipe[0], &byte, 1) != 1)
			fail("a process ended early");
	puts("{\"ready\":true}");
	print_line();
	while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n')
		;
	close(end_pipe[1]);
	for (int i = 0; i < processes; i++) {
		int status;

		if (waitpid(children[i], &status, 0) != children[i] || status)
			fail("a process failed");
	}
	print_line();
	return 0;
}
