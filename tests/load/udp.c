// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/* The scenarios over UDP. Loopback drops what finds no room, so nobody is ever far ahead of the receiver. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include "scenarios.h"

static size_t datagram_size(int round)
{
	return 1 + round * 37 % 1400;
}

/* Receives NUMBER datagrams and sends each one's length back to whoever sent it. */
static void echo(struct datagram_socket *s, int number)
{
	for (int i = 0; i < number; i++) {
		struct address from;
		ssize_t length = udp_recv(s, sizeof(buffer), 0, &from);

		if (length < 0)
			fail_errno("recvfrom");
		EXPECT(udp_reply(s, &from, length) == length);
	}
}

static void echo_server(void)
{
	struct datagram_socket s = udp_server();

	say(s.port);
	echo(&s, rounds);
	udp_release(&s);
}

static void connected_client(void)
{
	struct datagram_socket s = udp_client();

	EXPECT(udp_connect(&s, hear()) == 0);
	for (int i = 0; i < rounds; i++) {
		EXPECT(udp_send(&s, 0, datagram_size(i)) == (ssize_t)datagram_size(i));
		EXPECT(udp_recv(&s, sizeof(buffer), 0, NULL) == (ssize_t)datagram_size(i));
	}
	udp_release(&s);
}

static void unconnected_client(void)
{
	struct datagram_socket s = udp_client();
	int port = hear();

	for (int i = 0; i < rounds; i++) {
		struct address from;

		EXPECT(udp_send(&s, port, datagram_size(i)) == (ssize_t)datagram_size(i));
		EXPECT(udp_recv(&s, sizeof(buffer), 0, &from) == (ssize_t)datagram_size(i));
		EXPECT(port_of(&from) == port);
	}
	udp_release(&s);
}

static void recv_noaddr_client(void)
{
	struct datagram_socket s = udp_client();
	int port = hear();

	for (int i = 0; i < rounds; i++) {
		EXPECT(udp_send(&s, port, datagram_size(i)) == (ssize_t)datagram_size(i));
		EXPECT(udp_recv(&s, sizeof(buffer), 0, NULL) == (ssize_t)datagram_size(i));
	}
	udp_release(&s);
}

/* A server that does not ask who sends; it learns that in time to answer the last one. */
static void server_noaddr_server(void)
{
	struct datagram_socket s = udp_server();

	say(s.port);
	for (int i = 0; i < rounds; i++) {
		EXPECT(udp_recv(&s, sizeof(buffer), 0, NULL) == (ssize_t)datagram_size(i));
		say(i);
	}
	echo(&s, 1);
	udp_release(&s);
}

static void server_noaddr_client(void)
{
	struct datagram_socket s = udp_client();
	int port = hear();

	for (int i = 0; i < rounds; i++) {
		EXPECT(udp_send(&s, port, datagram_size(i)) == (ssize_t)datagram_size(i));
		hear();
	}
	EXPECT(udp_send(&s, port, 9) == 9);
	EXPECT(udp_recv(&s, sizeof(buffer), 0, NULL) == 9);
	udp_release(&s);
}

static void zero_length_client(void)
{
	struct datagram_socket s = udp_client();

	EXPECT(udp_connect(&s, hear()) == 0);
	for (int i = 0; i < rounds; i++) {
		EXPECT(udp_send(&s, 0, 0) == 0);
		EXPECT(udp_recv(&s, sizeof(buffer), 0, NULL) == 0);
	}
	udp_release(&s);
}

static void udp_peek_client(void)
{
	struct datagram_socket s = udp_client();
	struct address from;
	int port = hear();

	for (int i = 0; i < rounds; i++) {
		EXPECT(udp_send(&s, port, datagram_size(i)) == (ssize_t)datagram_size(i));
		EXPECT(udp_recv(&s, 1, MSG_PEEK, NULL) == 1);
		EXPECT(udp_recv(&s, sizeof(buffer), MSG_PEEK, &from) == (ssize_t)datagram_size(i));
		EXPECT(udp_recv(&s, sizeof(buffer), 0, &from) == (ssize_t)datagram_size(i));
		EXPECT(udp_recv(&s, sizeof(buffer), MSG_DONTWAIT, &from) < 0 && errno == EAGAIN);
	}
	udp_release(&s);
}

/* One client socket and 16 servers, one server and 64 client sockets. */

#define MANY_SERVERS 16
#define MANY_CLIENTS 64

