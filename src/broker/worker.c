/* SPDX-License-Identifier: MIT */
/* Forked children that do what takes time. */
#include "broker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/own.h"
#include "bus/channel.h"
#include "os/sys.h"

enum { WORKER_FD = 3 };

struct worker_side {
	int fd;
	bool answered;
};

struct worker {
	struct bus_channel *channel;
	worker_done_fn done;
	void *arg;
	bool answered;
	enum worker_keep keep;
};

static size_t workers;

/* --- in the child --- */

void worker_answer(struct worker_side *side, json_t *json, const int *fds, size_t fd_count)
{
	struct bus_message message = {.kind = BUS_REPLY};
	_cleanup_free_ char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
	_cleanup_close_ int memfd = FD_NONE;
	int all[BUS_FDS_MAX];
	struct error err;

	json_decref(json);
	if (text == NULL || bus_attach_json(&message, text, &memfd, &err) < 0) {
		(void)error_plain(&err, ENOMEM, "the answer is too long");
		worker_fail(side, "internal", &err);
		return;
	}
	if (fd_count > 0) {
		(void)memcpy(all, fds, fd_count * sizeof(int));
	}
	if (memfd >= 0) {
		all[fd_count++] = memfd;
	}
	/* Nobody left to tell: what was made is found again by the next broker. */
	(void)bus_send(side->fd, &message, all, fd_count, &err);
	side->answered = true;
}

void worker_fail(struct worker_side *side, const char *type, const struct error *err)
{
	struct bus_message message = {.kind = BUS_FAILURE, .id = (uint32_t)err->num};
	struct error ignored;

	bus_set(&message, BUS_TYPE, type);
	bus_set(&message, BUS_MESSAGE, err->text);
	(void)bus_send(side->fd, &message, NULL, 0, &ignored);
	side->answered = true;
}

int worker_lease_fd(const struct worker_side *side)
{
	return side->fd;
}

void worker_wait(struct worker_side *side)
{
	struct pollfd p = {.fd = side->fd, .events = POLLIN};

	while (poll(&p, 1, -1) < 0 && errno == EINTR) {
	}
}

/* The broker's descriptors are not this child's: a copy of a sandbox's lock would keep it held. */
static void become_child(int fd)
{
	static const int handled[] = {SIGHUP, SIGINT, SIGTERM, SIGCHLD, SIGUSR1};
	sigset_t none;

	for (size_t i = 0; i < ARRAY_SIZE(handled); i++) {
		(void)signal(handled[i], SIG_DFL);
	}
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_NAME, "creel-worker", 0, 0, 0);
	if (fd != WORKER_FD) {
		(void)dup3(fd, WORKER_FD, O_CLOEXEC);
	}
	(void)sys_close_range(WORKER_FD + 1, ~0U, 0);
}

__attribute__((noreturn)) static void run_child(int fd, const struct worker_job *job)
{
	struct worker_side side = {.fd = WORKER_FD};
	struct error err;

	become_child(fd);
	job->run(&side, job->run_arg);
	if (!side.answered) {
		(void)error_plain(&err, EIO, "a worker of the gateway ended without an answer");
		worker_fail(&side, "internal", &err);
	}
	_exit(0);
}

/* --- in the broker --- */

static void worker_free(struct worker *worker)
{
	worker->channel = bus_channel_free(worker->channel);
	workers--;
	free(worker);
}

static void deliver(struct worker *worker, struct worker_reply *reply)
{
	worker->answered = true;
	worker->done(worker->arg, worker, reply, &worker->keep);
	if (worker->keep == WORKER_DONE) {
		worker_free(worker);
	}
}

static void on_packet(void *arg, struct bus_packet *packet)
{
	struct worker *worker = arg;
	struct worker_reply reply = {.failure_type = "internal"};
	_cleanup_free_ char *type = bus_take(&packet->message, BUS_TYPE);
	_cleanup_free_ char *text = bus_take(&packet->message, BUS_MESSAGE);

	if (worker->answered) {
		return;
	}
	if (packet->message.kind == BUS_REPLY) {
		reply.json = bus_packet_json(packet, &reply.failure);
		reply.fd_count =
			packet->fd_count - ((packet->message.flags & BUS_MEMFD) != 0 ? 1 : 0);
		for (size_t i = 0; i < reply.fd_count; i++) {
			reply.fds[i] = TAKE_FD(packet->fds[i]);
		}
	} else {
		reply.failure_type = type != NULL ? type : "internal";
		(void)error_plain(&reply.failure,
			packet->message.id > 0 ? (int)packet->message.id : EIO, "%s",
			text != NULL ? text : "a worker of the gateway failed");
	}
	deliver(worker, &reply);
	json_decref(reply.json);
	for (size_t i = 0; i < reply.fd_count; i++) {
		cleanup_closep(&reply.fds[i]);
	}
}

static void on_closed(void *arg, const struct error *why)
{
	struct worker *worker = arg;
	struct worker_reply reply = {.failure_type = "internal"};

	(void)why;
	if (worker->answered) {
		if (worker->keep == WORKER_UNTIL_ITS_END) {
			worker_free(worker);
		}
		return; /* else whoever keeps it lets go of it in time */
	}
	(void)error_plain(&reply.failure, EIO, "a worker of the gateway died");
	deliver(worker, &reply);
}

static const struct bus_channel_ops channel_ops = {.packet = on_packet, .closed = on_closed};

int worker_start(struct event_base *base, const struct worker_job *job, struct error *err)
{
	struct worker *worker;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		return error_set(err, errno, "cannot start a worker: socketpair");
	}
	pid = fork();
	if (pid == 0) {
		run_child(pair[1], job);
	}
	(void)close(pair[1]);
	if (pid < 0) {
		int r = error_set(err, errno, "cannot start a worker: fork");

		(void)close(pair[0]);
		return r;
	}
	worker = xcalloc(1, sizeof(*worker));
	worker->done = job->done;
	worker->arg = job->done_arg;
	worker->channel = bus_channel_new(base, pair[0], &channel_ops, worker);
	workers++;
	if (job->ret != NULL) {
		*job->ret = worker;
	}
	return 0;
}

void worker_release(struct worker *worker)
{
	worker_free(worker);
}

size_t worker_count(void)
{
	return workers;
}
