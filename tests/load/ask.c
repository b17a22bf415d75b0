// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * ask: in a network namespace of its own, asks a DNS server of its own for WAY.ask.test in every way that a program can send and
 * receive a datagram, and connects to the address it is given, where nobody listens. Prints the ways. Needs root. Exit code: 0, or 3 with
 * the call that failed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 8192
#define TYPE_A 1
#define TYPE_AAAA 28
#define NETWORK 0xc6123500 /* 198.18.53.0, for tests between networks */

static const char *const ways[] = {
	"sendto", "connected", "sendmsg", "vectors", "batch", "sendto6",
	"tcp", "tcp-vectors", "tcp-message", "tcp-bytes", "tcp-pipelined", "tcp-long", "tcp-fast", "tcp6",
};
#define DATAGRAM_WAYS 6
#define WAYS ((int)(sizeof(ways) / sizeof(*ways)))

static void fail(const char *what)
{
	fprintf(stderr, "ask: %s: %s\n", what, strerror(errno));
	exit(3);
}

/* Loopback, with a network of addresses that are all its own. */
static void set_up_network(void)
{
	struct ifreq request = {};
	struct sockaddr_in *address = (void *)&request.ifr_addr;
	int fd;

	if (unshare(CLONE_NEWNET))
		fail("unshare");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	strcpy(request.ifr_name, "lo");
	request.ifr_flags = IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request))
		fail("lo up");
	strcpy(request.ifr_name, "lo:1");
	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(NETWORK | 1);
	if (ioctl(fd, SIOCSIFADDR, &request))
		fail("address");
	address->sin_addr.s_addr = htonl(0xffffff00);
	if (ioctl(fd, SIOCSIFNETMASK, &request))
		fail("netmask");
	close(fd);
}

static int make_question(unsigned char *message, unsigned short id, const char *way, int type)
{
	const char *labels[] = { way, "ask", "test" };
	int length = 12;

	memset(message, 0, 12);
	message[0] = id >> 8;
	message[1] = id;
	message[2] = 1; /* recursion desired */
	message[5] = 1;
	for (int i = 0; i < 3; i++) {
		message[length] = strlen(labels[i]);
		memcpy(message + length + 1, labels[i], message[length]);
		length += message[length] + 1;
	}
	message[length++] = 0;
	message[length++] = 0;
	message[length++] = type;
	message[length++] = 0;
	message[length++] = 1;
	return length;
}

/* Makes the answer of the question; returns its length. A long one has many records of its own before the address. */
static int answer_to(unsigned char *message, int length)
{
	unsigned char record[] = { 0xc0, 12, 0, TYPE_A, 0, 1, 0, 0, 0, 60, 0, 4, 198, 18, 53, 0 };
	unsigned char filler[] = { 0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, 8, 7, 'f', 'i', 'l', 'l', 'e', 'r', '!' };
	int index = 0, records = 0;

	while (index < WAYS && (message[12] != strlen(ways[index]) || memcmp(message + 13, ways[index], message[12])))
		index++;
	message[2] |= 0x80;
	if (message[length - 3] != TYPE_A)
		return length;
	record[15] = 10 + index;
	memcpy(message + length, record, sizeof(record));
	length += sizeof(record);
	records = 1;
	if (index < WAYS && !strcmp(ways[index], "tcp-long"))
		for (; records < 200; records++) {
			memcpy(message + length, filler, sizeof(filler));
			length += sizeof(filler);
		}
	message[6] = records >> 8;
	message[7] = records;
	return length;
}

static void serve(int fd)
{
	for (;;) {
		struct sockaddr_in6 client;
		socklen_t size = sizeof(client);
		unsigned char message[MOST];
		int length = recvfrom(fd, message, 512, 0, (void *)&client, &size);

		if (length >= 12)
			sendto(fd, message, answer_to(message, length), 0, (void *)&client, size);
	}
}