static void many_peers_client(void)
{
	struct datagram_socket s = udp_client();
	struct datagram_socket clients[MANY_CLIENTS];
	struct address from;
	int ports[MANY_SERVERS];

	for (int i = 0; i < MANY_SERVERS; i++)
		ports[i] = hear();
	for (int i = 0; i < rounds * MANY_SERVERS; i++) {
		int port = ports[i % MANY_SERVERS];

		EXPECT(udp_send(&s, port, datagram_size(i)) == (ssize_t)datagram_size(i));
		EXPECT(udp_recv(&s, sizeof(buffer), 0, &from) == (ssize_t)datagram_size(i));
		EXPECT(port_of(&from) == port);
	}
	udp_release(&s);
	for (int i = 0; i < MANY_CLIENTS; i++)
		clients[i] = udp_client();
	for (int i = 0; i < rounds * MANY_CLIENTS; i++) {
		struct datagram_socket *client = &clients[i % MANY_CLIENTS];

		EXPECT(udp_send(client, ports[0], datagram_size(i)) == (ssize_t)datagram_size(i));
		EXPECT(udp_recv(client, sizeof(buffer), 0, &from) == (ssize_t)datagram_size(i));
	}
	for (int i = 0; i < MANY_CLIENTS; i++)
		udp_release(&clients[i]);
}

static void many_peers_server(void)
{
	struct datagram_socket servers[MANY_SERVERS];

	for (int i = 0; i < MANY_SERVERS; i++) {
		servers[i] = udp_server();
		say(servers[i].port);
	}
	for (int i = 0; i < rounds * MANY_SERVERS; i++)
		echo(&servers[i % MANY_SERVERS], 1);
	echo(&servers[0], rounds * MANY_CLIENTS);
	for (int i = 0; i < MANY_SERVERS; i++)
		udp_release(&servers[i]);
}

/*
 * Four threads send to a peer each, on one socket, while two others receive from whomever. The first datagram is sent
 * before they start: which peer is the socket's first is then no accident.
 */

#define THREAD_PEERS 4
#define WINDOW 16

struct sender {
	struct datagram_socket *socket;
	int number;			/* -1: a receiver */
	const int *ports;
};

static void receive_answers(struct sender *part)
{
	uint64_t *answered = &ledger->counters[THREAD_PEERS];

	while (__atomic_load_n(answered, __ATOMIC_ACQUIRE) < (uint64_t)rounds * THREAD_PEERS) {
		struct address from;
		ssize_t length = udp_recv(part->socket, sizeof(buffer), 0, &from);

		if (length < 0 && errno == EAGAIN)
			continue;
		if (length < 0)
			fail_errno("recvfrom");
		for (int i = 0; i < THREAD_PEERS; i++)
			if (part->ports[i] == port_of(&from))
				__atomic_add_fetch(&ledger->counters[i], 1, __ATOMIC_RELEASE);
		__atomic_add_fetch(answered, 1, __ATOMIC_RELEASE);
	}
}

static void *udp_thread(void *argument)
{
	struct sender *part = argument;

	if (part->number < 0) {
		receive_answers(part);
		return NULL;
	}
	for (int i = 0; i < rounds; i++) {
		while (i - (int)__atomic_load_n(&ledger->counters[part->number], __ATOMIC_ACQUIRE) >= WINDOW)
			sched_yield();
		EXPECT(udp_send(part->socket, part->ports[part->number], 1 + i % 100) == 1 + i % 100);
	}
	return NULL;
}

static void udp_threads_client(void)
{
	struct datagram_socket s = udp_client();
	struct timeval short_wait = { .tv_usec = 20000 };
	struct sender parts[THREAD_PEERS + 2];
	struct address from;
	int ports[THREAD_PEERS];

	for (int i = 0; i < THREAD_PEERS; i++)
		ports[i] = hear();
	EXPECT(udp_send(&s, ports[0], 5) == 5);
	EXPECT(udp_recv(&s, sizeof(buffer), 0, &from) == 5);
	if (setsockopt(s.fd, SOL_SOCKET, SO_RCVTIMEO, &short_wait, sizeof(short_wait)))
		fail_errno("setsockopt SO_RCVTIMEO");
	for (int i = 0; i < THREAD_PEERS + 2; i++)
		parts[i] = (struct sender){ &s, i < THREAD_PEERS ? i : -1, ports };
	run_threads(THREAD_PEERS + 2, udp_thread, parts, sizeof(parts[0]));
	udp_release(&s);
}

struct echoer {
	struct datagram_socket socket;
	int datagrams;
};

static void *echo_thread(void *argument)
{
	struct echoer *echoer = argument;

	echo(&echoer->socket, echoer->datagrams);
	udp_release(&echoer->socket);
	return NULL;
}

static void udp_threads_server(void)
{
	struct echoer echoers[THREAD_PEERS];

	for (int i = 0; i < THREAD_PEERS; i++) {
		echoers[i] = (struct echoer){ udp_server(), rounds + (i == 0) };
		say(echoers[i].socket.port);
	}
	run_threads(THREAD_PEERS, echo_thread, echoers, sizeof(echoers[0]));
}

/* Many datagrams a call: to one peer on a connected socket, and to several on one that is not. */

