// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/* Socket calls that enter their results in the ledger. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>
#include "sockets.h"
#include "uring.h"

#define PIECES 4

char buffer[LARGEST_TRANSFER];

void set_blocking(int fd, int blocking)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK))
		fail_errno("fcntl");
}

void await(int fd, int events)
{
	struct pollfd wanted = { .fd = fd, .events = events };
	int ready;

	do
		ready = poll(&wanted, 1, 5000);
	while (ready < 0 && errno == EINTR);
	if (ready != 1)
		fail("nothing happened on descriptor %d", fd);
}

static int new_socket(int type)
{
	int fd = socket(domain_of(ledger->family), type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail_errno("socket");
	return fd;
}

static void bind_loopback(int fd, int port)
{
	struct address address = loopback(ledger->family, 1, port);

	if (bind(fd, (void *)&address.storage, address.length))
		fail_errno("bind");
}

struct tcp_listener tcp_listen(int backlog)
{
	struct tcp_listener listener = { .fd = new_socket(SOCK_STREAM) };

	bind_loopback(listener.fd, 0);
	if (listen(listener.fd, backlog))
		fail_errno("listen");
	listener.port = bound_port(listener.fd);
	return listener;
}

int dead_tcp_port(int *keeper)
{
	*keeper = new_socket(SOCK_STREAM);
	bind_loopback(*keeper, 0);
	return bound_port(*keeper);
}

/* Or the second of two small sends waits 40 ms for a delayed acknowledgement. */
static void send_at_once(int fd)
{
	int yes = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)))
		fail_errno("setsockopt TCP_NODELAY");
}

struct connection tcp_socket(void)
{
	struct connection connection = { .fd = new_socket(SOCK_STREAM) };

	send_at_once(connection.fd);
	return connection;
}

int try_connect(struct connection *connection, const struct address *address)
{
	int error;

	connection->edge = edge_of(CLIENT, TCP, port_of(address));
	error = connect(connection->fd, (const void *)&address->storage, address->length) ? errno : 0;
	if (error != EINPROGRESS)
		count(connection->edge, CONNECT, error);
	return error;
}

int try_connect_in_background(struct connection *connection, const struct address *address)
{
	int error;
	socklen_t size = sizeof(error);

	set_blocking(connection->fd, 0);
	error = try_connect(connection, address);
	if (error != EINPROGRESS)
		return error;
	await(connection->fd, POLLOUT);
	if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size))
		fail_errno("getsockopt SO_ERROR");
	count(connection->edge, CONNECT, error);
	return error;
}

struct connection tcp_connect(int port)
{
	struct connection connection = tcp_socket();
	struct address address = loopback(ledger->family, 1, port);

	if (try_connect(&connection, &address))
		fail_errno("connect");
	return connection;
}

struct connection tcp_accept(const struct tcp_listener *listener)
{
	struct connection connection = { .edge = edge_of(SERVER, TCP, listener->port) };

	do
		connection.fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
	while (connection.fd < 0 && errno == EINTR);
	if (connection.fd < 0 && errno != EAGAIN)
		fail_errno("accept");
	if (connection.fd >= 0) {
		count(connection.edge, ACCEPT, 0);
		note_acceptor(listener->port, 0);
		send_at_once(connection.fd);
	}
	return connection;
}

void release(struct connection *connection)
{
	if (close(connection->fd))
		fail_errno("close");
	count(connection->edge, RELEASE, 0);
	connection->fd = -1;
}

/* Cuts the shared buffer into pieces that add up to LENGTH. */
static int cut(struct iovec *pieces, size_t length)
{
	int number = 0;

	for (size_t at = 0; at < length; number++) {
		size_t size = number == PIECES - 1 ? length - at : (length - at + 1) / 2;

		pieces[number] = (struct iovec){ buffer + at, size };
		at += size;
	}
	return number;
}

static ssize_t count_messages(struct edge *edge, enum operation operation, const struct mmsghdr *messages, int number)
{
	ssize_t sum = 0;

	if (number < 0) {
		count_transfer(edge, operation, -1);
		return -1;
	}
	for (int i = 0; i < number; i++) {
		count_transfer(edge, operation, messages[i].msg_len);
		sum += messages[i].msg_len;
	}
	return sum;
}

