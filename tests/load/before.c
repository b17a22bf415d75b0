// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * before [--connections 1000] [--datagrams 50] [--rounds 3]: opens sockets and uses them, prints {"client":PID,"server":PID},
 * and waits for a line (or the end) on stdin. Only what it does from then on is in the ledger: it uses every socket again,
 * closes all of them, and prints the truth. What an agent that is started in between has to count.
 *
 * TCP connections, and UDP sockets to one server: connected ones, and as many that are not. The server owes each an answer
 * when the line comes, so that the first thing it is seen to do is to send.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ledger.h"

#define GO 0		/* ledger->counters: set when the line has come */
#define MAX_SIZE 1000

static int connections, datagrams, rounds;
static int ready_pipe[2];
static int go_pipe[2];

static void tally(struct edge *edge, enum operation operation, ssize_t result)
{
	if (__atomic_load_n(&ledger->counters[GO], __ATOMIC_ACQUIRE))
		count_transfer(edge, operation, result);
}

static int request_size(int i)
{
	return 10 + i % 90;
}

static int reply_size(int i)
{
	return 100 + i % 900;
}

static void send_bytes(int fd, struct edge *edge, int size, const struct address *to)
{
	static const char data[MAX_SIZE];
	ssize_t sent = sendto(fd, data, size, MSG_NOSIGNAL, to ? (void *)&to->storage : NULL, to ? to->length : 0);

	tally(edge, SEND, sent);
	if (sent != size)
		fail_errno("send");
}

/* Asks who sent it: of an unconnected socket nobody would know otherwise. */
static void recv_bytes(int fd, struct edge *edge, int size)
{
	char data[MAX_SIZE];

	while (size > 0) {
		struct address peer = { .length = sizeof(peer.storage) };
		ssize_t received = recvfrom(fd, data, size, 0, (void *)&peer.storage, &peer.length);

		tally(edge, RECV, received);
		if (received <= 0)
			fail_errno("recv");
		size -= received;
	}
}

static void release(int fd, struct edge *edge)
{
	close(fd);
	count(edge, RELEASE, 0);
}

static void say_ready_and_wait(void)
{
	char byte;

	if (write(ready_pipe[1], "", 1) != 1)
		fail_errno("write");
	if (read(go_pipe[0], &byte, 1) < 0) /* ends when the parent closes its side */
		fail_errno("read");
}

static void serve_tcp_round(const int *fds, struct edge *edge)
{
	for (int i = 0; i < connections; i++) {
		recv_bytes(fds[i], edge, request_size(i));
		send_bytes(fds[i], edge, reply_size(i), NULL);
	}
}

static void serve_udp_question(int fd, struct edge *edge, struct address *peer)
{
	char data[MAX_SIZE];
	ssize_t received;

	peer->length = sizeof(peer->storage);
	received = recvfrom(fd, data, sizeof(data), 0, (void *)&peer->storage, &peer->length);
	tally(edge, RECV, received);
	if (received <= 0)
		fail_errno("recvfrom");
}

static void serve(int listener, int port, int udp, int udp_port)
{
	struct edge *tcp_edge = edge_of(SERVER, TCP, port);
	struct edge *udp_edge = edge_of(SERVER, UDP, udp_port);
	struct address *owed = calloc(2 * datagrams, sizeof(*owed));
	int *fds = calloc(connections, sizeof(*fds));
	char byte;

	for (int i = 0; i < connections; i++) {
		/* They need not come in the order in which they were connected: the last packet of each handshake is another CPU's. */
		int fd = accept(listener, NULL, NULL), which;

		if (fd < 0 || recv(fd, &which, sizeof(which), MSG_WAITALL) != sizeof(which))
			fail_errno("accept");
		fds[which] = fd;
	}
	serve_tcp_round(fds, tcp_edge);
	for (int i = 0; i < 2 * datagrams; i++)
		serve_udp_question(udp, udp_edge, &owed[i]);
	say_ready_and_wait();

	for (int i = 0; i < 2 * datagrams; i++)
		send_bytes(udp, udp_edge, reply_size(i), &owed[i]);
	for (int round = 0; round < rounds; round++) {
		serve_tcp_round(fds, tcp_edge);
		for (int i = 0; i < 2 * datagrams; i++) {
			serve_udp_question(udp, udp_edge, &owed[i]);
			send_bytes(udp, udp_edge, reply_size(i), &owed[i]);
		}
	}
	for (int i = 0; i < connections; i++) {
		ssize_t received = recv(fds[i], &byte, 1, 0); /* the client closes first */

		tally(tcp_edge, RECV, received);
		if (received)
			fail_errno("recv at the end");
		release(fds[i], tcp_edge);
	}
	release(udp, udp_edge);
}

