// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/* The scenarios over TCP, each a client's and a server's half. */
#define _GNU_SOURCE
#include <errno.h>
#include <time.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "scenarios.h"
#include "uring.h"

#define BACKLOG 128

/* Uneven on purpose: a transfer takes one call or several. */
static size_t request_size(int round)
{
	return 1 + round * 7919 % 30000;
}

static size_t reply_size(int round)
{
	return 1 + round * 10473 % 15000;
}

/* Requests and replies in turn, by the calls that the table names. */

static void request_and_reply(struct connection *connection)
{
	for (int i = 0; i < rounds; i++) {
		send_all(connection, scenario->send_how, request_size(i));
		recv_exactly(connection, scenario->recv_how, reply_size(i));
	}
}

static void answer(struct connection *connection)
{
	for (int i = 0; i < rounds; i++) {
		recv_exactly(connection, scenario->recv_how, request_size(i));
		send_all(connection, scenario->send_how, reply_size(i));
	}
	recv_end(connection, scenario->recv_how);
}

static void exchange_client(void)
{
	struct connection connection = tcp_connect(hear());

	request_and_reply(&connection);
	release(&connection);
}

static void exchange_server(void)
{
	struct tcp_listener listener = tcp_listen(BACKLOG);
	struct connection connection;

	say(listener.port);
	connection = tcp_accept(&listener);
	answer(&connection);
	release(&connection);
	close(listener.fd);
}

static void uring_client(void)
{
	struct connection connection;
	struct address address;
	int port = hear();
	int error = uring_open();

	if (error)
		skip(strerror(error));
	say(0);
	connection = tcp_socket();
	address = loopback(ledger->family, 1, port);
	connection.edge = edge_of(CLIENT, TCP, port);
	if (uring_connect(connection.fd, (void *)&address.storage, address.length))
		fail_errno("connect by io_uring");
	count(connection.edge, CONNECT, 0);
	request_and_reply(&connection);
	release(&connection);
	uring_close();
}

static void uring_server(void)
{
	struct tcp_listener listener = tcp_listen(BACKLOG);
	struct connection connection = { .edge = edge_of(SERVER, TCP, listener.port) };

	say(listener.port);
	hear();
	if (uring_open())
		fail_errno("io_uring_setup");
	connection.fd = uring_accept(listener.fd);
	if (connection.fd < 0)
		fail_errno("accept by io_uring");
	count(connection.edge, ACCEPT, 0);
	note_acceptor(listener.port, 0);
	answer(&connection);
	release(&connection);
	close(listener.fd);
	uring_close();
}

/* Looking at data is not receiving it. */

static void peek_server(void)
{
	struct tcp_listener listener = tcp_listen(BACKLOG);
	struct connection connection;

	say(listener.port);
	connection = tcp_accept(&listener);
	for (int i = 0; i < rounds; i++) {
		EXPECT(recv_flags(&connection, 1, MSG_PEEK) == 1);
		EXPECT(recv_flags(&connection, sizeof(buffer), MSG_PEEK) > 0);
		recv_exactly(&connection, BY_RECV, request_size(i));
		send_all(&connection, BY_SEND, reply_size(i));
	}
	EXPECT(recv_flags(&connection, 1, MSG_PEEK) == 0);
	recv_end(&connection, BY_RECV);
	release(&connection);
	close(listener.fd);
}

/* MSG_TRUNC on TCP throws data away, and is a receive of it; on UDP it returns the datagram's length. */

#define TRUNCATED_MESSAGE 1000

static void trunc_client(void)
{
	struct connection connection = tcp_connect(hear());
	struct datagram_socket datagrams = udp_client();
	int udp_port = hear();

	for (int i = 0; i < rounds; i++) {
		send_all(&connection, BY_SEND, TRUNCATED_MESSAGE);
		recv_exactly(&connection, BY_RECV, 1);
		EXPECT(udp_send(&datagrams, udp_port, TRUNCATED_MESSAGE) == TRUNCATED_MESSAGE);
		hear();
	}
	release(&connection);
	udp_release(&datagrams);
}

