// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * truth-client and truth-server: socket traffic whose counts are known. One program under two names.
 *
 *   truth-client list
 *   truth-client SCENARIO [--family 4|6|mapped] [--rounds N]     (--connections N is the same as --rounds)
 *   truth-client all [--family 4|6|mapped]
 *
 * The client starts the truth-server that sits beside it, the two talk over loopback, and when both are done the client
 * prints what all their socket calls returned: one JSON object, or an array of them for "all". The rules of counting
 * are in ledger.h. Server ports are chosen by the kernel, so that runs do not mix.
 *
 * Exit code: 0 done; 1 something was not as it must be, with a line on stderr; 2 usage; 77 this machine cannot do it,
 * with the reason on stderr ("all" carries on, and its element says "skipped").
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "scenarios.h"

#define SKIPPED 77
#define TIME_LIMIT 60		/* seconds; no scenario needs a tenth of it, but under emulation on a busy machine */
#define MAX_THREADS 16

const struct scenario *scenario;
int rounds;

static int control_in = -1;
static int control_out = -1;
static pid_t server;

static const struct scenario *const all_scenarios[] = { tcp_scenarios, udp_scenarios };

static void on_alarm(int signal)
{
	(void)signal;
	fail("took longer than %d s", TIME_LIMIT);
}

static void limit_time(void)
{
	signal(SIGALRM, on_alarm);
	alarm(TIME_LIMIT);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

void say(int number)
{
	if (write(control_out, &number, sizeof(number)) != sizeof(number))
		fail_errno("write to the other side");
}

/* A server that failed has said why; its exit code is all that is left to tell. */
static void join_server(void)
{
	int status;

	if (!server)
		return;
	if (waitpid(server, &status, 0) != server)
		fail_errno("waitpid");
	server = 0;
	if (WIFSIGNALED(status))
		fail("truth-server was ended by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status))
		_exit(1);
}

int hear(void)
{
	ssize_t size;
	int number;

	do
		size = read(control_in, &number, sizeof(number));
	while (size < 0 && errno == EINTR);
	if (size != sizeof(number)) {
		join_server();
		fail("the other side went away");
	}
	return number;
}

void skip(const char *reason)
{
	if (server) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
	}
	fprintf(stderr, "%s: %s: skipped: %s\n", program, activity, reason);
	printf("{\"scenario\":\"%s\",\"skipped\":\"%s\"}\n", scenario->name, reason);
	fflush(stdout);
	_exit(SKIPPED);
}

pid_t start_child(void (*part)(void *), void *argument)
{
	pid_t child = fork();

	if (child < 0)
		fail_errno("fork");
	if (!child) {
		limit_time();
		part(argument);
		_exit(0);
	}
	return child;
}

void join_child(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		fail_errno("waitpid");
	if (status)
		fail("a child process failed");
}

void run_threads(int number, void *(*part)(void *), void *arguments, size_t size)
{
	pthread_t threads[MAX_THREADS];

	for (int i = 0; i < number; i++)
		if (pthread_create(&threads[i], NULL, part, (char *)arguments + i * size))
			fail("pthread_create");
	for (int i = 0; i < number; i++)
		pthread_join(threads[i], NULL);
}

static const struct scenario *find(const char *name)
{
	for (size_t i = 0; i < sizeof(all_scenarios) / sizeof(all_scenarios[0]); i++)
		for (const struct scenario *each = all_scenarios[i]; each->name; each++)
			if (!strcmp(each->name, name))
				return each;
	return NULL;
}

static void start_server(int family)
{
	int to_server[2], to_client[2];
	char path[4096], numbers[4][16];

	if (!scenario->server)
		return;
	path_beside(path, sizeof(path), "truth-server");
	if (pipe(to_server) || pipe(to_client))
		fail_errno("pipe");
	server = fork();
	if (server < 0)
		fail_errno("fork");
	if (!server) {
		close(to_server[1]);
		close(to_client[0]);
		snprintf(numbers[0], sizeof(numbers[0]), "%d", to_server[0]);
		snprintf(numbers[1], sizeof(numbers[1]), "%d", to_client[1]);
		snprintf(numbers[2], sizeof(numbers[2]), "%d", ledger_fd);
		snprintf(numbers[3], sizeof(numbers[3]), "%d", rounds);
		execl(path, "truth-server", scenario->name, "--family", family == 4 ? "4" : family == 6 ? "6" : "mapped",
		      "--rounds", numbers[3], "--in", numbers[0], "--out", numbers[1], "--ledger", numbers[2], NULL);
		fail("exec of %s: %s", path, strerror(errno));
	}
	close(to_server[0]);
	close(to_client[1]);
	control_in = to_client[0];
	control_out = to_server[1];
}

static void check_equal(const char *what, uint64_t left, uint64_t right)
{
	if (left != right)
		fail("%s: %llu and %llu", what, (unsigned long long)left, (unsigned long long)right);
}

/* What one side's calls say must be what the other side's say. */
static void check_balance(void)
{
	check_equal("TCP bytes sent by the client, received by the server", bytes_of(CLIENT, TCP, SEND),
		    bytes_of(SERVER, TCP, RECV));
	check_equal("TCP bytes sent by the server, received by the client", bytes_of(SERVER, TCP, SEND),
		    bytes_of(CLIENT, TCP, RECV));
	check_equal("connects, accepts", operations_of(CLIENT, TCP, CONNECT, 0), operations_of(SERVER, TCP, ACCEPT, 0));
	check_equal("accepts, releases by the server", operations_of(SERVER, TCP, ACCEPT, 0),
		    operations_of(SERVER, TCP, RELEASE, 0));
	check_equal("UDP bytes sent by the client, received by the server", bytes_of(CLIENT, UDP, SEND),
		    bytes_of(SERVER, UDP, RECV));
	check_equal("UDP bytes sent by the server, received by the client", bytes_of(SERVER, UDP, SEND),
		    bytes_of(CLIENT, UDP, RECV));
	check_equal("datagrams sent by the client, received by the server", operations_of(CLIENT, UDP, SEND, 0),
		    operations_of(SERVER, UDP, RECV, 0));
	check_equal("datagrams sent by the server, received by the client", operations_of(SERVER, UDP, SEND, 0),
		    operations_of(CLIENT, UDP, RECV, 0));
}

static void run_client(int family)
{
	activity = scenario->name;
	limit_time();
	ledger_create(family);
	start_server(family);
	if (family != 4) {
		int fd = socket(AF_INET6, SOCK_STREAM, 0);
		struct address address = loopback(family, 1, 0);

		if (fd < 0 || bind(fd, (void *)&address.storage, address.length))
			skip("no IPv6 here");
		close(fd);
	}
	scenario->client();
	join_server();
	if (!ledger->edges)
		fail("no traffic at all");
	if (!scenario->is_lopsided)
		check_balance();
	printf("{");
	print_truth(stdout, scenario->name);
	printf("}\n");
	fflush(stdout);
}

static int run_all(int family, int asked)
{
	const char *before = "[\n";
	int result = 0;

	for (size_t i = 0; i < sizeof(all_scenarios) / sizeof(all_scenarios[0]); i++) {
		for (scenario = all_scenarios[i]; scenario->name; scenario++) {
			pid_t child;
			int status;

			fputs(before, stdout);
			fflush(stdout);
			before = ",";
			child = fork();
			if (child < 0)
				fail_errno("fork");
			if (!child) {
				rounds = asked ? asked : scenario->rounds;
				run_client(family);
				_exit(0);
			}
			waitpid(child, &status, 0);
			if (WIFEXITED(status) && (!WEXITSTATUS(status) || WEXITSTATUS(status) == SKIPPED))
				continue;
			printf("{\"scenario\":\"%s\",\"failed\":true}\n", scenario->name);
			result = 1;
		}
	}
	puts("]");
	return result;
}

static int list(void)
{
	for (size_t i = 0; i < sizeof(all_scenarios) / sizeof(all_scenarios[0]); i++)
		for (const struct scenario *each = all_scenarios[i]; each->name; each++)
			puts(each->name);
	return 0;
}

static int family_of(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--family"))
			continue;
		if (i + 1 < argc && !strcmp(argv[i + 1], "4"))
			return 4;
		if (i + 1 < argc && !strcmp(argv[i + 1], "6"))
			return 6;
		if (i + 1 < argc && !strcmp(argv[i + 1], "mapped"))
			return MAPPED;
		return 0;
	}
	return 4;
}

