/* SPDX-License-Identifier: MIT */
/* creel mcp: the tools as a server of the Model Context Protocol on stdin and stdout. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/own.h"
#include "cli/local-core.h"
#include "cli/mcp-relay.h"
#include "cli/request.h"
#include "cli/sink.h"
#include "cli/table.h"
#include "gateway/mcp-lines.h"
#include "gateway/mcp.h"

enum {
	READ_SIZE = 64 * 1024,
	/* A client that does not read is not listened to until it does. */
	UNREAD_MAX = 8 * 1024 * 1024,
	DRAIN_MS = 2000, /* for a client that reads slowly at the end */
};

struct mcp_args {
	struct common_args common;
	struct request_args request;
};

#define OFFSET(member) offsetof(struct mcp_args, member)
static const struct cmd_option options[] = {
	REQUEST_OPTION_AGENT(OFFSET(request)),
	REQUEST_OPTION_SESSION(OFFSET(request)),
	REQUEST_OPTION_WORKSPACE(OFFSET(request)),
	REQUEST_OPTION_SENDER(OFFSET(request)),
};

struct server {
	struct gateway *gateway;
	struct mcp *mcp;
	struct gateway_caller caller;
	struct mcp_lines lines;
	struct sink out;
	int epoll_fd, signal_fd, timer_fd;
	uint32_t stdin_events, stdout_events; /* what epoll_fd waits for */
	bool reads_always,
		writes_always; /* a file, which epoll_ctl(2) refuses and which never waits */
	bool over;
};

/* --- out --- */

static void on_send(void *arg, const struct mcp_message *message)
{
	struct server *s = arg;

	sink_write(&s->out, (const uint8_t *)message->text, message->len);
	sink_write(&s->out, (const uint8_t *)"\n", 1);
	s->over = s->over || s->out.error != 0;
}

static void on_answered(void *arg, void *origin)
{
	(void)arg;
	(void)origin;
}

/* --- in --- */

static void take_lines(struct server *s)
{
	enum mcp_line kind;
	const char *line;
	size_t len;

	while (!s->over && (kind = mcp_lines_next(&s->lines, &line, &len)) != MCP_LINE_NONE) {
		if (kind == MCP_LINE) {
			mcp_receive(s->mcp, &s->caller, NULL, NULL, line, len);
		} else {
			mcp_refuse(s->mcp, "a message of more than 64 MiB");
		}
	}
}

static void read_stdin(struct server *s)
{
	static char chunk[READ_SIZE]; /* one server per process */
	ssize_t n = read(STDIN_FILENO, chunk, sizeof(chunk));

	if (n > 0) {
		mcp_lines_add(&s->lines, chunk, (size_t)n);
		take_lines(s);
	} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
		s->over = true; /* the client went: what it started goes with it */
	}
}

/* --- waiting --- */

/* false: this descriptor cannot be waited for, and need not be. */
static bool wait_for(const struct server *s, int fd, uint32_t *events, uint32_t wanted)
{
	struct epoll_event event = {.events = wanted, .data.fd = fd};
	int op = *events == 0 ? EPOLL_CTL_ADD : wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;

	if (*events == wanted) {
		return true;
	}
	if (epoll_ctl(s->epoll_fd, op, fd, &event) < 0) {
		return false;
	}
	*events = wanted;
	return true;
}

static bool may_read(const struct server *s)
{
	return s->out.pending.len - s->out.pending_at < UNREAD_MAX;
}

