/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* io_uring by its system calls: one operation at a time, with the results and errno of the call it stands for. */
#ifndef URING_H
#define URING_H

#include <sys/socket.h>
#include <sys/types.h>

/* 0, or the errno that says why there is none here. */
int uring_open(void);
void uring_close(void);
ssize_t uring_send(int fd, const void *data, size_t length);
ssize_t uring_recv(int fd, void *data, size_t length);
int uring_connect(int fd, const struct sockaddr *address, socklen_t length);
int uring_accept(int fd);

#endif