static void trunc_server(void)
{
	struct tcp_listener listener = tcp_listen(BACKLOG);
	struct datagram_socket datagrams = udp_server();
	struct connection connection;

	say(listener.port);
	say(datagrams.port);
	connection = tcp_accept(&listener);
	for (int i = 0; i < rounds; i++) {
		for (int left = TRUNCATED_MESSAGE; left > 0;) {
			ssize_t dropped = recv_flags(&connection, left < 300 ? left : 300, MSG_TRUNC);

			EXPECT(dropped > 0);
			left -= dropped;
		}
		send_all(&connection, BY_SEND, 1);
		if (i % 2)
			EXPECT(udp_recv(&datagrams, 10, MSG_TRUNC, NULL) == TRUNCATED_MESSAGE);
		else
			EXPECT(udp_recv(&datagrams, 10, 0, NULL) == 10);
		say(i);
	}
	recv_end(&connection, BY_RECV);
	release(&connection);
	udp_release(&datagrams);
	close(listener.fd);
}

#define PARTIAL_BYTES (4 << 20)

static void partial_client(void)
{
	struct connection connection = tcp_connect(hear());
	int size = 16384, partial = 0, blocked = 0;

	if (setsockopt(connection.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)))
		fail_errno("setsockopt SO_SNDBUF");
	set_blocking(connection.fd, 0);
	for (size_t left = PARTIAL_BYTES; left > 0;) {
		size_t wanted = left < sizeof(buffer) ? left : sizeof(buffer);
		ssize_t sent = send_flags(&connection, wanted, 0);

		if (sent < 0) {
			if (errno != EAGAIN)
				fail_errno("send");
			blocked++;
			await(connection.fd, POLLOUT);
			continue;
		}
		partial += (size_t)sent < wanted;
		left -= sent;
	}
	EXPECT(partial > 0 && blocked > 0);
	release(&connection);
}

static void partial_server(void)
{
	struct tcp_listener listener = tcp_listen(BACKLOG);
	struct connection connection;

	say(listener.port);
	connection = tcp_accept(&listener);
	for (size_t left = PARTIAL_BYTES; left > 0;) {
		ssize_t received = recv_flags(&connection, 16384, 0);

		EXPECT(received > 0);
		left -= received;
		usleep(50); /* slower than the sender */
	}
	recv_end(&connection, BY_RECV);
	release(&connection);
	close(listener.fd);
}

/* What would only have blocked is no operation. */

static void nonblocking_client(void)
{
	int port = hear();

	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_socket();
		struct address address = loopback(ledger->family, 1, port);

		if (try_connect_in_background(&connection, &address))
			fail("the connect in the background failed");
		EXPECT(recv_flags(&connection, 100, 0) < 0 && errno == EAGAIN);
		send_all(&connection, BY_SEND, 100);
		await(connection.fd, POLLIN);
		EXPECT(recv_flags(&connection, 50, 0) == 50);
		EXPECT(recv_flags(&connection, 50, 0) < 0 && errno == EAGAIN);
		release(&connection);
	}
}

static void nonblocking_server(void)
{
	struct tcp_listener listener = tcp_listen(BACKLOG);

	set_blocking(listener.fd, 0);
	say(listener.port);
	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_accept(&listener);

		while (connection.fd < 0) {
			await(listener.fd, POLLIN);
			connection = tcp_accept(&listener);
		}
		set_blocking(connection.fd, 0);
		await(connection.fd, POLLIN);
		EXPECT(recv_flags(&connection, 100, 0) == 100);
		EXPECT(send_flags(&connection, 50, 0) == 50);
		await(connection.fd, POLLIN);
		recv_end(&connection, BY_RECV);
		release(&connection);
	}
	close(listener.fd);
}

static void accept_only_client(void)
{
	int port = hear();

	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_connect(port);

		hear();
		release(&connection);
	}
}

static void accept_only_server(void)
{
	struct tcp_listener listener = tcp_listen(BACKLOG);

	say(listener.port);
	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_accept(&listener);

		release(&connection);
		say(i);
	}
	close(listener.fd);
}

