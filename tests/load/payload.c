// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * payload: sends known bytes by every call there is, each over a connection of its own, and prints what the other side received:
 * an array of {"name", "family", "local_port", "remote_port", "total", "sent": hex of the first bytes}, or with "skipped" a reason in their stead.
 *
 *   payload [--family 4|6|mapped] [--limit BYTES]     how many bytes to print; 70000
 *   payload --knock PORT                              one connect that is refused, for who waits to be watched
 *
 * The receiving side is the truth: what was accepted of a call that was cut short, and in which order two threads took their
 * turns, nobody else knows. Bytes of a connection depend on their place and on what was asked to be sent, so that bytes which were
 * refused and sent again are not the same.
 *
 * Exit code: 0 done; 1 something was not as it must be, with a line on stderr; 2 usage.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ledger.h"
#include "uring.h"

#define MOST (1 << 20)
#define ANSWER 3000

#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY 0x4000000
#endif
#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif

static int family = AF_INET;
static int is_mapped;
static size_t limit = 70000;
static int small_buffers;
static const char *skipped;

/* One connection's other side: everything that it received. */
static struct {
	int listener;
	int wait_ms;
	size_t answer;
	size_t length;
	unsigned char bytes[MOST];
} peer;

/* What to send: words that say where they are and which of several senders they are of. */
static unsigned char *words(char who, size_t length)
{
	unsigned char *text = malloc(length + 16);

	for (size_t at = 0; at < length; at += 8)
		snprintf((char *)text + at, 16, "%c%06x.", who, (unsigned int)at & 0xffffff);
	return text;
}

/* By another call each time. */
static ssize_t receive(int fd, unsigned char *bytes, size_t room)
{
	static unsigned int calls;
	struct iovec pieces[3] = {
		{ bytes, room / 100 }, { bytes + room / 100, 0 }, { bytes + room / 100, room - room / 100 },
	};
	struct msghdr message = { .msg_iov = pieces, .msg_iovlen = 3 };

	switch (calls++ % 5) {
	case 0:
		return recv(fd, bytes, room, 0);
	case 1:
		return read(fd, bytes, room);
	case 2:
		return readv(fd, pieces, 3);
	case 3:
		return recvmsg(fd, &message, 0);
	default:
		return recv(fd, bytes, room < 5000 ? room : 5000, MSG_WAITALL);
	}
}

static void *receive_all(void *unused)
{
	int fd = accept(peer.listener, NULL, NULL);
	ssize_t got;

	if (fd < 0)
		fail_errno("accept");
	if (peer.wait_ms)
		usleep(peer.wait_ms * 1000);
	while ((got = receive(fd, peer.bytes + peer.length, MOST - peer.length)) > 0) {
		peer.length += got;
		if (peer.wait_ms)
			usleep(1000);
	}
	if (got < 0 && errno != ECONNRESET)
		fail_errno("recv");
	if (peer.answer) {
		unsigned char *text = words('a', peer.answer);

		if (send(fd, text, peer.answer, MSG_NOSIGNAL) != (ssize_t)peer.answer)
			fail_errno("answer");
		free(text);
	}
	close(fd);
	return unused;
}

static void all(int fd, const void *data, size_t length)
{
	while (length) {
		ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);

		if (sent < 0)
			fail_errno("send");
		data = (const char *)data + sent;
		length -= sent;
	}
}

/* The calls. */

static void by_send(int fd)
{
	static const size_t sizes[] = { 1, 100, 4096, 5000, 7190, 1, 10000, 3 };
	unsigned char *text = words('s', 40000);
	size_t at = 0;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); at += sizes[i++])
		all(fd, text + at, sizes[i]);
	free(text);
}

static void up_to_the_limit(int fd)
{
	unsigned char *text = words('l', 16385);

	all(fd, text, 16383);
	all(fd, text + 16383, 1);
	all(fd, text + 16384, 1);
	free(text);
}

static void by_write(int fd)
{
	unsigned char *text = words('w', 65536);

	if (write(fd, text, 65536) != 65536)
		fail_errno("write");
	free(text);
}

static void by_writev(int fd)
{
	unsigned char *text = words('v', 65536);
	struct iovec pieces[1000];
	size_t at = 0;

	for (int i = 0; i < 1000; i++) {
		pieces[i].iov_base = text + at;
		pieces[i].iov_len = i % 10 == 3 ? 0 : 1 + i * 7 % 60;
		at += pieces[i].iov_len;
	}
	for (int i = 0; i < 1000; i += 500)
		if (writev(fd, pieces + i, 500) < 0)
			fail_errno("writev");
	free(text);
}

/* As many pieces as a call may have. */
static void by_most_pieces(int fd)
{
	unsigned char *text = words('V', 65536);
	struct iovec pieces[1024];
	size_t at = 0;

	for (int i = 0; i < 1024; i++) {
		pieces[i] = (struct iovec){ text + at, i * 7 % 30 };
		at += pieces[i].iov_len;
	}
	if (writev(fd, pieces, 1024) != (ssize_t)at)
		fail_errno("writev of 1024 pieces");
	free(text);
}