static void use_tcp_round(const int *fds, struct edge *edge)
{
	for (int i = 0; i < connections; i++) {
		send_bytes(fds[i], edge, request_size(i), NULL);
		recv_bytes(fds[i], edge, reply_size(i));
	}
}

static void ask(int fd, struct edge *edge, int i, const struct address *server)
{
	send_bytes(fd, edge, request_size(i), i < datagrams ? NULL : server);
}

static void use(int port, int udp_port)
{
	struct edge *tcp_edge = edge_of(CLIENT, TCP, port);
	struct edge *udp_edge = edge_of(CLIENT, UDP, udp_port);
	struct address server = loopback(4, 1, port), udp_server = loopback(4, 1, udp_port);
	int *fds = calloc(connections, sizeof(*fds));
	int *udp = calloc(2 * datagrams, sizeof(*udp));

	for (int i = 0; i < connections; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (fds[i] < 0 || connect(fds[i], (void *)&server.storage, server.length))
			fail_errno("connect");
		if (send(fds[i], &i, sizeof(i), 0) != sizeof(i))
			fail_errno("send");
	}
	use_tcp_round(fds, tcp_edge);
	for (int i = 0; i < 2 * datagrams; i++) {
		udp[i] = socket(AF_INET, SOCK_DGRAM, 0);
		if (udp[i] < 0 || (i < datagrams && connect(udp[i], (void *)&udp_server.storage, udp_server.length)))
			fail_errno("UDP connect");
		ask(udp[i], udp_edge, i, &udp_server);
	}
	say_ready_and_wait();

	for (int i = 0; i < 2 * datagrams; i++)
		recv_bytes(udp[i], udp_edge, reply_size(i));
	for (int round = 0; round < rounds; round++) {
		use_tcp_round(fds, tcp_edge);
		for (int i = 0; i < 2 * datagrams; i++) {
			ask(udp[i], udp_edge, i, &udp_server);
			recv_bytes(udp[i], udp_edge, reply_size(i));
		}
	}
	for (int i = 0; i < connections; i++)
		release(fds[i], tcp_edge);
	for (int i = 0; i < 2 * datagrams; i++)
		release(udp[i], udp_edge);
}

static int bound(int type)
{
	struct address address = loopback(4, 1, 0);
	int fd = socket(AF_INET, type, 0);

	if (fd < 0 || bind(fd, (void *)&address.storage, address.length) || (type == SOCK_STREAM && listen(fd, 4096)))
		fail_errno("bind");
	return fd;
}

static pid_t start(int listener, int port, int udp, int udp_port)
{
	pid_t child = fork();

	if (child < 0)
		fail_errno("fork");
	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(go_pipe[1]);
	if (listener >= 0) {
		serve(listener, port, udp, udp_port);
	} else {
		use(port, udp_port);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	int listener, udp, port, udp_port;
	pid_t children[2];
	char byte;

	name_program(argv[0]);
	activity = "before";
	connections = option(argc, argv, "--connections", 1000);
	datagrams = option(argc, argv, "--datagrams", 50);
	rounds = option(argc, argv, "--rounds", 3);
	raise_file_limit();
	ledger_create(4);
	if (pipe(ready_pipe) || pipe(go_pipe))
		fail_errno("pipe");
	listener = bound(SOCK_STREAM);
	udp = bound(SOCK_DGRAM);
	port = bound_port(listener);
	udp_port = bound_port(udp);
	children[1] = start(listener, port, udp, udp_port);
	close(listener);
	close(udp);
	children[0] = start(-1, port, -1, udp_port);
	close(ready_pipe[1]);
	for (int i = 0; i < 2; i++)
		if (read(ready_pipe[0], &byte, 1) != 1)
			fail("a process ended early");
	printf("{\"client\":%d,\"server\":%d}\n", children[0], children[1]);
	fflush(stdout);

	while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n')
		;
	__atomic_store_n(&ledger->counters[GO], 1, __ATOMIC_RELEASE);
	close(go_pipe[1]);
	for (int i = 0; i < 2; i++) {
		int status;

		if (waitpid(children[i], &status, 0) != children[i] || status)
			fail("a process failed");
	}
	printf("{");
	print_truth(stdout, "before");
	printf("}\n");
	return 0;
}