#define BATCH 32
#define MMSG_PEERS 4

struct batch {
	struct mmsghdr messages[BATCH];
	struct iovec pieces[BATCH];
	struct address peers[BATCH];
};

static void lay_out(struct batch *batch, int with_peers)
{
	memset(batch->messages, 0, sizeof(batch->messages));
	for (int i = 0; i < BATCH; i++) {
		struct msghdr *header = &batch->messages[i].msg_hdr;

		batch->pieces[i] = (struct iovec){ buffer + i * 1400, 1400 };
		header->msg_iov = &batch->pieces[i];
		header->msg_iovlen = 1;
		if (with_peers) {
			batch->peers[i].length = sizeof(batch->peers[i].storage);
			header->msg_name = &batch->peers[i].storage;
			header->msg_namelen = batch->peers[i].length;
		}
	}
}

static void count_batch(struct datagram_socket *s, struct batch *batch, enum operation operation, int done)
{
	for (int i = 0; i < done; i++) {
		int port = batch->messages[i].msg_hdr.msg_name ? port_of(&batch->peers[i]) : 0;

		count_transfer(udp_edge(s, port), operation, batch->messages[i].msg_len);
	}
}

static void send_batch(struct datagram_socket *s, struct batch *batch, int number)
{
	int sent = sendmmsg(s->fd, batch->messages, number, 0);

	if (sent < 0)
		fail_errno("sendmmsg");
	EXPECT(sent == number);
	count_batch(s, batch, SEND, sent);
}

static int recv_batch(struct datagram_socket *s, struct batch *batch)
{
	int received = recvmmsg(s->fd, batch->messages, BATCH, MSG_WAITFORONE, NULL);

	if (received < 0)
		fail_errno("recvmmsg");
	count_batch(s, batch, RECV, received);
	return received;
}

static void mmsg_client(void)
{
	static struct batch batch;
	struct datagram_socket connected = udp_client();
	struct datagram_socket unconnected = udp_client();
	int ports[MMSG_PEERS];

	for (int i = 0; i < MMSG_PEERS; i++)
		ports[i] = hear();
	EXPECT(udp_connect(&connected, ports[0]) == 0);
	for (int round = 0; round < rounds; round++) {
		struct datagram_socket *s = round % 2 ? &unconnected : &connected;

		lay_out(&batch, 0);
		for (int i = 0; i < BATCH; i++) {
			batch.pieces[i].iov_len = datagram_size(round + i);
			if (s == &connected)
				continue;
			batch.peers[i] = loopback(ledger->family, 1, ports[i % MMSG_PEERS]);
			batch.messages[i].msg_hdr.msg_name = &batch.peers[i].storage;
			batch.messages[i].msg_hdr.msg_namelen = batch.peers[i].length;
		}
		send_batch(s, &batch, BATCH);
		for (int left = BATCH; left > 0;) {
			lay_out(&batch, s == &unconnected);
			left -= recv_batch(s, &batch);
		}
	}
	udp_release(&connected);
	udp_release(&unconnected);
}

static void echo_batches(struct datagram_socket *s, int number)
{
	static struct batch batch;

	while (number > 0) {
		int received;

		lay_out(&batch, 1);
		received = recv_batch(s, &batch);
		for (int i = 0; i < received; i++)
			batch.pieces[i].iov_len = batch.messages[i].msg_len;
		send_batch(s, &batch, received);
		number -= received;
	}
}

static void mmsg_server(void)
{
	struct datagram_socket servers[MMSG_PEERS];

	for (int i = 0; i < MMSG_PEERS; i++) {
		servers[i] = udp_server();
		say(servers[i].port);
	}
	for (int round = 0; round < rounds; round++) {
		if (round % 2 == 0)
			echo_batches(&servers[0], BATCH);
		else
			for (int i = 0; i < MMSG_PEERS; i++)
				echo_batches(&servers[i], BATCH / MMSG_PEERS);
	}
	for (int i = 0; i < MMSG_PEERS; i++)
		udp_release(&servers[i]);
}

/* A port where nobody is: found by having been there. */
static int dead_udp_port(void)
{
	struct address address = loopback(ledger->family, 1, 0);
	int fd = socket(domain_of(ledger->family), SOCK_DGRAM, 0);
	int port;

	if (fd < 0 || bind(fd, (void *)&address.storage, address.length))
		fail_errno("bind");
	port = bound_port(fd);
	close(fd);
	return port;
}

/* The refusal comes as an answer, and the next call on the socket is told. */
static void udp_refused_client(void)
{
	int port = dead_udp_port();

	for (int i = 0; i < rounds; i++) {
		struct datagram_socket s = udp_client();

		EXPECT(udp_connect(&s, port) == 0);
		EXPECT(udp_send(&s, 0, 10) == 10);
		EXPECT(udp_recv(&s, 10, 0, NULL) < 0 && errno == ECONNREFUSED);
		if (i % 2) {
			EXPECT(udp_send(&s, 0, 10) == 10);
			EXPECT(udp_send(&s, 0, 10) < 0 && errno == ECONNREFUSED);
		}
		udp_release(&s);
	}
}