static void by_sendmsg(int fd)
{
	unsigned char *text = words('m', 65536);
	size_t at = 0;

	for (int i = 0; i < 12; i++) {
		struct iovec pieces[3] = {
			{ text + at, 1 + i * 311 }, { text + at + 1 + i * 311, 0 }, { text + at + 1 + i * 311, 777 },
		};
		struct msghdr message = { .msg_iov = pieces, .msg_iovlen = 3 };
		ssize_t sent = sendmsg(fd, &message, i % 2 ? MSG_MORE : 0);

		if (sent != (ssize_t)(778 + i * 311))
			fail_errno("sendmsg");
		at += sent;
	}
	free(text);
}

static void by_sendmmsg(int fd)
{
	unsigned char *text = words('M', 65536);
	struct mmsghdr messages[4] = {};
	struct iovec pieces[4];

	for (int i = 0; i < 4; i++) {
		pieces[i] = (struct iovec){ text + i * 5000, 5000 };
		messages[i].msg_hdr.msg_iov = &pieces[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	if (sendmmsg(fd, messages, 4, 0) != 4)
		fail_errno("sendmmsg");
	free(text);
}

static int file_of_words(char who, size_t length)
{
	char name[] = "/tmp/payload-XXXXXX";
	unsigned char *text = words(who, length);
	int file = mkstemp(name);

	if (file < 0 || write(file, text, length) != (ssize_t)length)
		fail_errno(name);
	unlink(name);
	free(text);
	return file;
}

static void by_sendfile(int fd)
{
	int file = file_of_words('f', 65536);
	off_t at = 4097;

	all(fd, "header ", 7);
	while (at < 50000)
		if (sendfile(fd, file, &at, 50000 - at) < 0)
			fail_errno("sendfile");
	close(file);
}

static void by_splice(int fd)
{
	int file = file_of_words('p', 40000);
	int pipes[2];
	ssize_t moved;

	if (pipe(pipes))
		fail_errno("pipe");
	if (lseek(file, 0, SEEK_SET))
		fail_errno("lseek");
	while ((moved = splice(file, NULL, pipes[1], NULL, 12345, 0)) > 0)
		while (moved) {
			ssize_t sent = splice(pipes[0], NULL, fd, NULL, moved, 0);

			if (sent < 0)
				fail_errno("splice");
			moved -= sent;
		}
	close(pipes[0]);
	close(pipes[1]);
	close(file);
}

static void by_uring(int fd)
{
	unsigned char *text = words('u', 20000);
	int error = uring_open();

	if (error) {
		skipped = strerror(error);
		free(text);
		return;
	}
	for (size_t at = 0; at < 20000;) {
		ssize_t sent = uring_send(fd, text + at, 20000 - at > 6000 ? 6000 : 20000 - at);

		if (sent < 0)
			fail_errno("io_uring send");
		at += sent;
	}
	uring_close();
	free(text);
}

static void without_copy(int fd)
{
	unsigned char *text = words('z', 30000);
	int one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one))) {
		skipped = strerror(errno);
	} else {
		for (int i = 0; i < 3; i++)
			if (send(fd, text + i * 10000, 10000, MSG_ZEROCOPY) != 10000)
				fail_errno("send without a copy");
	}
	/* The kernel may still read it: it goes with the process. */
}

/* Memory that nobody has touched: its pages come into being as the kernel copies them. */
static void from_untouched_memory(int fd)
{
	int file = file_of_words('n', 30000);
	char *text;

	fdatasync(file);
	posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
	text = mmap(NULL, 30000, PROT_READ, MAP_PRIVATE, file, 0);
	if (text == MAP_FAILED)
		fail_errno("mmap");
	all(fd, text + 11, 10000);
	all(fd, text + 10011, 15000);
	munmap(text, 30000);
	close(file);
}

/* Calls that are cut short, after which the application sends something else. */
static void cut_short(int fd)
{
	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (int i = 0, waits = 0; i < 12 && waits < 2000;) {
		unsigned char *text = words('A' + i, 30000);
		ssize_t sent = send(fd, text, 30000, MSG_NOSIGNAL);

		if (sent < 0 && errno != EAGAIN)
			fail_errno("send");
		free(text);
		if (sent < 0) {
			usleep(1000);
			waits++;
		} else {
			i++;
		}
	}
}

static void *send_words(void *argument)
{
	int fd = *(int *)argument;
	unsigned char *text;
	static int next;
	char who = 'A' + __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED);

	text = words(who, 60000);
	if (send(fd, text, 60000, MSG_NOSIGNAL) != 60000)
		fail_errno("send of a thread");
	free(text);
	return NULL;
}

/* Each waits for room several times, and another goes on in its stead. */
static void in_turns(int fd)
{
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, send_words, &fd);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

/* The bytes of a call that fails count for nothing. */
static void with_bad_calls(int fd)
{
	unsigned char *text = words('b', 20000);
	struct iovec pieces[2] = { { text, 5000 }, { (void *)8, 5000 } };
	ssize_t sent;

	if (send(fd, (void *)8, 100, 0) >= 0)
		fail("a send of nothing's bytes went well");
	sent = writev(fd, pieces, 2);
	if (sent < 0 && errno != EFAULT)
		fail_errno("writev");
	all(fd, text + 5000, 9000);
	free(text);
}

