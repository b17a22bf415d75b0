// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * spawn [--count 10000] [--parallel 8] [--distinct] [--cgroups]: starts the one-shot that sits beside it COUNT times, PARALLEL at a
 * time, serves all of them, and prints the truth. With --distinct it does so through COUNT/100 hard links named
 * one-shot-0001 and so on, in a directory that it removes again: as many executables. With --cgroups it reads the full path
 * of a cgroup for each from standard input, starts it when it has read it, and in there; it makes the last two directories of
 * the path and removes them when the one-shot is gone.
 *
 * A one-shot keeps no ledger: one that exits with 0 has connected once, sent one byte and been released by its exit.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <pthread.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ledger.h"

#define MAX_PARALLEL 256
#define RUNS_PER_NAME 100

struct names {
	char directory[4096];
	int number;			/* 0: only one-shot itself */
};

struct running {
	pid_t pid;
	struct edge *edge;
	char cgroup[1024];		/* empty: ours */
};

static int listener;
static long connections;

static void *serve(void *argument)
{
	struct edge *edge = argument;
	char data[16];

	for (long i = 0; i < connections; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		ssize_t received;

		if (fd < 0)
			fail_errno("accept");
		count(edge, ACCEPT, 0);
		do {
			received = recv(fd, data, sizeof(data), 0);
			count_transfer(edge, RECV, received);
		} while (received > 0);
		if (received < 0)
			fail_errno("recv");
		close(fd);
		count(edge, RELEASE, 0);
	}
	return NULL;
}

static void copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	struct stat file;

	if (in < 0 || out < 0 || fstat(in, &file))
		fail("cannot copy %s to %s: %s", from, to, strerror(errno));
	for (off_t at = 0; at < file.st_size;)
		if (sendfile(out, in, &at, file.st_size - at) <= 0)
			fail_errno("copy of one-shot");
	close(in);
	close(out);
}

static void name_of(char *name, size_t size, int number)
{
	snprintf(name, size, "one-shot-%04d", number + 1);
}

static void path_of(const struct names *names, char *path, size_t size, const char *name)
{
	if (snprintf(path, size, "%s/%s", names->directory, name) >= (int)size)
		fail("a path is too long");
}

/* Beside this program, where a link is possible; else a copy among the temporary files. */
static void make_names(struct names *names, const char *one_shot)
{
	char path[4200], name[EXECUTABLE_NAME];

	path_beside(names->directory, sizeof(names->directory), "one-shots-XXXXXX");
	if (!mkdtemp(names->directory)) {
		snprintf(names->directory, sizeof(names->directory), "/tmp/one-shots-XXXXXX");
		if (!mkdtemp(names->directory))
			fail_errno("mkdtemp");
	}
	for (int i = 0; i < names->number; i++) {
		name_of(name, sizeof(name), i);
		path_of(names, path, sizeof(path), name);
		if (link(one_shot, path))
			copy_file(one_shot, path);
	}
}

static void remove_names(const struct names *names)
{
	char path[4200], name[EXECUTABLE_NAME];

	for (int i = 0; i < names->number; i++) {
		name_of(name, sizeof(name), i);
		path_of(names, path, sizeof(path), name);
		unlink(path);
	}
	rmdir(names->directory);
}

static void make_cgroup(const char *path)
{
	char parent[1024];

	snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = 0;
	if ((mkdir(parent, 0755) && errno != EEXIST) || mkdir(path, 0755))
		fail("cannot make %s: %s", path, strerror(errno));
}

/* The parent stays while somebody else is in it. */
static void remove_cgroup(char *path)
{
	if (rmdir(path))
		fail("cannot remove %s: %s", path, strerror(errno));
	*strrchr(path, '/') = 0;
	rmdir(path);
	*path = 0;
}

static void read_cgroup(char *path, size_t size)
{
	char *end;

	if (!fgets(path, size, stdin))
		fail("standard input ended early");
	end = strchr(path, '\n');
	if (!end || *path != '/')
		fail("not the path of a cgroup: %s", path);
	*end = 0;
}

