/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* What a scenario is, and what it may ask of the frame around it (truth.c). */
#ifndef SCENARIOS_H
#define SCENARIOS_H

#include <sys/types.h>
#include "sockets.h"

struct scenario {
	const char *name;
	void (*client)(void);
	void (*server)(void);		/* NULL: needs none */
	int rounds;			/* unless --rounds says otherwise */
	enum how send_how;
	enum how recv_how;
	int is_lopsided;		/* what one side sends, the other does not receive: checks itself */
};

extern const struct scenario tcp_scenarios[];	/* each ends with an entry without a name */
extern const struct scenario udp_scenarios[];

/* The one that runs. */
extern const struct scenario *scenario;
extern int rounds;

/* Between client and server, over a pipe: sockets are what is being counted. */
void say(int number);
int hear(void);

/* Ends the program with 77: this machine cannot do it. For clients only. */
void skip(const char *reason) __attribute__((noreturn));

/* Runs PART in a child of this process, which ends with it. */
pid_t start_child(void (*part)(void *), void *argument);
void join_child(pid_t child);
/* Runs PART in NUMBER threads, with &arguments[i * size], and waits for them. */
void run_threads(int number, void *(*part)(void *), void *arguments, size_t size);

#endif