static void round_trip(struct datagram_socket *s, int port, size_t length)
{
	struct address from;

	EXPECT(udp_send(s, port, length) == (ssize_t)length);
	EXPECT(udp_recv(s, sizeof(buffer), 0, port ? &from : NULL) == (ssize_t)length);
}

/* Not through udp_edge(): a connected socket's datagrams are its present peer's, its release the first one's. */
static void connected_round_trip(struct datagram_socket *s, int port, size_t length)
{
	struct edge *edge = edge_of(CLIENT, UDP, port);
	ssize_t result = send(s->fd, buffer, length, 0);

	count_transfer(edge, SEND, result);
	EXPECT(result == (ssize_t)length);
	result = recv(s->fd, buffer, sizeof(buffer), 0);
	count_transfer(edge, RECV, result);
	EXPECT(result == (ssize_t)length);
}

static void reconnect_client(void)
{
	int ports[3];

	for (int i = 0; i < 3; i++)
		ports[i] = hear();
	for (int i = 0; i < rounds; i++) {
		struct datagram_socket s = udp_client();
		struct sockaddr nobody = { .sa_family = AF_UNSPEC };

		EXPECT(udp_connect(&s, ports[0]) == 0);
		connected_round_trip(&s, ports[0], 10);
		EXPECT(udp_connect(&s, ports[1]) == 0);
		connected_round_trip(&s, ports[1], 20);
		if (connect(s.fd, &nobody, sizeof(nobody))) /* the end of a connection, not one */
			fail_errno("connect to AF_UNSPEC");
		round_trip(&s, ports[2], 30);
		udp_release(&s);
	}
}

static void three_server(void)
{
	struct datagram_socket servers[3];

	for (int i = 0; i < 3; i++) {
		servers[i] = udp_server();
		say(servers[i].port);
	}
	for (int i = 0; i < rounds * 3; i++)
		echo(&servers[i % 3], 1);
	for (int i = 0; i < 3; i++)
		udp_release(&servers[i]);
}

/* Nobody answers and nothing is sent: the port need not be anyone's. */
static void connect_only_client(void)
{
	int port = dead_udp_port();

	for (int i = 0; i < rounds; i++) {
		struct datagram_socket s = udp_client();

		EXPECT(udp_connect(&s, port) == 0);
		udp_release(&s);
	}
}

/* More than a datagram can hold, refused early (over 65535 bytes) and late (what the headers leave no room for). */
static void message_size_client(void)
{
	struct datagram_socket s = udp_client();
	static char large[70000];

	EXPECT(udp_connect(&s, hear()) == 0);
	for (int i = 0; i < rounds; i++) {
		ssize_t result;

		round_trip(&s, 0, 10);
		result = send(s.fd, large, i % 2 ? sizeof(large) : 65530, 0);
		count_transfer(s.edge, SEND, result);
		EXPECT(result < 0 && errno == EMSGSIZE);
	}
	udp_release(&s);
}

const struct scenario udp_scenarios[] = {
	{ "zero_length_datagrams", zero_length_client, echo_server, 50, BY_SEND, BY_RECV, 0 },
	{ "udp_connected", connected_client, echo_server, 200, BY_SEND, BY_RECV, 0 },
	{ "udp_unconnected", unconnected_client, echo_server, 200, BY_SEND, BY_RECV, 0 },
	{ "udp_unconnected_recv_noaddr", recv_noaddr_client, echo_server, 200, BY_SEND, BY_RECV, 0 },
	{ "udp_server_recv_noaddr", server_noaddr_client, server_noaddr_server, 50, BY_SEND, BY_RECV, 0 },
	{ "udp_peek", udp_peek_client, echo_server, 50, BY_SEND, BY_RECV, 0 },
	{ "udp_many_peers", many_peers_client, many_peers_server, 5, BY_SEND, BY_RECV, 0 },
	{ "udp_threads", udp_threads_client, udp_threads_server, 500, BY_SEND, BY_RECV, 0 },
	{ "udp_mmsg", mmsg_client, mmsg_server, 20, BY_SEND, BY_RECV, 0 },
	{ "udp_refused", udp_refused_client, NULL, 10, BY_SEND, BY_RECV, 1 },
	{ "udp_reconnect", reconnect_client, three_server, 10, BY_SEND, BY_RECV, 0 },
	{ "udp_connect_only", connect_only_client, NULL, 10, BY_SEND, BY_RECV, 0 },
	{ "udp_message_size", message_size_client, echo_server, 10, BY_SEND, BY_RECV, 0 },
	{ 0 },
};