static void serve_streams(int listener)
{
	for (;;) {
		unsigned char message[2 + MOST];
		int fd = accept(listener, NULL, NULL), length;

		while (recv(fd, message, 2, MSG_WAITALL) == 2) {
			length = message[0] << 8 | message[1];
			if (length < 12 || length > 512 || recv(fd, message + 2, length, MSG_WAITALL) != length)
				break;
			length = answer_to(message + 2, length);
			message[0] = length >> 8;
			message[1] = length;
			if (send(fd, message, 2 + length, MSG_NOSIGNAL) < 0)
				break;
		}
		close(fd);
	}
}

/* The question with its length before it. */
static int make_stream_question(unsigned char *message, unsigned short id, int way, int type)
{
	int length = make_question(message + 2, id, ways[way], type);

	message[0] = length >> 8;
	message[1] = length;
	return 2 + length;
}

static void receive_all(int fd, unsigned char *data, int length, int at_once)
{
	for (int got = 0, result; got < length; got += result) {
		result = read(fd, data + got, at_once && length - got > at_once ? at_once : length - got);
		if (result <= 0)
			fail("read");
	}
}

static void receive_answer(int fd, int at_once)
{
	unsigned char length[2], answer[MOST];

	receive_all(fd, length, 2, at_once);
	receive_all(fd, answer, length[0] << 8 | length[1], at_once);
}

static void ask_by_stream(int fd, int way)
{
	unsigned char question[2][512], answer[2 + MOST], length[2];
	int size = make_stream_question(question[0], 100 * way, way, TYPE_A);
	struct iovec out[2] = { { question[0], 2 }, { question[0] + 2, size - 2 } };
	struct iovec in[2] = { { length, 2 }, { answer, sizeof(answer) } };
	struct msghdr message = { .msg_iov = out, .msg_iovlen = 2 };
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!strcmp(ways[way], "tcp-vectors")) { /* as glibc */
		if (writev(fd, out, 2) != size)
			fail("writev");
		receive_answer(fd, 0);
	} else if (!strcmp(ways[way], "tcp-message")) { /* as musl */
		if (sendmsg(fd, &message, MSG_NOSIGNAL) != size)
			fail("sendmsg");
		message.msg_iov = in;
		if (recvmsg(fd, &message, 0) <= 2)
			fail("recvmsg");
	} else if (!strcmp(ways[way], "tcp-bytes")) {
		for (int i = 0; i < size; i++)
			if (send(fd, question[0] + i, 1, 0) != 1)
				fail("send");
		receive_answer(fd, 1);
	} else if (!strcmp(ways[way], "tcp-pipelined")) { /* two questions at once, and both answers */
		int more = make_stream_question(question[1], 100 * way + 1, way, TYPE_AAAA);

		memmove(answer, question[1], more);
		memcpy(answer + more, question[0], size);
		if (send(fd, answer, more + size, 0) != more + size)
			fail("send");
		usleep(200000); /* both answers are there */
		if (recv(fd, answer, sizeof(answer), 0) <= more)
			fail("recv");
	} else {
		if (send(fd, question[0], size, 0) != size)
			fail("send");
		receive_answer(fd, !strcmp(ways[way], "tcp-long") ? 700 : 0);
	}
}

