// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/* The ledger of socket calls (see ledger.h for the rules), and the few things that every program here needs. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "ledger.h"

struct ledger *ledger;
int ledger_fd = -1;
char program[EXECUTABLE_NAME];
const char *activity = "load";

static const char *const operation_names[OPERATIONS] = { "connect", "accept", "send", "recv", "release" };

void fail(const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	dprintf(STDERR_FILENO, "%s: %s: %s\n", program, activity, text);
	_exit(1);
}

void fail_errno(const char *what)
{
	fail("%s: %s", what, strerror(errno));
}

void name_program(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');

	snprintf(program, sizeof(program), "%s", slash ? slash + 1 : argv0);
}

void ledger_adopt(int fd)
{
	ledger_fd = fd;
	ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ledger == MAP_FAILED)
		fail_errno("mmap of the ledger");
}

void ledger_create(int family)
{
	int fd = memfd_create("ledger", 0);

	if (fd < 0 || ftruncate(fd, sizeof(*ledger)))
		fail_errno("memfd for the ledger");
	ledger_adopt(fd);
	ledger->family = family;
}

static void lock_ledger(void)
{
	while (__atomic_exchange_n(&ledger->lock, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void unlock_ledger(void)
{
	__atomic_store_n(&ledger->lock, 0, __ATOMIC_RELEASE);
}

void note_acceptor(int port, int was_handed)
{
	uint32_t pid = getpid();

	lock_ledger();
	for (int i = 0; i < LEDGER_ACCEPTORS; i++) {
		struct acceptor *acceptor = &ledger->acceptor[i];

		if (acceptor->pid && (acceptor->pid != pid || acceptor->port != (uint32_t)port))
			continue;
		acceptor->pid = pid;
		acceptor->port = port;
		*(was_handed ? &acceptor->handed : &acceptor->accepted) += 1;
		unlock_ledger();
		return;
	}
	fail("more than %d acceptors", LEDGER_ACCEPTORS);
}

struct edge *edge_named(const char *executable, enum role role, enum transport transport, int port)
{
	struct edge *edge;

	lock_ledger();
	for (edge = ledger->edge; edge < ledger->edge + ledger->edges; edge++)
		if (edge->port == (uint32_t)port && edge->role == role && edge->transport == transport &&
		    !strcmp(edge->executable, executable))
			goto found;
	if (ledger->edges == LEDGER_EDGES)
		fail("more than %d edges", LEDGER_EDGES);
	snprintf(edge->executable, sizeof(edge->executable), "%s", executable);
	edge->role = role;
	edge->transport = transport;
	edge->port = port;
	ledger->edges++;
found:
	unlock_ledger();
	return edge;
}

struct edge *edge_of(enum role role, enum transport transport, int port)
{
	return edge_named(program, role, transport, port);
}

void count(struct edge *edge, enum operation operation, int error)
{
	if (error < 0 || error >= LEDGER_ERRORS)
		fail("no room for error %d", error);
	__atomic_fetch_add(&edge->operations[operation][error], 1, __ATOMIC_RELAXED);
}

void count_bytes(struct edge *edge, enum operation operation, uint64_t bytes)
{
	__atomic_fetch_add(operation == SEND ? &edge->bytes_sent : &edge->bytes_received, bytes, __ATOMIC_RELAXED);
}

void count_transfer(struct edge *edge, enum operation operation, ssize_t result)
{
	if (result >= 0) {
		count(edge, operation, 0);
		count_bytes(edge, operation, result);
	} else if (errno != EAGAIN && errno != EINTR && errno != EINPROGRESS) {
		count(edge, operation, errno);
	}
}

void mark_unknown(struct edge *edge, enum operation operation)
{
	__atomic_fetch_or(&edge->unknown, 1U << operation, __ATOMIC_RELAXED);
}

uint64_t bytes_of(enum role role, enum transport transport, enum operation operation)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < ledger->edges; i++)
		if (ledger->edge[i].role == role && ledger->edge[i].transport == transport)
			sum += operation == SEND ? ledger->edge[i].bytes_sent : ledger->edge[i].bytes_received;
	return sum;
}

uint64_t operations_of(enum role role, enum transport transport, enum operation operation, int error)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < ledger->edges; i++)
		if (ledger->edge[i].role == role && ledger->edge[i].transport == transport)
			sum += ledger->edge[i].operations[operation][error];
	return sum;
}

int is_known(enum role role, enum transport transport, enum operation operation)
{
	for (uint32_t i = 0; i < ledger->edges; i++)
		if (ledger->edge[i].role == role && ledger->edge[i].transport == transport &&
		    ledger->edge[i].unknown & 1U << operation)
			return 0;
	return 1;
}

const char *error_name(int error)
{
	switch (error) {
	case 0: return "";
	case ECONNREFUSED: return "connection_refused";
	case ETIMEDOUT: return "timed_out";
	case EHOSTUNREACH: return "host_unreachable";
	case ENETUNREACH: return "network_unreachable";
	case ENETDOWN: return "network_down";
	case ENETRESET: return "network_reset";
	case ECONNRESET: return "connection_reset";
	case ECONNABORTED: return "connection_aborted";
	case EADDRNOTAVAIL: return "address_not_available";
	case EADDRINUSE: return "address_in_use";
	case EPIPE: return "broken_pipe";
	case ENOTCONN: return "not_connected";
	case EISCONN: return "already_connected";
	case EALREADY: return "connection_already_in_progress";
	case EACCES: return "permission_denied";
	case EPERM: return "operation_not_permitted";
	case EMSGSIZE: return "message_size";
	case ENOBUFS: return "no_buffer_space";
	case ENOMEM: return "not_enough_memory";
	case ECANCELED: return "operation_canceled";
	case EINVAL: return "invalid_argument";
	case EFAULT: return "bad_address";
	case EDESTADDRREQ: return "destination_address_required";
	case EAFNOSUPPORT: return "address_family_not_supported";
	case EOPNOTSUPP: return "operation_not_supported";
	default: return "_OTHER";
	}
}