int main(int argc, char **argv)
{
	int family = family_of(argc, argv);
	int asked;

	name_program(argv[0]);
	signal(SIGPIPE, SIG_IGN);
	asked = option(argc, argv, "--connections", option(argc, argv, "--rounds", 0));
	if (argc < 2 || !family) {
		fprintf(stderr, "usage: %s list | all | SCENARIO [--family 4|6|mapped] [--rounds N]\n", program);
		return 2;
	}
	if (!strcmp(argv[1], "list"))
		return list();
	if (!strcmp(argv[1], "all"))
		return run_all(family, asked);
	scenario = find(argv[1]);
	if (!scenario) {
		fprintf(stderr, "%s: no scenario %s; see %s list\n", program, argv[1], program);
		return 2;
	}
	rounds = asked ? asked : scenario->rounds;
	activity = scenario->name;
	if (strcmp(program, "truth-server")) {
		run_client(family);
		return 0;
	}
	if (!has_option(argc, argv, "--ledger") || !scenario->server) {
		fprintf(stderr, "%s: truth-client starts it\n", program);
		return 2;
	}
	limit_time();
	control_in = option(argc, argv, "--in", -1);
	control_out = option(argc, argv, "--out", -1);
	ledger_adopt(option(argc, argv, "--ledger", -1));
	scenario->server();
	return 0;
}