static void ask(int way)
{
	struct sockaddr_in server = { .sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 server6 = { .sin6_family = AF_INET6, .sin6_port = htons(53), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int is6 = strchr(ways[way], '6') != NULL;
	void *address = is6 ? (void *)&server6 : (void *)&server;
	socklen_t size = is6 ? sizeof(server6) : sizeof(server);
	struct sockaddr_in6 from[2];
	unsigned char question[2][512], answer[2][512];
	struct iovec out[2], in[2];
	struct mmsghdr messages[2] = {};
	struct timeval patience = { .tv_sec = 5 };
	int fd = socket(is6 ? AF_INET6 : AF_INET, way < DATAGRAM_WAYS ? SOCK_DGRAM : SOCK_STREAM, 0);

	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (int i = 0; i < 2; i++) {
		out[i].iov_base = question[i];
		out[i].iov_len = make_question(question[i], 100 * way + i, ways[way], i ? TYPE_AAAA : TYPE_A);
		in[i].iov_base = answer[i];
		in[i].iov_len = sizeof(answer[i]);
	}
	switch (way) {
	case 0:
	case 5:
		if (sendto(fd, question[0], out[0].iov_len, 0, address, size) < 0)
			fail("sendto");
		size = sizeof(from[0]);
		if (recvfrom(fd, answer[0], sizeof(answer[0]), 0, (void *)from, &size) < 0)
			fail("recvfrom");
		break;
	case 1:
		if (connect(fd, address, size) || write(fd, question[0], out[0].iov_len) < 0)
			fail("write");
		if (read(fd, answer[0], sizeof(answer[0])) < 0)
			fail("read");
		break;
	case 2:
		messages[0].msg_hdr = (struct msghdr){ .msg_name = address, .msg_namelen = size, .msg_iov = out, .msg_iovlen = 1 };
		if (sendmsg(fd, &messages[0].msg_hdr, 0) < 0)
			fail("sendmsg");
		messages[0].msg_hdr = (struct msghdr){ .msg_name = from, .msg_namelen = sizeof(from[0]), .msg_iov = in, .msg_iovlen = 1 };
		if (recvmsg(fd, &messages[0].msg_hdr, 0) < 0)
			fail("recvmsg");
		break;
	case 3:
		if (connect(fd, address, size) || writev(fd, out, 1) < 0)
			fail("writev");
		if (readv(fd, in, 1) < 0)
			fail("readv");
		break;
	case 4: /* as glibc asks for both kinds of address */
		if (connect(fd, address, size))
			fail("connect");
		for (int i = 0; i < 2; i++)
			messages[i].msg_hdr = (struct msghdr){ .msg_iov = &out[i], .msg_iovlen = 1 };
		if (sendmmsg(fd, messages, 2, 0) != 2)
			fail("sendmmsg");
		usleep(200000); /* both answers are there */
		for (int i = 0; i < 2; i++)
			messages[i].msg_hdr = (struct msghdr){ .msg_iov = &in[i], .msg_iovlen = 1 };
		if (recvmmsg(fd, messages, 2, 0, 0) != 2)
			fail("recvmmsg");
		break;
	default:
		if (!strcmp(ways[way], "tcp-fast")) { /* where the kernel sends no data with the SYN, it is an ordinary one */
			unsigned char whole[512];
			int length = make_stream_question(whole, 100 * way, way, TYPE_A);

			if (sendto(fd, whole, length, MSG_FASTOPEN, address, size) != length)
				fail("sendto");
			receive_answer(fd, 0);
			break;
		}
		if (connect(fd, address, size))
			fail("connect");
		ask_by_stream(fd, way);
		break;
	}
	close(fd);

	server.sin_port = htons(9);
	server.sin_addr.s_addr = htonl(NETWORK | (10 + way));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (!connect(fd, (void *)&server, sizeof(server)) || errno != ECONNREFUSED)
		fail("connect to the address");
	close(fd);
	puts(ways[way]);
}

int main(void)
{
	struct sockaddr_in6 here = { .sin6_family = AF_INET6, .sin6_port = htons(53) };
	int both = 0, fd, listener;
	pid_t server, streams;

	set_up_network();
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &both, sizeof(both));
	if (fd < 0 || bind(fd, (void *)&here, sizeof(here)))
		fail("bind");
	server = fork();
	if (!server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(fd);
	}
	listener = socket(AF_INET6, SOCK_STREAM, 0);
	setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &both, sizeof(both));
	if (listener < 0 || bind(listener, (void *)&here, sizeof(here)) || listen(listener, 16))
		fail("listen");
	streams = fork();
	if (!streams) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve_streams(listener);
	}
	close(listener);
	close(fd);
	for (int way = 0; way < WAYS; way++)
		ask(way);
	kill(server, SIGKILL);
	kill(streams, SIGKILL);
	waitpid(server, 0, 0);
	waitpid(streams, 0, 0);
	return 0;
}