static void print_operations(FILE *out, const struct edge *edge)
{
	const char *before_operation = "";

	fputs("\"operations\":{", out);
	for (int operation = 0; operation < OPERATIONS; operation++) {
		const char *before_error = "";

		if (edge->unknown & 1U << operation)
			continue;
		for (int error = 0; error < LEDGER_ERRORS; error++) {
			uint64_t times = edge->operations[operation][error];

			if (!times)
				continue;
			if (!*before_error)
				fprintf(out, "%s\"%s\":{", before_operation, operation_names[operation]);
			fprintf(out, "%s\"%s\":%llu", before_error, error_name(error), (unsigned long long)times);
			before_error = ",";
		}
		if (*before_error) {
			fputs("}", out);
			before_operation = ",";
		}
	}
	fputs("}", out);
}

static void print_unknown(FILE *out, const struct edge *edge)
{
	const char *before = "";

	if (!edge->unknown)
		return;
	fputs(",\"operations_unknown\":[", out);
	for (int operation = 0; operation < OPERATIONS; operation++) {
		if (!(edge->unknown & 1U << operation))
			continue;
		fprintf(out, "%s\"%s\"", before, operation_names[operation]);
		before = ",";
	}
	fputs("]", out);
}

void print_truth(FILE *out, const char *scenario)
{
	fprintf(out, "\"scenario\":\"%s\",\"edges\":[", scenario);
	for (uint32_t i = 0; i < ledger->edges; i++) {
		const struct edge *edge = &ledger->edge[i];

		fprintf(out, "%s{\"executable\":\"%s\",\"role\":\"%s\",\"transport\":\"%s\",\"type\":\"%s\","
			"\"server_port\":%u,\"bytes_sent\":%llu,\"bytes_received\":%llu,", i ? "," : "",
			edge->executable, edge->role == CLIENT ? "client" : "server",
			edge->transport == TCP ? "tcp" : "udp", ledger->family == 6 ? "ipv6" : "ipv4", edge->port,
			(unsigned long long)edge->bytes_sent, (unsigned long long)edge->bytes_received);
		print_operations(out, edge);
		print_unknown(out, edge);
		fputs("}", out);
	}
	fputs("],\"acceptors\":[", out);
	for (int i = 0; i < LEDGER_ACCEPTORS && ledger->acceptor[i].pid; i++) {
		const struct acceptor *acceptor = &ledger->acceptor[i];

		fprintf(out, "%s{\"pid\":%u,\"server_port\":%u,\"accepted\":%llu,\"handed\":%llu}", i ? "," : "", acceptor->pid,
			acceptor->port, (unsigned long long)acceptor->accepted, (unsigned long long)acceptor->handed);
	}
	fputs("]", out);
}

int domain_of(int family)
{
	return family == 4 ? AF_INET : AF_INET6;
}

struct address loopback(int family, int host, int port)
{
	struct address address = {};

	if (family == 4) {
		struct sockaddr_in *ipv4 = (void *)&address.storage;

		ipv4->sin_family = AF_INET;
		ipv4->sin_port = htons(port);
		ipv4->sin_addr.s_addr = htonl(0x7f000000U + host);
		address.length = sizeof(*ipv4);
	} else {
		struct sockaddr_in6 *ipv6 = (void *)&address.storage;

		ipv6->sin6_family = AF_INET6;
		ipv6->sin6_port = htons(port);
		if (family == MAPPED) {
			ipv6->sin6_addr.s6_addr[10] = ipv6->sin6_addr.s6_addr[11] = 0xff;
			ipv6->sin6_addr.s6_addr[12] = 127;
		}
		ipv6->sin6_addr.s6_addr[15] = host;
		address.length = sizeof(*ipv6);
	}
	return address;
}

int port_of(const struct address *address)
{
	/* The port is at the same place in both. */
	return ntohs(((const struct sockaddr_in *)&address->storage)->sin_port);
}

int bound_port(int fd)
{
	struct address address = { .length = sizeof(address.storage) };

	if (getsockname(fd, (void *)&address.storage, &address.length))
		fail_errno("getsockname");
	return port_of(&address);
}

long option(int argc, char **argv, const char *name, long otherwise)
{
	for (int i = 1; i < argc; i++) {
		char *end;
		long value;

		if (strcmp(argv[i], name))
			continue;
		if (i + 1 == argc)
			fail("%s needs a number", name);
		value = strtol(argv[i + 1], &end, 10);
		if (*end || end == argv[i + 1] || value < 0)
			fail("%s needs a number, not %s", name, argv[i + 1]);
		return value;
	}
	return otherwise;
}

int has_option(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return 1;
	return 0;
}

void path_beside(char *path, size_t size, const char *name)
{
	ssize_t length = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	if (length < 0)
		fail_errno("readlink /proc/self/exe");
	path[length] = 0;
	slash = strrchr(path, '/');
	snprintf(slash + 1, size - (slash + 1 - path), "%s", name);
}

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

void raise_file_limit(void)
{
	struct rlimit wanted = { 1 << 20, 1 << 20 };
	struct rlimit limit;

	if (!setrlimit(RLIMIT_NOFILE, &wanted))
		return;
	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}