/* Born in there: to move a process takes the kernel milliseconds. */
static pid_t spawn_in(const char *cgroup, const char *path, char **arguments, char **environment)
{
	struct clone_args clone = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD };
	int directory = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid_t pid;

	if (directory < 0)
		fail("cannot open %s: %s", cgroup, strerror(errno));
	clone.cgroup = directory;
	pid = syscall(SYS_clone3, &clone, sizeof(clone));
	if (pid < 0)
		fail_errno("clone3");
	if (!pid) {
		execve(path, arguments, environment);
		_exit(127);
	}
	close(directory);
	return pid;
}

static void join_one(struct running *running, int parallel)
{
	int status;
	pid_t pid = wait(&status);

	for (int i = 0; i < parallel; i++) {
		if (running[i].pid != pid)
			continue;
		if (status)
			fail("a one-shot ended with status %#x", status);
		count(running[i].edge, CONNECT, 0);
		count(running[i].edge, SEND, 0);
		count_bytes(running[i].edge, SEND, 1);
		count(running[i].edge, RELEASE, 0);
		running[i].pid = 0;
		if (*running[i].cgroup)
			remove_cgroup(running[i].cgroup);
		return;
	}
	fail("wait returned a stranger");
}

static struct running *free_place(struct running *running, int parallel)
{
	for (;;) {
		for (int i = 0; i < parallel; i++)
			if (!running[i].pid)
				return &running[i];
		join_one(running, parallel);
	}
}

int main(int argc, char **argv)
{
	struct running running[MAX_PARALLEL] = {};
	struct names names = {};
	struct address address = loopback(4, 1, 0);
	char one_shot[4096], port_text[16], path[4200], name[EXECUTABLE_NAME] = "one-shot";
	char *arguments[] = { name, port_text, NULL };
	char *environment[] = { NULL };
	pthread_t server;
	int parallel, port, in_cgroups;
	uint64_t began;

	name_program(argv[0]);
	activity = "spawn";
	connections = option(argc, argv, "--count", 10000);
	parallel = option(argc, argv, "--parallel", 8);
	if (parallel < 1 || parallel > MAX_PARALLEL || connections < 1 || connections > 300000) {
		fprintf(stderr, "usage: spawn [--count 1..300000] [--parallel 1..%d] [--distinct] [--cgroups]\n", MAX_PARALLEL);
		return 2;
	}
	in_cgroups = has_option(argc, argv, "--cgroups");
	ledger_create(4);
	path_beside(one_shot, sizeof(one_shot), "one-shot");
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (void *)&address.storage, address.length) || listen(listener, 4096))
		fail_errno("listen");
	port = bound_port(listener);
	snprintf(port_text, sizeof(port_text), "%d", port);
	if (has_option(argc, argv, "--distinct")) {
		names.number = (connections + RUNS_PER_NAME - 1) / RUNS_PER_NAME;
		make_names(&names, one_shot);
	}
	if (pthread_create(&server, NULL, serve, edge_of(SERVER, TCP, port)))
		fail("pthread_create");
	began = now_ns();
	for (long i = 0; i < connections; i++) {
		struct running *place = free_place(running, parallel);
		int error;

		snprintf(path, sizeof(path), "%s", one_shot);
		if (names.number) {
			name_of(name, sizeof(name), i % names.number);
			path_of(&names, path, sizeof(path), name);
		}
		place->edge = edge_named(name, CLIENT, TCP, port);
		if (in_cgroups) {
			read_cgroup(place->cgroup, sizeof(place->cgroup));
			make_cgroup(place->cgroup);
			place->pid = spawn_in(place->cgroup, path, arguments, environment);
			continue;
		}
		error = posix_spawn(&place->pid, path, NULL, NULL, arguments, environment);
		if (error)
			fail("posix_spawn of %s: %s", path, strerror(error));
	}
	for (int i = 0; i < parallel; i++)
		if (running[i].pid) {
			join_one(running, parallel);
			i = -1;
		}
	pthread_join(server, NULL);
	if (names.number)
		remove_names(&names);
	printf("{");
	print_truth(stdout, "spawn");
	printf(",\"seconds\":%.3f}\n", (now_ns() - began) / 1e9);
	return 0;
}