static int a_file(void)
{
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("file", MFD_CLOEXEC);
		if (fd < 0 || write(fd, buffer, sizeof(buffer)) != sizeof(buffer))
			fail_errno("memfd for sendfile");
	}
	return fd;
}

static int *a_pipe(void)
{
	static int ends[2] = { -1, -1 };

	if (ends[0] < 0 && pipe2(ends, O_CLOEXEC))
		fail_errno("pipe");
	return ends;
}

static ssize_t splice_to(struct connection *connection, size_t length)
{
	int *ends = a_pipe();
	ssize_t filled = write(ends[1], buffer, length);
	ssize_t sum = 0;

	if (filled < 0)
		fail_errno("write to pipe");
	while (sum < filled) {
		ssize_t moved = splice(ends[0], NULL, connection->fd, NULL, filled - sum, 0);

		if (moved <= 0)
			fail_errno("splice to socket");
		sum += moved;
	}
	return sum;
}

static ssize_t splice_from(struct connection *connection, size_t length)
{
	int *ends = a_pipe();
	ssize_t moved = splice(connection->fd, NULL, ends[1], NULL, length, 0);

	for (ssize_t left = moved; left > 0;) {
		char drain[4096];
		ssize_t size = read(ends[0], drain, left < (ssize_t)sizeof(drain) ? left : (ssize_t)sizeof(drain));

		if (size <= 0)
			fail_errno("read from pipe");
		left -= size;
	}
	return moved;
}

ssize_t send_some(struct connection *connection, enum how how, size_t length)
{
	struct iovec pieces[PIECES];
	struct msghdr message = { .msg_iov = pieces };
	struct mmsghdr messages[PIECES] = {};
	ssize_t result = -1;
	int number;

	switch (how) {
	case BY_SEND:
		return send_flags(connection, length, 0);
	case BY_WRITE:
		result = write(connection->fd, buffer, length);
		break;
	case BY_WRITEV:
		number = cut(pieces, length);
		result = writev(connection->fd, pieces, number);
		break;
	case BY_SENDMSG:
		message.msg_iovlen = cut(pieces, length);
		result = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
		break;
	case BY_SENDMMSG:
		number = cut(pieces, length);
		for (int i = 0; i < number; i++)
			messages[i].msg_hdr = (struct msghdr){ .msg_iov = &pieces[i], .msg_iovlen = 1 };
		number = sendmmsg(connection->fd, messages, number, MSG_NOSIGNAL);
		return count_messages(connection->edge, SEND, messages, number);
	case BY_SENDFILE:
		mark_unknown(connection->edge, SEND);
		result = sendfile(connection->fd, a_file(), &(off_t){ 0 }, length);
		break;
	case BY_SPLICE_IN:
		mark_unknown(connection->edge, SEND);
		result = splice_to(connection, length);
		break;
	case BY_URING_SEND:
		result = uring_send(connection->fd, buffer, length);
		break;
	default:
		fail("no such way to send");
	}
	count_transfer(connection->edge, SEND, result);
	return result;
}

ssize_t recv_some(struct connection *connection, enum how how, size_t length)
{
	struct iovec pieces[PIECES];
	struct msghdr message = { .msg_iov = pieces };
	struct mmsghdr messages[PIECES] = {};
	ssize_t result = -1;
	int number;

	switch (how) {
	case BY_RECV:
		return recv_flags(connection, length, 0);
	case BY_READ:
		result = read(connection->fd, buffer, length);
		break;
	case BY_READV:
		number = cut(pieces, length);
		result = readv(connection->fd, pieces, number);
		break;
	case BY_RECVMSG:
		message.msg_iovlen = cut(pieces, length);
		result = recvmsg(connection->fd, &message, 0);
		break;
	case BY_RECVMMSG:
		number = cut(pieces, length);
		for (int i = 0; i < number; i++)
			messages[i].msg_hdr = (struct msghdr){ .msg_iov = &pieces[i], .msg_iovlen = 1 };
		number = recvmmsg(connection->fd, messages, number, MSG_WAITFORONE, NULL);
		return count_messages(connection->edge, RECV, messages, number);
	case BY_SPLICE_OUT:
		mark_unknown(connection->edge, RECV);
		result = splice_from(connection, length);
		break;
	case BY_URING_RECV:
		result = uring_recv(connection->fd, buffer, length);
		break;
	default:
		fail("no such way to receive");
	}
	count_transfer(connection->edge, RECV, result);
	return result;
}