static void shutdown_client(void)
{
	int port = hear();

	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_connect(port);

		if (i % 2) {
			if (shutdown(connection.fd, SHUT_RD))
				fail_errno("shutdown");
			recv_end(&connection, BY_RECV);
			send_all(&connection, BY_SEND, 100);
			if (shutdown(connection.fd, SHUT_WR))
				fail_errno("shutdown");
		} else {
			send_all(&connection, BY_SEND, 100);
			if (shutdown(connection.fd, SHUT_WR))
				fail_errno("shutdown");
			EXPECT(send_flags(&connection, 10, 0) < 0 && errno == EPIPE);
			recv_exactly(&connection, BY_RECV, 200);
			recv_end(&connection, BY_RECV);
			recv_end(&connection, BY_RECV);
		}
		hear();
		release(&connection);
	}
}

static void shutdown_server(void)
{
	struct tcp_listener listener = tcp_listen(BACKLOG);

	say(listener.port);
	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_accept(&listener);

		recv_exactly(&connection, BY_RECV, 100);
		recv_end(&connection, BY_RECV);
		if (i % 2 == 0)
			send_all(&connection, BY_SEND, 200);
		release(&connection);
		say(i);
	}
	close(listener.fd);
}

static void reset_client(void)
{
	int port = hear();

	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_connect(port);

		send_all(&connection, BY_SEND, 10);
		EXPECT(recv_flags(&connection, 10, 0) < 0 && errno == ECONNRESET);
		EXPECT(send_flags(&connection, 10, 0) < 0 && errno == EPIPE);
		release(&connection);
	}
}

static void reset_server(void)
{
	struct tcp_listener listener = tcp_listen(BACKLOG);
	struct linger at_once = { .l_onoff = 1 };

	say(listener.port);
	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_accept(&listener);

		recv_exactly(&connection, BY_RECV, 10);
		if (setsockopt(connection.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)))
			fail_errno("setsockopt SO_LINGER");
		release(&connection);
	}
	close(listener.fd);
}

static void unread_client(void)
{
	int port = hear();

	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_connect(port);

		send_all(&connection, BY_SEND, 1000);
		EXPECT(recv_flags(&connection, 10, 0) < 0 && errno == ECONNRESET);
		release(&connection);
	}
}

static void unread_server(void)
{
	struct tcp_listener listener = tcp_listen(BACKLOG);

	say(listener.port);
	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_accept(&listener);

		await(connection.fd, POLLIN);
		if (i % 2) /* some of it read, some not */
			recv_exactly(&connection, BY_RECV, 100);
		release(&connection);
	}
	close(listener.fd);
}

/* Connects that fail. */

static void refused_client(void)
{
	int keeper;
	int port = dead_tcp_port(&keeper);
	struct address address = loopback(ledger->family, 1, port);

	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_socket();

		EXPECT(try_connect(&connection, &address) == ECONNREFUSED);
		if (i % 3 == 1) /* a socket may try again */
			EXPECT(try_connect(&connection, &address) == ECONNREFUSED);
		if (i % 3 == 2)
			EXPECT(try_connect_in_background(&connection, &address) == ECONNREFUSED);
		release(&connection);
	}
	close(keeper);
}

static void not_connected_client(void)
{
	int keeper;
	int port = dead_tcp_port(&keeper);
	struct address address = loopback(ledger->family, 1, port);

	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_socket();

		EXPECT(try_connect(&connection, &address) == ECONNREFUSED);
		EXPECT(recv_flags(&connection, 10, 0) < 0 && errno == ENOTCONN);
		EXPECT(send_flags(&connection, 10, 0) < 0 && errno == EPIPE);
		release(&connection);
	}
	close(keeper);
}

/* An address that the kernel refuses by itself: no packet leaves, whatever the machine's routes are. */
static struct address unreachable_address(int port)
{
	struct address address = loopback(ledger->family, 1, port);

	if (ledger->family == 4) {
		((struct sockaddr_in *)&address.storage)->sin_addr.s_addr = INADDR_BROADCAST;
	} else {
		struct in6_addr *ipv6 = &((struct sockaddr_in6 *)&address.storage)->sin6_addr;

		memset(ipv6, 0, sizeof(*ipv6));
		if (ledger->family == 6) { /* ff02::1 */
			ipv6->s6_addr[0] = 0xff;
			ipv6->s6_addr[1] = 2;
			ipv6->s6_addr[15] = 1;
		} else { /* ::ffff:255.255.255.255 */
			memset(&ipv6->s6_addr[10], 0xff, 6);
		}
	}
	return address;
}