static void by_child(int fd)
{
	unsigned char *text = words('c', 4000);
	pid_t child;
	int status;

	all(fd, text, 1000);
	child = fork();
	if (!child) {
		all(fd, text + 1000, 1000);
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child || status)
		fail("the child failed");
	all(fd, text + 2000, 2000);
	free(text);
}

/* Each send a segment of its own: while one is being received, the next ones arrive. */
static void by_trickle(int fd)
{
	unsigned char *text = words('t', 20000);
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (size_t at = 0; at < 20000; at += 20)
		all(fd, text + at, 20);
	free(text);
}

static const struct {
	const char *name;
	void (*send)(int fd);
	int wait_ms;
} cases[] = {
	{ "send", by_send, 0 },
	{ "limit", up_to_the_limit, 0 },
	{ "write", by_write, 0 },
	{ "writev", by_writev, 0 },
	{ "pieces", by_most_pieces, 0 },
	{ "sendmsg", by_sendmsg, 0 },
	{ "sendmmsg", by_sendmmsg, 0 },
	{ "sendfile", by_sendfile, 0 },
	{ "splice", by_splice, 0 },
	{ "uring", by_uring, 0 },
	{ "zerocopy", without_copy, 0 },
	{ "untouched", from_untouched_memory, 0 },
	{ "bad", with_bad_calls, 0 },
	{ "child", by_child, 0 },
	{ "trickle", by_trickle, 0 },
	{ "cut-short", cut_short, 20 },
	{ "turns", in_turns, 20 },
};

static socklen_t address_of(struct sockaddr_storage *storage)
{
	if (family == AF_INET) {
		struct sockaddr_in *ipv4 = (void *)storage;

		*ipv4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		return sizeof(*ipv4);
	}
	struct sockaddr_in6 *ipv6 = (void *)storage;

	*ipv6 = (struct sockaddr_in6){ .sin6_family = AF_INET6 };
	inet_pton(AF_INET6, is_mapped ? "::ffff:127.0.0.1" : "::1", &ipv6->sin6_addr);
	return sizeof(*ipv6);
}

static void run(size_t which)
{
	struct sockaddr_storage server, client;
	socklen_t length = address_of(&server), client_length = sizeof(client);
	int no = 0, buffer = 4096, fd;
	pthread_t receiver;

	small_buffers = cases[which].wait_ms > 0;
	skipped = NULL;
	peer.length = 0;
	peer.wait_ms = cases[which].wait_ms;
	peer.answer = ANSWER;
	peer.listener = socket(family, SOCK_STREAM, 0);
	setsockopt(peer.listener, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	if (small_buffers)
		setsockopt(peer.listener, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	if (bind(peer.listener, (void *)&server, length) || listen(peer.listener, 8) ||
	    getsockname(peer.listener, (void *)&server, &length))
		fail_errno("listen");
	pthread_create(&receiver, NULL, receive_all, NULL);
	fd = socket(family, SOCK_STREAM, 0);
	if (small_buffers)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	if (connect(fd, (void *)&server, length) || getsockname(fd, (void *)&client, &client_length))
		fail_errno("connect");
	cases[which].send(fd);
	fcntl(fd, F_SETFL, 0);
	shutdown(fd, SHUT_WR);
	for (char rest[4096]; recv(fd, rest, sizeof(rest), 0) > 0;)
		;
	pthread_join(receiver, NULL);
	close(fd);
	close(peer.listener);
	printf("%s{\"name\":\"%s\",\"family\":\"%s\",\"local_port\":%d,\"remote_port\":%d,\"total\":%zu,", which ? ",\n" : "[", cases[which].name,
	       is_mapped ? "mapped" : family == AF_INET ? "4" : "6", ntohs(((struct sockaddr_in *)&client)->sin_port),
	       ntohs(((struct sockaddr_in *)&server)->sin_port), peer.length);
	if (skipped) {
		printf("\"skipped\":\"%s\"}", skipped);
		return;
	}
	printf("\"sent\":\"");
	for (size_t i = 0; i < peer.length && i < limit; i++)
		printf("%02x", peer.bytes[i]);
	printf("\"}");
}

int main(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--limit")) {
			limit = strtoul(argv[i + 1], NULL, 10);
		} else if (!strcmp(argv[i], "--family")) {
			is_mapped = !strcmp(argv[i + 1], "mapped");
			family = !strcmp(argv[i + 1], "4") ? AF_INET : AF_INET6;
		} else if (!strcmp(argv[i], "--knock")) {
			struct sockaddr_in nobody = {
				.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(atoi(argv[i + 1])),
			};

			return connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&nobody, sizeof(nobody)) == 0;
		} else {
			fprintf(stderr, "usage: payload [--family 4|6|mapped] [--limit BYTES]\n");
			return 2;
		}
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		run(i);
	printf("]\n");
	return 0;
}