void send_all(struct connection *connection, enum how how, size_t length)
{
	while (length > 0) {
		ssize_t sent = send_some(connection, how, length < sizeof(buffer) ? length : sizeof(buffer));

		if (sent < 0)
			fail_errno("send");
		length -= sent;
	}
}

void recv_exactly(struct connection *connection, enum how how, size_t length)
{
	while (length > 0) {
		ssize_t received = recv_some(connection, how, length < sizeof(buffer) ? length : sizeof(buffer));

		if (received < 0)
			fail_errno("recv");
		if (!received)
			fail("the peer closed %zu bytes early", length);
		length -= received;
	}
}

void recv_end(struct connection *connection, enum how how)
{
	ssize_t received = recv_some(connection, how, sizeof(buffer));

	if (received < 0)
		fail_errno("recv at the end");
	if (received)
		fail("%zd bytes where the end was expected", received);
}

ssize_t send_flags(struct connection *connection, size_t length, int flags)
{
	ssize_t result = send(connection->fd, buffer, length, flags | MSG_NOSIGNAL);

	count_transfer(connection->edge, SEND, result);
	return result;
}

ssize_t recv_flags(struct connection *connection, size_t length, int flags)
{
	ssize_t result = recv(connection->fd, buffer, length, flags);

	if (!(flags & (MSG_PEEK | MSG_ERRQUEUE)))
		count_transfer(connection->edge, RECV, result);
	return result;
}

struct datagram_socket udp_server(void)
{
	struct datagram_socket s = { .fd = new_socket(SOCK_DGRAM), .role = SERVER };

	bind_loopback(s.fd, 0);
	s.port = bound_port(s.fd);
	s.edge = edge_of(SERVER, UDP, s.port);
	return s;
}

struct datagram_socket udp_client(void)
{
	return (struct datagram_socket){ .fd = new_socket(SOCK_DGRAM), .role = CLIENT };
}

struct edge *udp_edge(struct datagram_socket *s, int port)
{
	struct edge *edge;

	if (s->role == SERVER || !port) {
		if (!s->edge)
			fail("a datagram without a peer");
		return s->edge;
	}
	edge = edge_of(CLIENT, UDP, port);
	if (!s->edge)
		s->edge = edge;
	return edge;
}

int udp_connect(struct datagram_socket *s, int port)
{
	struct address address = loopback(ledger->family, 1, port);
	int error = connect(s->fd, (void *)&address.storage, address.length) ? errno : 0;

	count(udp_edge(s, port), CONNECT, error);
	return error;
}

ssize_t udp_send(struct datagram_socket *s, int port, size_t length)
{
	struct address address = loopback(ledger->family, 1, port);
	ssize_t result;

	if (port)
		result = sendto(s->fd, buffer, length, 0, (void *)&address.storage, address.length);
	else
		result = send(s->fd, buffer, length, 0);
	count_transfer(udp_edge(s, port), SEND, result);
	return result;
}

ssize_t udp_recv(struct datagram_socket *s, size_t length, int flags, struct address *from)
{
	ssize_t result;

	if (from) {
		from->length = sizeof(from->storage);
		result = recvfrom(s->fd, buffer, length, flags, (void *)&from->storage, &from->length);
	} else {
		result = recv(s->fd, buffer, length, flags);
	}
	if (!(flags & (MSG_PEEK | MSG_ERRQUEUE)))
		count_transfer(udp_edge(s, from && result >= 0 ? port_of(from) : 0), RECV, result);
	return result;
}

ssize_t udp_reply(struct datagram_socket *s, const struct address *to, size_t length)
{
	ssize_t result = sendto(s->fd, buffer, length, 0, (const void *)&to->storage, to->length);

	count_transfer(udp_edge(s, port_of(to)), SEND, result);
	return result;
}

void udp_release(struct datagram_socket *s)
{
	if (close(s->fd))
		fail_errno("close");
	if (s->edge)
		count(s->edge, RELEASE, 0);
	s->fd = -1;
}