static void unreachable_client(void)
{
	int keeper;
	struct address address = unreachable_address(dead_tcp_port(&keeper));

	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_socket();

		EXPECT(try_connect(&connection, &address) == ENETUNREACH);
		release(&connection);
	}
	close(keeper);
}

/* A listener with room for one, and that one in it: it answers nobody else. */

static struct connection fill_backlog(int port)
{
	struct connection filler = tcp_connect(port);

	hear();
	return filler;
}

static void full_server(void)
{
	struct tcp_listener listener = tcp_listen(0);

	say(listener.port);
	await(listener.fd, POLLIN);
	say(0);
	hear();
	close(listener.fd);
}

static void timed_out_client(void)
{
	int port = hear();
	struct connection filler = fill_backlog(port);
	struct connection connection = tcp_socket();
	struct address address = loopback(ledger->family, 1, port);
	int attempts = 1;

	if (setsockopt(connection.fd, IPPROTO_TCP, TCP_SYNCNT, &attempts, sizeof(attempts)))
		fail_errno("setsockopt TCP_SYNCNT");
	EXPECT(try_connect(&connection, &address) == ETIMEDOUT);
	release(&connection);
	release(&filler);
	say(0);
}

static void canceled_client(void)
{
	int port = hear();
	struct connection filler = fill_backlog(port);
	struct address address = loopback(ledger->family, 1, port);

	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_socket();

		set_blocking(connection.fd, 0);
		EXPECT(try_connect(&connection, &address) == EINPROGRESS);
		count(connection.edge, CONNECT, ECANCELED);
		release(&connection);
	}
	release(&filler);
	say(0);
}

static void bind_shared(int fd, int port)
{
	struct address address = loopback(ledger->family, 1, port);
	int yes = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    bind(fd, (void *)&address.storage, address.length))
		fail_errno("bind to a shared port");
}

/* Two sockets with the same ends cannot be. */
static void not_available_client(void)
{
	int port = hear();
	struct address address = loopback(ledger->family, 1, port);
	struct connection first = tcp_socket();
	struct connection second = tcp_socket();

	bind_shared(first.fd, 0);
	bind_shared(second.fd, bound_port(first.fd));
	EXPECT(try_connect(&first, &address) == 0);
	EXPECT(try_connect(&second, &address) == EADDRNOTAVAIL);
	release(&second);
	send_all(&first, BY_SEND, 10);
	release(&first);
}

static void not_available_server(void)
{
	struct tcp_listener listener = tcp_listen(BACKLOG);
	struct connection connection;

	say(listener.port);
	connection = tcp_accept(&listener);
	recv_exactly(&connection, BY_RECV, 10);
	recv_end(&connection, BY_RECV);
	release(&connection);
	close(listener.fd);
}

/* A simultaneous open with itself: no listener, no accept, one socket that is its own peer. */
static void self_connect_client(void)
{
	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_socket();
		struct address address = loopback(ledger->family, 1, 0);

		if (bind(connection.fd, (void *)&address.storage, address.length))
			fail_errno("bind");
		address = loopback(ledger->family, 1, bound_port(connection.fd));
		EXPECT(try_connect(&connection, &address) == 0);
		send_all(&connection, BY_SEND, 10);
		recv_exactly(&connection, BY_RECV, 10);
		release(&connection);
	}
	EXPECT(bytes_of(CLIENT, TCP, SEND) == bytes_of(CLIENT, TCP, RECV));
}

/* Four threads send and four receive, on one socket at the same time, at both ends. */

#define SENDERS 4

struct thread_part {
	struct connection *connection;
	int sends;
};

static void *thread_of_socket(void *argument)
{
	struct thread_part *part = argument;

	if (!part->sends) {
		ssize_t received;

		do
			received = recv_flags(part->connection, 700, 0);
		while (received > 0);
		if (received < 0)
			fail_errno("recv");
		return NULL;
	}
	for (int i = 0; i < rounds; i++)
		send_all(part->connection, BY_SEND, 1 + i % 1000);
	/* The last sender says that there is no more. */
	if (__atomic_add_fetch(&ledger->counters[!strcmp(program, "truth-server")], 1, __ATOMIC_RELAXED) == SENDERS &&
	    shutdown(part->connection->fd, SHUT_WR))
		fail_errno("shutdown");
	return NULL;
}

