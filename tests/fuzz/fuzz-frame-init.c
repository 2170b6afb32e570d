/* SPDX-License-Identifier: MIT */
/*
 * creel-init's own end told anything at all by its gateway: everything but the system's side runs.
 * Starting a program, signalling a tree, the file tools' workers and connecting to a port are put aside
 * by the linker (--wrap), so that an input cannot do anything to the machine.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "init/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

pid_t __wrap_spawn_run(const struct spawn_plan *plan, enum wire_fail_stage *ret_stage);
int __wrap_tree_signal(const struct tree *tree, uint64_t serial, pid_t leader, int signo);
int __wrap_tree_count(const struct tree *tree, uint64_t serial);
int __wrap_kill(pid_t pid, int signo);
int __wrap_file_frame(struct init *init, const struct frame_header *header,
	struct wire_bytes payload, struct error *err);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size);

/* The other ends of what was connected by one input: at most one per frame of it, of 14 bytes. */
static int servers[100000 / (FRAME_HEADER_SIZE + 2) + 1];
static size_t server_count;

/* What would be run has been looked at by then; every third program "is not there". */
pid_t __wrap_spawn_run(const struct spawn_plan *plan, enum wire_fail_stage *ret_stage)
{
	static pid_t next = 5000000;

	assert(plan->request->argv[0] != NULL);
	*ret_stage = WIRE_FAIL_EXEC;
	next++;
	return next % 3 == 0 ? -2 : next;
}

int __wrap_tree_signal(const struct tree *tree, uint64_t serial, pid_t leader, int signo)
{
	(void)tree;
	(void)leader;
	assert(serial != TREE_ALL);
	assert(signo >= 1 && signo <= WIRE_MAX_SIGNAL);
	return 0;
}

int __wrap_tree_count(const struct tree *tree, uint64_t serial)
{
	(void)tree;
	(void)serial;
	return 0;
}

int __wrap_kill(pid_t pid, int signo)
{
	assert(pid < -5000000);
	assert(signo >= 1 && signo <= WIRE_MAX_SIGNAL);
	return 0;
}

int __wrap_file_frame(struct init *init, const struct frame_header *header,
	struct wire_bytes payload, struct error *err)
{
	(void)init;
	(void)payload;
	return error_plain(err, EPROTO, "kind %u is not for this target", header->kind);
}

/* What listens: it is not there, or it says something, ends, and takes what its buffer holds. */
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	static unsigned next;
	int fds[2];

	(void)size;
	assert(address->sa_family == AF_INET || address->sa_family == AF_INET6);
	if (next++ % 3 == 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0) {
		errno = ECONNREFUSED;
		return -1;
	}
	(void)send(fds[1], "banner", 6, MSG_NOSIGNAL);
	if (next % 2 == 0) {
		(void)shutdown(fds[1], SHUT_WR);
	}
	assert(dup3(fds[0], fd, O_CLOEXEC) == fd);
	(void)close(fds[0]);
	servers[server_count++] = fds[1];
	return 0;
}

/* main.c's. */
void init_quit(struct init *init)
{
	init->quit = true;
}

void init_shutdown(struct init *init, uint32_t grace_ms)
{
	(void)grace_ms;
	init->shutting = true;
}

static void do_nothing(struct timer *timer)
{
	(void)timer;
}

/* One turn that does not wait for anything. */
static void turn(struct init *init)
{
	struct timer now = {0};

	timer_set(&init->loop, &now, 0, do_nothing);
	(void)loop_turn(&init->loop);
	timer_cancel(&now);
	conn_flush(init);
}

static void drain(int peer)
{
	char chunk[65536];

	while (recv(peer, chunk, sizeof(chunk), MSG_DONTWAIT) > 0) {
	}
}

static void finish(struct init *init)
{
	process_each(init, process_forget);
	assert(init->process_count == 0);
	conn_finish(init);
	if (init->login.watch.fd > 0) {
		watch_stop(&init->loop, &init->login.watch);
		(void)close(init->login.watch.fd);
	}
	timer_cancel(&init->login.timeout);
	buf_finish(&init->login.output);
	free(init->login.text);
	free(init->login.env);
	while (server_count > 0) {
		(void)close(servers[--server_count]);
	}
	assert(init->connections == NULL && init->connection_count == 0);
	assert(init->loop.timers == NULL);
	assert(init->sendable_first == NULL && init->sendable_last == NULL);
	loop_finish(&init->loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const environment[] = {NULL};
	static int null_fd = FD_NONE;
	struct init init = {.next_stream = 1, .environ = environment};
	struct wire_welcome welcome = {.version = WIRE_VERSION};
	_cleanup_buf_ struct buf say = {0};
	struct error err;
	int fds[2];

	if (null_fd < 0) {
		null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		(void)signal(SIGPIPE, SIG_IGN); /* blocked in creel-init */
	}
	init.null_fd = null_fd;
	if (size == 0 || size > 100000 || loop_init(&init.loop) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0) {
		return 0;
	}
	init.tree.proc_fd = FD_NONE;
	assert(conn_start(&init, fds[0], NULL, false, &err) == 0);
	if ((data[0] & 1) == 0) {
		frame_add_welcome(&say, &welcome);
	}
	buf_add(&say, data + 1, size - 1);
	/* In two parts: what the first one started has had its turn. */
	for (size_t at = 0, part; at < say.len && !init.quit; at += part) {
		part = at == 0 ? say.len / 2 + 1 : say.len - at;
		(void)send(fds[1], say.data + at, part, MSG_NOSIGNAL);
		turn(&init);
		turn(&init);
		drain(fds[1]);
	}
	(void)close(fds[1]);
	for (int i = 0; i < 1000 && !init.quit; i++) {
		turn(&init);
	}
	assert(init.quit);
	finish(&init);
	return 0;
}
