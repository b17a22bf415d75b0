// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * burst [--rate 5000] [--seconds 60]: TCP connections over loopback at a steady rate, each with a request of 100 bytes
 * and a reply of 1000. It starts burst-client and burst-server, which sit beside it and are the same program, and
 * prints the truth, with the number of connections, the seconds they took and how late the latest was started.
 *
 * The client closes first, so the TIME_WAIT sockets are its own: it goes round 20 destinations, 127.0.0.1 to .20, each
 * of which has a range of local ports to itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "ledger.h"

#define HOSTS 20
#define REQUEST 100
#define REPLY 1000
#define EVENTS 256
#define MAX_IN_FLIGHT 4000
#define MAX_FD 65536

/* ledger->counters */
enum { PORT, OPENED, CLOSED_BY_CLIENT, CLOSED_BY_SERVER, LATEST_NS, FINISHED };

enum phase { IDLE, CONNECTING, WAITING, SERVING, LISTENING };

static struct {
	int phase;
	int left;			/* bytes until the phase is over */
} states[MAX_FD];

static char data[REPLY];
static int events_fd;

static uint64_t counter(int which)
{
	return __atomic_load_n(&ledger->counters[which], __ATOMIC_ACQUIRE);
}

static void set_counter(int which, uint64_t value)
{
	__atomic_store_n(&ledger->counters[which], value, __ATOMIC_RELEASE);
}

static void watch(int fd, unsigned int events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	if (fd >= MAX_FD || epoll_ctl(events_fd, EPOLL_CTL_ADD, fd, &event))
		fail_errno("epoll_ctl");
}

static void end(int fd, struct edge *edge, int which)
{
	states[fd].phase = IDLE;
	close(fd);
	count(edge, RELEASE, 0);
	set_counter(which, counter(which) + 1);
}

/* One connection's next step; nothing here ever waits. */

static void begin(struct edge *edge, int host, int port)
{
	struct address address = loopback(4, host, port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail_errno("socket");
	if (!connect(fd, (void *)&address.storage, address.length))
		count(edge, CONNECT, 0); /* never seen, but allowed */
	else if (errno != EINPROGRESS)
		fail_errno("connect");
	else
		states[fd].phase = CONNECTING;
	watch(fd, EPOLLIN | EPOLLOUT | EPOLLET);
}

static void send_request(int fd, struct edge *edge)
{
	int error = 0;
	socklen_t size = sizeof(error);
	ssize_t sent;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size))
		fail_errno("getsockopt SO_ERROR");
	if (error)
		fail("connect: %s", strerror(error));
	if (states[fd].phase == CONNECTING)
		count(edge, CONNECT, 0);
	sent = send(fd, data, REQUEST, MSG_NOSIGNAL);
	count_transfer(edge, SEND, sent);
	if (sent != REQUEST)
		fail_errno("send");
	states[fd].phase = WAITING;
	states[fd].left = REPLY;
}

static void recv_reply(int fd, struct edge *edge)
{
	while (states[fd].left > 0) {
		ssize_t received = recv(fd, data, states[fd].left, 0);

		count_transfer(edge, RECV, received);
		if (received < 0 && errno == EAGAIN)
			return;
		if (received <= 0)
			fail_errno("recv");
		states[fd].left -= received;
	}
	end(fd, edge, CLOSED_BY_CLIENT);
}

static void serve_request(int fd, struct edge *edge)
{
	for (;;) {
		ssize_t received = recv(fd, data, sizeof(data), 0);
		ssize_t sent;

		count_transfer(edge, RECV, received);
		if (received < 0 && errno == EAGAIN)
			return;
		if (received < 0)
			fail_errno("recv");
		if (!received) {
			end(fd, edge, CLOSED_BY_SERVER);
			return;
		}
		states[fd].left -= received;
		if (states[fd].left)
			continue;
		sent = send(fd, data, REPLY, MSG_NOSIGNAL);
		count_transfer(edge, SEND, sent);
		if (sent != REPLY)
			fail_errno("send");
	}
}

static void accept_all(int listener, struct edge *edge)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (fd < 0)
			fail_errno("accept");
		count(edge, ACCEPT, 0);
		watch(fd, EPOLLIN | EPOLLET);
		states[fd].phase = SERVING;
		states[fd].left = REQUEST;
		serve_request(fd, edge);
	}
}

static void handle_events(struct edge *edge, int milliseconds)
{
	struct epoll_event events[EVENTS];
	int number = epoll_wait(events_fd, events, EVENTS, milliseconds);

	if (number < 0 && errno != EINTR)
		fail_errno("epoll_wait");
	for (int i = 0; i < number; i++) {
		int fd = events[i].data.fd;

		if (states[fd].phase == LISTENING)
			accept_all(fd, edge);
		else if (states[fd].phase == SERVING)
			serve_request(fd, edge);
		else if (states[fd].phase == WAITING)
			recv_reply(fd, edge);
		else
			send_request(fd, edge);
	}
}