static void use_with_threads(struct connection *connection)
{
	struct thread_part parts[2 * SENDERS];

	for (int i = 0; i < 2 * SENDERS; i++)
		parts[i] = (struct thread_part){ connection, i % 2 };
	run_threads(2 * SENDERS, thread_of_socket, parts, sizeof(parts[0]));
	release(connection);
}

static void threads_client(void)
{
	struct connection connection = tcp_connect(hear());

	use_with_threads(&connection);
}

static void threads_server(void)
{
	struct tcp_listener listener = tcp_listen(BACKLOG);
	struct connection connection;

	say(listener.port);
	connection = tcp_accept(&listener);
	use_with_threads(&connection);
	close(listener.fd);
}

/* A child uses the socket that it was born with. In odd rounds the last reference is the child's, else the parent's. */

struct inheritance {
	struct connection *connection;
	int pipe[2];
};

static void child_that_requests(void *argument)
{
	struct inheritance *inheritance = argument;

	send_all(inheritance->connection, BY_SEND, 100);
	recv_exactly(inheritance->connection, BY_RECV, 50);
}

static void child_that_ends_it(void *argument)
{
	struct inheritance *inheritance = argument;
	char byte;

	close(inheritance->pipe[1]);
	EXPECT(read(inheritance->pipe[0], &byte, 1) == 0); /* the parent has closed its reference */
	child_that_requests(argument);
	release(inheritance->connection);
}

static void fork_client(void)
{
	int port = hear();

	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_connect(port);
		struct inheritance inheritance = { .connection = &connection };
		pid_t child;

		send_all(&connection, BY_SEND, 100);
		recv_exactly(&connection, BY_RECV, 50);
		if (i % 2) {
			if (pipe(inheritance.pipe))
				fail_errno("pipe");
			child = start_child(child_that_ends_it, &inheritance);
			close(inheritance.pipe[0]);
			close(connection.fd);
			close(inheritance.pipe[1]);
			join_child(child);
		} else {
			join_child(start_child(child_that_requests, &inheritance));
			release(&connection);
		}
	}
}

static void child_that_answers(void *argument)
{
	struct connection *connection = argument;

	note_acceptor(connection->edge->port, 1);
	for (int i = 0; i < 2; i++) {
		recv_exactly(connection, BY_RECV, 100);
		send_all(connection, BY_SEND, 50);
	}
}

static void fork_server(void)
{
	struct tcp_listener listener = tcp_listen(BACKLOG);

	say(listener.port);
	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_accept(&listener);

		join_child(start_child(child_that_answers, &connection));
		recv_end(&connection, BY_RECV);
		release(&connection);
	}
	close(listener.fd);
}

/* An accepted socket goes to another process, which is the one that uses and ends it. */

static void pass_descriptor(int over, int fd)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = {};
	struct iovec byte = { .iov_base = "", .iov_len = 1 };
	struct msghdr message = { .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	if (sendmsg(over, &message, 0) != 1)
		fail_errno("sendmsg of a descriptor");
}

static int take_descriptor(int over)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = {};
	char byte;
	struct iovec place = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &place, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int fd;

	if (recvmsg(over, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
		fail_errno("recvmsg of a descriptor");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

struct handover {
	int over;
	int port;
};

static void child_that_is_handed_sockets(void *argument)
{
	struct handover *handover = argument;

	for (int i = 0; i < rounds; i++) {
		struct connection connection = { .fd = take_descriptor(handover->over),
						 .edge = edge_of(SERVER, TCP, handover->port) };

		note_acceptor(handover->port, 1);
		recv_exactly(&connection, BY_RECV, request_size(i));
		send_all(&connection, BY_SEND, reply_size(i));
		recv_end(&connection, BY_RECV);
		release(&connection);
	}
}

static void scm_rights_server(void)
{
	struct tcp_listener listener = tcp_listen(BACKLOG);
	struct handover handover = { .port = listener.port };
	int ends[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		fail_errno("socketpair");
	handover.over = ends[1];
	child = start_child(child_that_is_handed_sockets, &handover);
	say(listener.port);
	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_accept(&listener);

		pass_descriptor(ends[0], connection.fd);
		close(connection.fd);
	}
	join_child(child);
	close(listener.fd);
}

static void many_client(void)
{
	int port = hear();

	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_connect(port);

		send_all(&connection, BY_SEND, request_size(i));
		recv_exactly(&connection, BY_RECV, reply_size(i));
		release(&connection);
	}
}

static void answer_once(struct connection *connection, int round)
{
	recv_exactly(connection, BY_RECV, request_size(round));
	send_all(connection, BY_SEND, reply_size(round));
	recv_end(connection, BY_RECV);
	release(connection);
}

static void many_server(void)
{
	struct tcp_listener listener = tcp_listen(BACKLOG);

	say(listener.port);
	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_accept(&listener);

		answer_once(&connection, i);
	}
	close(listener.fd);
}

