/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * The ledger: what a program's own socket calls returned, by edge, in memory that all its processes share.
 *
 * A test runs one of the programs in this folder under the agent and compares the agent's numbers with the JSON that
 * the program prints. Both sides follow the same rules:
 *
 *   - an operation is one call that reached the socket layer, and each datagram of sendmmsg and recvmmsg is one;
 *   - a connect counts once, when its outcome is known, under the error's name (empty on success);
 *   - a recv that returns 0 is a successful one; EAGAIN, EINTR and EINPROGRESS count as nothing;
 *   - bytes are return values; MSG_PEEK and MSG_ERRQUEUE are neither bytes nor operations;
 *   - closing the last reference of a socket that has an edge is one release, on the edge of its first peer;
 *   - sendfile and splice are exact in bytes; how many sends or receives the kernel makes of them is its own affair,
 *     so such an edge names the operation in "operations_unknown" instead of counting it.
 *
 * The memory is a memfd, so that it also survives exec: a child takes it over by descriptor number.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>

#define LEDGER_EDGES 4096
#define LEDGER_ERRORS 136		/* errno values, 0 for success */
#define LEDGER_COUNTERS 64
#define LEDGER_ACCEPTORS 256
#define EXECUTABLE_NAME 32

enum role { CLIENT, SERVER };
enum transport { TCP, UDP };
enum operation { CONNECT, ACCEPT, SEND, RECV, RELEASE, OPERATIONS };

struct edge {
	char executable[EXECUTABLE_NAME];
	uint32_t role;
	uint32_t transport;
	uint32_t port;
	uint32_t unknown;		/* 1 << operation: the kernel decides how many */
	uint64_t bytes_sent;
	uint64_t bytes_received;
	uint64_t operations[OPERATIONS][LEDGER_ERRORS];
};

/* Who took connections of a serving port: the process that accepted them, and the one that was handed them before they were used. */
struct acceptor {
	uint32_t pid;
	uint32_t port;
	uint64_t accepted;
	uint64_t handed;
};

struct ledger {
	uint32_t lock;
	uint32_t edges;
	uint32_t family;		/* 4, 6 or MAPPED */
	uint32_t padding;
	uint64_t counters[LEDGER_COUNTERS];	/* for the scenario's own use: windows, progress */
	struct edge edge[LEDGER_EDGES];
	struct acceptor acceptor[LEDGER_ACCEPTORS];
};

#define MAPPED 46			/* IPv4 through IPv6 sockets */

extern struct ledger *ledger;
extern int ledger_fd;
extern char program[EXECUTABLE_NAME];	/* the base name that the process was started under */

void ledger_create(int family);
void ledger_adopt(int fd);
void name_program(const char *argv0);

struct edge *edge_named(const char *executable, enum role role, enum transport transport, int port);
struct edge *edge_of(enum role role, enum transport transport, int port);
void count(struct edge *edge, enum operation operation, int error);
/* By the result of a send or receive call; leaves errno alone. */
void count_transfer(struct edge *edge, enum operation operation, ssize_t result);
void count_bytes(struct edge *edge, enum operation operation, uint64_t bytes);
/* This process accepted a connection, or was handed one that nobody has used. */
void note_acceptor(int port, int was_handed);
void mark_unknown(struct edge *edge, enum operation operation);

uint64_t bytes_of(enum role role, enum transport transport, enum operation operation);
uint64_t operations_of(enum role role, enum transport transport, enum operation operation, int error);
int is_known(enum role role, enum transport transport, enum operation operation);

const char *error_name(int error);
/* Writes "scenario":…,"edges":[…] without the braces, so that a program can add members of its own. */
void print_truth(FILE *out, const char *scenario);

/* Ends the process with one line that says what went wrong. */
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void fail_errno(const char *what) __attribute__((noreturn));
#define EXPECT(condition) do { if (!(condition)) fail("line %d: not so: %s", __LINE__, #condition); } while (0)

/* What fail() says first; a scenario sets its own name. */
extern const char *activity;

/* A loopback address: 127.0.0.HOST, ::1 (HOST must be 1), or ::ffff:127.0.0.HOST. */
struct address {
	struct sockaddr_storage storage;
	socklen_t length;
};

struct address loopback(int family, int host, int port);
int domain_of(int family);
int port_of(const struct address *address);
int bound_port(int fd);

/* argv: the value after NAME as a number, or OTHERWISE. */
long option(int argc, char **argv, const char *name, long otherwise);
int has_option(int argc, char **argv, const char *name);
/* The path of a program that sits beside this one. */
void path_beside(char *path, size_t size, const char *name);
uint64_t now_ns(void);
void raise_file_limit(void);

#endif