static int listen_at(int host, int port)
{
	struct address address = loopback(4, host, port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail_errno("socket");
	if (bind(fd, (void *)&address.storage, address.length)) {
		close(fd);
		return -1;
	}
	if (listen(fd, 4096))
		fail_errno("listen");
	return fd;
}

/* The same port at every address, so that all is one edge. */
static int listen_everywhere(void)
{
	for (int attempt = 0; attempt < 100; attempt++) {
		int listeners[HOSTS];
		int port = 0, number;

		for (number = 0; number < HOSTS; number++) {
			listeners[number] = listen_at(number + 1, port);
			if (listeners[number] < 0)
				break;
			port = bound_port(listeners[number]);
		}
		if (number < HOSTS) {
			while (number-- > 0)
				close(listeners[number]);
			continue;
		}
		for (number = 0; number < HOSTS; number++) {
			watch(listeners[number], EPOLLIN);
			states[listeners[number]].phase = LISTENING;
		}
		return port;
	}
	fail("no port that is free at %d addresses", HOSTS);
}

static void run_server(void)
{
	int port = listen_everywhere();
	struct edge *edge = edge_of(SERVER, TCP, port);

	set_counter(PORT, port);
	while (!counter(FINISHED) || counter(CLOSED_BY_SERVER) < counter(OPENED))
		handle_events(edge, 20);
}

static void run_client(long rate, long seconds)
{
	int port = counter(PORT);
	struct edge *edge = edge_of(CLIENT, TCP, port);
	uint64_t total = (uint64_t)rate * seconds;
	uint64_t began = now_ns();
	uint64_t opened = 0, latest = 0;

	while (counter(CLOSED_BY_CLIENT) < total) {
		uint64_t elapsed = now_ns() - began;
		/* Due by now; in two steps, because nanoseconds times rate overflow after an hour. */
		uint64_t due = elapsed / 1000000000 * rate + elapsed % 1000000000 * rate / 1000000000;

		if (due > total)
			due = total;
		while (opened < due && opened - counter(CLOSED_BY_CLIENT) < MAX_IN_FLIGHT) {
			uint64_t due_at = opened * 1000000000.0 / rate;

			if (elapsed > due_at && elapsed - due_at > latest)
				latest = elapsed - due_at;
			begin(edge, 1 + opened % HOSTS, port);
			opened++;
			if (opened % 64 == 0)
				break; /* let those on their way get on */
		}
		handle_events(edge, opened < due ? 0 : 1);
	}
	set_counter(OPENED, opened);
	set_counter(LATEST_NS, latest);
	set_counter(FINISHED, 1);
}

static pid_t start(const char *name, char **argv, int argc)
{
	char path[4096], number[16];
	char *arguments[16];
	pid_t child;
	int used = 0;

	path_beside(path, sizeof(path), name);
	snprintf(number, sizeof(number), "%d", ledger_fd);
	arguments[used++] = (char *)name;
	for (int i = 1; i < argc && used < 12; i++)
		arguments[used++] = argv[i];
	arguments[used++] = "--ledger";
	arguments[used++] = number;
	arguments[used] = NULL;
	child = fork();
	if (child < 0)
		fail_errno("fork");
	if (!child) {
		execv(path, arguments);
		fail("exec of %s: %s", path, strerror(errno));
	}
	return child;
}

/* One that ends badly leaves the other waiting for ever. */
static void join_both(pid_t client, pid_t server)
{
	for (int i = 0; i < 2; i++) {
		int status;
		pid_t ended = wait(&status);

		if (!status)
			continue;
		kill(ended == client ? server : client, SIGKILL);
		fail("burst-%s failed", ended == client ? "client" : "server");
	}
}

int main(int argc, char **argv)
{
	struct timespec moment = { .tv_nsec = 1000000 };
	long rate, seconds;
	pid_t client, server;
	uint64_t began;

	name_program(argv[0]);
	activity = "burst";
	rate = option(argc, argv, "--rate", 5000);
	seconds = option(argc, argv, "--seconds", 60);
	if (rate < 1 || rate > 1000000 || seconds < 1) {
		fprintf(stderr, "usage: burst [--rate CONNECTIONS_PER_SECOND] [--seconds N]\n");
		return 2;
	}
	if (has_option(argc, argv, "--ledger")) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		raise_file_limit();
		ledger_adopt(option(argc, argv, "--ledger", -1));
		events_fd = epoll_create1(EPOLL_CLOEXEC);
		if (strcmp(program, "burst-server"))
			run_client(rate, seconds);
		else
			run_server();
		return 0;
	}
	ledger_create(4);
	server = start("burst-server", argv, argc);
	while (!counter(PORT)) {
		if (waitpid(server, NULL, WNOHANG))
			fail("burst-server failed");
		nanosleep(&moment, NULL);
	}
	began = now_ns();
	client = start("burst-client", argv, argc);
	join_both(client, server);
	printf("{");
	print_truth(stdout, "burst");
	printf(",\"connections\":%llu,\"seconds\":%.3f,\"latest_start_ms\":%.1f}\n",
	       (unsigned long long)counter(OPENED), (now_ns() - began) / 1e9, counter(LATEST_NS) / 1e6);
	return 0;
}