/* Four workers accept from one listener; which of them gets a connection is up to the kernel. */

#define WORKERS 4
#define PRE_FORK_REQUEST 300
#define PRE_FORK_REPLY 600

struct worker_pool {
	struct tcp_listener listener;
	int stop;
};

static void worker(void *argument)
{
	struct worker_pool *pool = argument;

	for (;;) {
		struct pollfd wanted[2] = { { .fd = pool->listener.fd, .events = POLLIN },
					    { .fd = pool->stop, .events = POLLIN } };
		struct connection connection;

		if (poll(wanted, 2, -1) < 0)
			fail_errno("poll");
		if (wanted[1].revents)
			return;
		connection = tcp_accept(&pool->listener);
		if (connection.fd < 0)
			continue;
		recv_exactly(&connection, BY_RECV, PRE_FORK_REQUEST);
		send_all(&connection, BY_SEND, PRE_FORK_REPLY);
		recv_end(&connection, BY_RECV);
		release(&connection);
	}
}

static void pre_fork_client(void)
{
	int port = hear();

	for (int i = 0; i < rounds; i++) {
		struct connection connection = tcp_connect(port);

		send_all(&connection, BY_SEND, PRE_FORK_REQUEST);
		recv_exactly(&connection, BY_RECV, PRE_FORK_REPLY);
		release(&connection);
	}
	say(0);
}

static void pre_fork_server(void)
{
	struct worker_pool pool = { .listener = tcp_listen(BACKLOG) };
	pid_t workers[WORKERS];
	int stop[2];

	set_blocking(pool.listener.fd, 0);
	if (pipe(stop))
		fail_errno("pipe");
	pool.stop = stop[0];
	for (int i = 0; i < WORKERS; i++)
		workers[i] = start_child(worker, &pool);
	say(pool.listener.port);
	hear();
	/* A byte, not a close: every worker has the writing end too. */
	EXPECT(write(stop[1], "", 1) == 1);
	for (int i = 0; i < WORKERS; i++)
		join_child(workers[i]);
	close(pool.listener.fd);
}

/* Completions come over the error queue, which is not a receive. */

static unsigned int zerocopy_completions(struct connection *connection)
{
	char control[256];
	struct msghdr message = { .msg_control = control, .msg_controllen = sizeof(control) };
	unsigned int completed = 0;

	if (recvmsg(connection->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
		if (errno != EAGAIN)
			fail_errno("recvmsg of the error queue");
		await(connection->fd, 0); /* POLLERR is always waited for */
		return 0;
	}
	for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
		struct sock_extended_err error;

		memcpy(&error, CMSG_DATA(header), sizeof(error));
		EXPECT(error.ee_origin == SO_EE_ORIGIN_ZEROCOPY);
		completed += error.ee_data - error.ee_info + 1;
	}
	return completed;
}

static void zerocopy_client(void)
{
	int port = hear();
	struct connection connection = tcp_socket();
	struct address address = loopback(ledger->family, 1, port);
	unsigned int sent = 0, completed = 0;
	int yes = 1;

	if (setsockopt(connection.fd, SOL_SOCKET, SO_ZEROCOPY, &yes, sizeof(yes)))
		skip(strerror(errno));
	if (try_connect(&connection, &address))
		fail_errno("connect");
	for (int i = 0; i < rounds; i++) {
		for (size_t left = request_size(i); left > 0; sent++) {
			ssize_t taken = send_flags(&connection, left, MSG_ZEROCOPY);

			if (taken < 0)
				fail_errno("send MSG_ZEROCOPY");
			left -= taken;
		}
		recv_exactly(&connection, BY_RECV, reply_size(i));
	}
	while (completed < sent)
		completed += zerocopy_completions(&connection);
	EXPECT(completed == sent);
	release(&connection);
}