static void set_timer(const struct server *s)
{
	uint64_t at = mcp_deadline(s->mcp);
	struct itimerspec when = {0};

	if (at != UINT64_MAX) {
		when.it_value.tv_sec = (time_t)(at / NS_PER_S);
		when.it_value.tv_nsec = (long)(at % NS_PER_S);
	}
	(void)timerfd_settime(s->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void rearm(struct server *s)
{
	if (!wait_for(s, STDIN_FILENO, &s->stdin_events, may_read(s) ? EPOLLIN : 0)) {
		s->reads_always = true;
	}
	/* A sink that had to open its pipe again waits on that descriptor, from its first wait on. */
	if (!wait_for(s, sink_poll_fd(&s->out), &s->stdout_events,
		    sink_is_pending(&s->out) ? EPOLLOUT : 0)) {
		s->writes_always = true;
	}
	set_timer(s);
}

static void serve_events(struct server *s)
{
	struct epoll_event events[4];
	int count = epoll_wait(s->epoll_fd, events, 4, 0);

	for (int i = 0; i < count; i++) {
		int fd = events[i].data.fd;

		if (fd == s->signal_fd) {
			s->over = true;
		} else if (fd == s->timer_fd) {
			mcp_tick(s->mcp, clock_now_ns());
		} else if (fd == STDIN_FILENO) {
			read_stdin(s);
		} else {
			sink_flush(&s->out);
			s->over = s->over || s->out.error != 0;
		}
	}
}

static void serve(struct server *s)
{
	while (!s->over) {
		rearm(s);
		if (s->reads_always && may_read(s)) {
			read_stdin(s);
		} else if (local_core_turn(s->gateway, s->epoll_fd)) {
			serve_events(s);
		}
		if (s->writes_always) {
			sink_flush(&s->out);
		}
	}
}

/* What was answered before stdin ended is still wanted by who closed it to say "no more". */
static void drain(struct server *s)
{
	while (sink_is_pending(&s->out) && s->out.error == 0) {
		struct pollfd writable = {.fd = sink_poll_fd(&s->out), .events = POLLOUT};

		if (poll(&writable, 1, DRAIN_MS) <= 0) {
			return;
		}
		sink_flush(&s->out);
	}
}

/* --- up and down --- */

static int open_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
		return -errno;
	}
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int server_open(struct server *s, struct error *err)
{
	struct epoll_event event = {.events = EPOLLIN};

	(void)signal(SIGPIPE, SIG_IGN); /* NOLINT(cert-err33-c): it cannot fail */
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->signal_fd = open_signals();
	s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->epoll_fd < 0 || s->signal_fd < 0 || s->timer_fd < 0) {
		return error_set(err, errno, "cannot wait for events");
	}
	event.data.fd = s->signal_fd;
	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->signal_fd, &event) < 0) {
		return error_set(err, errno, "cannot wait for signals");
	}
	event.data.fd = s->timer_fd;
	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->timer_fd, &event) < 0) {
		return error_set(err, errno, "cannot wait for the time");
	}
	sink_init(&s->out, STDOUT_FILENO);
	s->mcp = mcp_new(&(struct mcp_opts){
		.gateway = s->gateway,
		.send = on_send,
		.answered = on_answered,
		.arg = s,
	});
	return 0;
}

static void server_finish(struct server *s)
{
	s->mcp = mcp_free(s->mcp);
	s->gateway = local_core_free(s->gateway);
	mcp_lines_finish(&s->lines);
	sink_finish(&s->out);
	cleanup_closep(&s->epoll_fd);
	cleanup_closep(&s->signal_fd);
	cleanup_closep(&s->timer_fd);
}

static int run(const struct cmd_call *call)
{
	const struct mcp_args *args = call->args;
	_cleanup_decided_ struct decided decided = {0};
	struct server server = {
		.caller = {.local_fd = FD_NONE, .transport = "mcp"},
		.epoll_fd = FD_NONE,
		.signal_fd = FD_NONE,
		.timer_fd = FD_NONE,
	};
	struct error err;
	int status = request_decide(call, &args->request, NULL, false, &decided);
	int r;

	if (status != STATUS_OK) {
		return status;
	}
	/* A workspace or a sender of the command line's own is nothing that a gateway knows. */
	if (args->request.workspace == NULL && args->request.sender == NULL) {
		r = mcp_relay_run(decided.config, args->request.agent, args->request.session, &err);
		if (r != -ENOENT) {
			return r < 0 ? fail_error(call, STATUS_FAILED, CODE_IO, &err) : STATUS_OK;
		}
	}
	server.gateway = local_core_new(&decided);
	if (server_open(&server, &err) < 0) {
		status = fail_error(call, STATUS_FAILED, CODE_IO, &err);
	} else {
		serve(&server);
		drain(&server);
	}
	server_finish(&server);
	return status;
}

const struct cmd cmd_mcp = {
	.name = "mcp",
	.summary = "serve the tools to an MCP client, on stdin and stdout",
	.operands = "",
	.min_operands = 0,
	.max_operands = 0,
	.failed_status = STATUS_FAILED,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.args_size = sizeof(struct mcp_args),
	.description =
		"A server of the Model Context Protocol for clients that start their servers themselves: one "
		"JSON-RPC message on each line. Its tools work where the configuration says, in one sandbox "
		"that lasts as long as the server; the workspace's files are its resources. When stdin ends, "
		"or on SIGTERM, what runs is killed and nothing stays behind.",
	.run = run,
};
