/* SPDX-License-Identifier: MIT */
/*
 * creel-image: makes images small enough to attach. Started by creel or its gateway, which cannot
 * start anything itself once it reads from the network, with a SOCK_SEQPACKET socket as descriptor 3.
 * Each message on it carries one descriptor: a socket on which one image is asked for and answered
 * (image/message.h), by a child of its own. The end of descriptor 3 ends all of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/own.h"
#include "image/worker.h"
#include "os/sys.h"

enum { CONTROL_FD = 3 };

/* The descriptor of the next message; FD_NONE: a message without one; -EPIPE: the end. */
static int receive(void)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char byte;
	struct iovec data = {&byte, sizeof(byte)};
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	const struct cmsghdr *head;
	ssize_t n;
	int fd;

	do {
		n = recvmsg(CONTROL_FD, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n <= 0) {
		return -EPIPE;
	}
	head = CMSG_FIRSTHDR(&message);
	if (head == NULL || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) {
		return FD_NONE;
	}
	(void)memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

/* More than the limit wait in the socket. */
static void reap(unsigned *running)
{
	while (*running > 0 &&
		waitpid(-1, NULL, *running >= LIMIT_IMAGE_WORKERS ? 0 : WNOHANG) > 0) {
		(*running)--;
	}
}

static bool die_with(pid_t parent)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == parent;
}

static void serve(void)
{
	unsigned running = 0;
	pid_t self = getpid();

	for (;;) {
		_cleanup_close_ int fd = receive();
		pid_t child;

		if (fd == -EPIPE) {
			return;
		}
		if (fd < 0) {
			continue;
		}
		reap(&running);
		child = fork();
		if (child == 0) {
			(void)close(CONTROL_FD);
			if (!die_with(self)) {
				_exit(1);
			}
			worker_run(fd);
		}
		running += child > 0;
	}
}

static void let_go(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd <= 2 && null >= 0; fd++) {
		(void)dup2(null, fd);
	}
	(void)sys_close_range(CONTROL_FD + 1, ~0U, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	/* The terminal's keys are for creel. */
	(void)setsid();
}

int main(int argc, char **argv)
{
	pid_t parent = getppid();

	(void)argv;
	if (argc > 1 || fcntl(CONTROL_FD, F_GETFD) < 0) {
		(void)fprintf(stderr, "creel-image: started by creel, not by hand\n");
		return 2;
	}
	let_go();
	if (chdir("/") < 0 || !die_with(parent) || worker_confine_service() < 0) {
		return EXIT_FAILURE;
	}
	serve();
	return EXIT_SUCCESS;
}