#define EXCHANGE exchange_client, exchange_server

const struct scenario tcp_scenarios[] = {
	{ "send", EXCHANGE, 60, BY_SEND, BY_RECV, 0 },
	{ "write", EXCHANGE, 60, BY_WRITE, BY_RECV, 0 },
	{ "writev", EXCHANGE, 60, BY_WRITEV, BY_RECV, 0 },
	{ "sendmsg", EXCHANGE, 60, BY_SENDMSG, BY_RECV, 0 },
	{ "sendmmsg", EXCHANGE, 60, BY_SENDMMSG, BY_RECV, 0 },
	{ "sendfile", EXCHANGE, 60, BY_SENDFILE, BY_RECV, 0 },
	{ "splice_in", EXCHANGE, 60, BY_SPLICE_IN, BY_RECV, 0 },
	{ "splice_out", EXCHANGE, 60, BY_SEND, BY_SPLICE_OUT, 0 },
	{ "io_uring", uring_client, uring_server, 60, BY_URING_SEND, BY_URING_RECV, 0 },
	{ "recv", EXCHANGE, 200, BY_SEND, BY_RECV, 0 },
	{ "read", EXCHANGE, 60, BY_SEND, BY_READ, 0 },
	{ "readv", EXCHANGE, 60, BY_SEND, BY_READV, 0 },
	{ "recvmsg", EXCHANGE, 60, BY_SEND, BY_RECVMSG, 0 },
	{ "recvmmsg", EXCHANGE, 60, BY_SEND, BY_RECVMMSG, 0 },
	{ "peek", exchange_client, peek_server, 60, BY_SEND, BY_RECV, 0 },
	{ "trunc", trunc_client, trunc_server, 40, BY_SEND, BY_RECV, 1 },
	{ "partial_send", partial_client, partial_server, 1, BY_SEND, BY_RECV, 0 },
	{ "nonblocking", nonblocking_client, nonblocking_server, 50, BY_SEND, BY_RECV, 0 },
	{ "accept_only", accept_only_client, accept_only_server, 20, BY_SEND, BY_RECV, 0 },
	{ "shutdown_halves", shutdown_client, shutdown_server, 20, BY_SEND, BY_RECV, 0 },
	{ "reset", reset_client, reset_server, 20, BY_SEND, BY_RECV, 0 },
	{ "unread_close", unread_client, unread_server, 20, BY_SEND, BY_RECV, 1 },
	{ "refused", refused_client, NULL, 30, BY_SEND, BY_RECV, 0 },
	{ "not_connected", not_connected_client, NULL, 10, BY_SEND, BY_RECV, 0 },
	{ "timed_out", timed_out_client, full_server, 1, BY_SEND, BY_RECV, 1 },
	{ "unreachable", unreachable_client, NULL, 10, BY_SEND, BY_RECV, 0 },
	{ "address_not_available", not_available_client, not_available_server, 1, BY_SEND, BY_RECV, 0 },
	{ "canceled", canceled_client, full_server, 10, BY_SEND, BY_RECV, 1 },
	{ "self_connect", self_connect_client, NULL, 5, BY_SEND, BY_RECV, 1 },
	{ "threads", threads_client, threads_server, 1000, BY_SEND, BY_RECV, 0 },
	{ "fork_inherit", fork_client, fork_server, 10, BY_SEND, BY_RECV, 0 },
	{ "scm_rights", many_client, scm_rights_server, 20, BY_SEND, BY_RECV, 0 },
	{ "zerocopy", zerocopy_client, exchange_server, 60, BY_SEND, BY_RECV, 0 },
	{ "pre_fork", pre_fork_client, pre_fork_server, 200, BY_SEND, BY_RECV, 0 },
	{ "many", many_client, many_server, 500, BY_SEND, BY_RECV, 0 },
	{ 0 },
};
