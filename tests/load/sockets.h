/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* Socket calls that enter their results in the ledger. Every scenario goes through these. */
#ifndef SOCKETS_H
#define SOCKETS_H

#include "ledger.h"

struct tcp_listener {
	int fd;
	int port;
};

struct connection {
	int fd;
	struct edge *edge;
};

/* UDP. The edge is the first peer's (a server's peers all share one): that is where its release counts. */
struct datagram_socket {
	int fd;
	int port;			/* its own, when it was bound by us */
	enum role role;
	struct edge *edge;		/* NULL until it has a peer */
};

/* How a transfer is made; the table of scenarios names one for each direction. */
enum how {
	BY_SEND = 0, BY_WRITE, BY_WRITEV, BY_SENDMSG, BY_SENDMMSG, BY_SENDFILE, BY_SPLICE_IN, BY_URING_SEND,
	BY_RECV = 0, BY_READ, BY_READV, BY_RECVMSG, BY_RECVMMSG, BY_SPLICE_OUT, BY_URING_RECV,
};

#define LARGEST_TRANSFER 65536
extern char buffer[LARGEST_TRANSFER];	/* contents never matter; threads may share it */

/* TCP. Everything is on loopback and of the ledger's family. */
struct tcp_listener tcp_listen(int backlog);
struct connection tcp_socket(void);
struct connection tcp_connect(int port);
/* Returns 0 or the errno that the attempt ended with; blocks. */
int try_connect(struct connection *connection, const struct address *address);
/* Non-blocking up to EINPROGRESS, then waits for the outcome. */
int try_connect_in_background(struct connection *connection, const struct address *address);
struct connection tcp_accept(const struct tcp_listener *listener);
/* A TCP port on which nobody listens, kept by *KEEPER until that is closed. */
int dead_tcp_port(int *keeper);

ssize_t send_some(struct connection *connection, enum how how, size_t length);
void send_all(struct connection *connection, enum how how, size_t length);
ssize_t recv_some(struct connection *connection, enum how how, size_t length);
void recv_exactly(struct connection *connection, enum how how, size_t length);
void recv_end(struct connection *connection, enum how how);
ssize_t recv_flags(struct connection *connection, size_t length, int flags);
ssize_t send_flags(struct connection *connection, size_t length, int flags);
/* The last reference: a release. */
void release(struct connection *connection);

struct datagram_socket udp_server(void);
struct datagram_socket udp_client(void);
int udp_connect(struct datagram_socket *s, int port);
/* PORT 0: to the peer it is connected to. */
ssize_t udp_send(struct datagram_socket *s, int port, size_t length);
/* FROM may be NULL: a recv without address, which takes it that only the first peer answers. */
ssize_t udp_recv(struct datagram_socket *s, size_t length, int flags, struct address *from);
ssize_t udp_reply(struct datagram_socket *s, const struct address *to, size_t length);
/* The edge that a datagram from or to PORT counts on. */
struct edge *udp_edge(struct datagram_socket *s, int port);
void udp_release(struct datagram_socket *s);

void set_blocking(int fd, int blocking);
/* Waits for EVENTS, at most a few seconds; fails the scenario otherwise. */
void await(int fd, int events);

#endif
