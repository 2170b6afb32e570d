/* SPDX-License-Identifier: MIT */
#include "gateway/mcp-pipe.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/own.h"
#include "gateway/mcp-lines.h"
#include "gateway/mcp.h"

enum { READ_SIZE = 64 * 1024, UNREAD_MAX = 8 * 1024 * 1024 };

struct pipe {
	struct pipe *prev, *next;
	const struct http_server *server;
	struct mcp *mcp;
	struct gateway_caller caller;
	char *token;
	struct mcp_lines lines;
	struct buf out;
	size_t sent; /* of out */
	int fd;
	bool over, reading, writing;
	struct event read, write, timer;
};

static struct {
	struct pipe *first;
	size_t count;
} pipes;

static void pipe_free(struct pipe *pipe)
{
	*(pipe->prev != NULL ? &pipe->prev->next : &pipes.first) = pipe->next;
	if (pipe->next != NULL) {
		pipe->next->prev = pipe->prev;
	}
	pipes.count--;
	pipe->mcp = mcp_free(pipe->mcp);
	(void)event_del(&pipe->read);
	(void)event_del(&pipe->write);
	(void)event_del(&pipe->timer);
	(void)close(pipe->fd);
	mcp_lines_finish(&pipe->lines);
	buf_finish(&pipe->out);
	free(pipe->token);
	free(pipe);
}

static void watch(struct event *event, bool *on, bool wanted)
{
	if (*on != wanted) {
		(void)(wanted ? event_add(event, NULL) : event_del(event));
		*on = wanted;
	}
}

/* What is there to wait for; a client that does not read is not listened to. */
static void rearm(struct pipe *pipe)
{
	uint64_t at = mcp_deadline(pipe->mcp), now = clock_now_ns();
	uint64_t left = at > now ? at - now : 0;
	struct timeval wait = {.tv_sec = (time_t)(left / NS_PER_S),
		.tv_usec = (suseconds_t)(left % NS_PER_S / 1000 + 1)};

	watch(&pipe->read, &pipe->reading, !pipe->over && pipe->out.len - pipe->sent < UNREAD_MAX);
	watch(&pipe->write, &pipe->writing, !pipe->over && pipe->sent < pipe->out.len);
	if (pipe->over) {
		event_active(&pipe->timer, EV_TIMEOUT, 0);
	} else if (at != UINT64_MAX) {
		(void)event_add(&pipe->timer, &wait);
	}
}

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
	struct pipe *pipe = arg;

	(void)fd;
	(void)events;
	if (pipe->over) {
		pipe_free(pipe);
		return;
	}
	mcp_tick(pipe->mcp, clock_now_ns());
	rearm(pipe);
}

static void flush(struct pipe *pipe)
{
	while (!pipe->over && pipe->sent < pipe->out.len) {
		ssize_t n = send(pipe->fd, pipe->out.data + pipe->sent, pipe->out.len - pipe->sent,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN) {
			return;
		}
		if (n < 0 && errno != EINTR) {
			pipe->over = true;
		}
		pipe->sent += n > 0 ? (size_t)n : 0;
	}
	buf_finish(&pipe->out);
	pipe->sent = 0;
}

static void on_writable(evutil_socket_t fd, short events, void *arg)
{
	struct pipe *pipe = arg;

	(void)fd;
	(void)events;
	flush(pipe);
	rearm(pipe);
}

static void on_send(void *arg, const struct mcp_message *message)
{
	struct pipe *pipe = arg;

	buf_add(&pipe->out, message->text, message->len);
	buf_add_char(&pipe->out, '\n');
	flush(pipe);
	rearm(pipe);
}

static void on_answered(void *arg, void *origin)
{
	(void)arg;
	(void)origin;
}

static void on_due(void *arg)
{
	rearm(arg);
}

static void take(struct pipe *pipe, const char *data, size_t len)
{
	enum mcp_line kind;
	const char *line;
	size_t line_len;

	mcp_lines_add(&pipe->lines, data, len);
	while (!pipe->over &&
		(kind = mcp_lines_next(&pipe->lines, &line, &line_len)) != MCP_LINE_NONE) {
		if (kind == MCP_LINE) {
			mcp_receive(pipe->mcp, &pipe->caller, NULL, NULL, line, line_len);
		} else {
			mcp_refuse(pipe->mcp, "a message of more than 64 MiB");
		}
	}
}

static void on_readable(evutil_socket_t fd, short events, void *arg)
{
	static char chunk[READ_SIZE]; /* one thread */
	struct pipe *pipe = arg;
	ssize_t n = read(fd, chunk, sizeof(chunk));

	(void)events;
	if (n > 0) {
		take(pipe, chunk, (size_t)n);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		pipe->over = true;
	}
	rearm(pipe);
}

static struct pipe *pipe_new(struct http_exchange *x)
{
	const struct gateway_caller *caller = http_exchange_caller(x);
	struct event_base *base = gateway_base(http_exchange_gateway(x));
	struct pipe *pipe = xcalloc(1, sizeof(*pipe));

	pipe->next = pipes.first;
	if (pipes.first != NULL) {
		pipes.first->prev = pipe;
	}
	pipes.first = pipe;
	pipes.count++;
	pipe->server = http_exchange_server(x);
	pipe->token = caller->token != NULL ? xstrdup(caller->token) : NULL;
	pipe->caller = (struct gateway_caller){
		.token = pipe->token, .local_fd = FD_NONE, .transport = "mcp"};
	pipe->mcp = mcp_new(&(struct mcp_opts){
		.gateway = http_exchange_gateway(x),
		.agent = http_exchange_query(x, "agentId"),
		.session = http_exchange_query(x, "sessionKey"),
		.send = on_send,
		.answered = on_answered,
		.due = on_due,
		.arg = pipe,
	});
	(void)event_assign(&pipe->timer, base, -1, 0, on_timer, pipe);
	return pipe;
}

void mcp_pipe_open(struct http_exchange *x)
{
	static const char hello[] =
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: creel-mcp\r\n\r\n";
	struct event_base *base = gateway_base(http_exchange_gateway(x));
	bool local = http_exchange_caller(x)->local_fd >= 0;
	_cleanup_buf_ struct buf early = {0};
	struct pipe *pipe;

	if (pipes.count >= LIMIT_MCP_SESSIONS) {
		http_exchange_fail(x, 429, GATEWAY_FAIL_BUSY, "too many clients are at work",
			"try again later");
		return;
	}
	pipe = pipe_new(x);
	pipe->fd = http_exchange_detach(x, &early);
	if (pipe->fd < 0) {
		pipe->fd = FD_NONE;
		pipe->over = true;
		pipe_free(pipe);
		http_exchange_fail(x, 503, GATEWAY_FAIL_BUSY, "an earlier answer is not read yet",
			"read it, then ask again");
		return;
	}
	pipe->caller.local_fd = local ? pipe->fd : FD_NONE;
	(void)event_assign(&pipe->read, base, pipe->fd, EV_READ | EV_PERSIST, on_readable, pipe);
	(void)event_assign(&pipe->write, base, pipe->fd, EV_WRITE | EV_PERSIST, on_writable, pipe);
	buf_add_str(&pipe->out, hello);
	flush(pipe);
	take(pipe, early.data != NULL ? early.data : "", early.len);
	rearm(pipe);
}

void mcp_pipes_end(const struct http_server *server)
{
	struct pipe *next;

	for (struct pipe *pipe = pipes.first; pipe != NULL; pipe = next) {
		next = pipe->next;
		if (pipe->server == server) {
			pipe_free(pipe);
		}
	}
}
