/* SPDX-License-Identifier: MIT */
#include "cli/mcp-relay.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/own.h"
#include "cli/gateway-client.h"
#include "cli/sink.h"

enum { READ_SIZE = 64 * 1024, WAITING_MAX = 8 * 1024 * 1024 };

enum { WAIT_STDIN, WAIT_STDOUT, WAIT_GATEWAY, WAIT_SIGNALS, WAIT_COUNT };

struct relay {
	int fd, signal_fd;
	struct buf up; /* for the gateway */
	struct sink down;
	bool ended; /* stdin: the gateway answers what it has, kills what runs, and closes */
	bool over, gone;
};

static void add_query(struct buf *out, const char *name, const char *value)
{
	if (value != NULL) {
		buf_addf(out, "%s=", name);
		gateway_client_add_encoded(out, value);
		buf_add_char(out, '&');
	}
}

static int open_stream(const struct config *config, const char *agent, const char *session,
	int *ret_fd, struct error *err)
{
	_cleanup_buf_ struct buf path = {0};

	buf_add_str(&path, "/v1/mcp?");
	add_query(&path, "agentId", agent);
	add_query(&path, "sessionKey", session);
	return gateway_client_upgrade(config,
		&(struct gateway_request){.method = "GET", .path = path.data}, "creel-mcp", ret_fd,
		err);
}

static void push_up(struct relay *relay)
{
	ssize_t n = send(relay->fd, relay->up.data, relay->up.len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n > 0) {
		buf_consume(&relay->up, (size_t)n);
		if (relay->ended && relay->up.len == 0) {
			(void)shutdown(relay->fd, SHUT_WR);
		}
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		relay->over = relay->gone = true;
	}
}

static void take_stdin(struct relay *relay)
{
	ssize_t n = read(STDIN_FILENO, buf_reserve(&relay->up, READ_SIZE), READ_SIZE);

	if (n > 0) {
		buf_commit(&relay->up, (size_t)n);
		push_up(relay);
	} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
		relay->ended = true;
	}
	if (relay->ended && relay->up.len == 0) {
		(void)shutdown(relay->fd, SHUT_WR);
	}
}

static void take_gateway(struct relay *relay)
{
	static uint8_t chunk[READ_SIZE]; /* one relay per process */
	ssize_t n = recv(relay->fd, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (n > 0) {
		sink_write(&relay->down, chunk, (size_t)n);
	} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
		relay->over = true;
		relay->gone = !relay->ended;
	}
}

static void turn(struct relay *relay)
{
	size_t waiting = relay->down.pending.len - relay->down.pending_at;
	struct pollfd fds[WAIT_COUNT] = {
		[WAIT_STDIN] = {.fd = !relay->ended && relay->up.len < WAITING_MAX ? STDIN_FILENO
										   : -1,
			.events = POLLIN},
		[WAIT_STDOUT] = {.fd = sink_is_pending(&relay->down) ? sink_poll_fd(&relay->down)
								     : -1,
			.events = POLLOUT},
		[WAIT_GATEWAY] = {.fd = relay->fd},
		[WAIT_SIGNALS] = {.fd = relay->signal_fd, .events = POLLIN},
	};

	fds[WAIT_GATEWAY].events =
		(short)((waiting < WAITING_MAX ? POLLIN : 0) | (relay->up.len > 0 ? POLLOUT : 0));
	if (poll(fds, WAIT_COUNT, -1) < 0) {
		return;
	}
	if (fds[WAIT_SIGNALS].revents != 0) {
		relay->over = true;
	}
	if ((fds[WAIT_GATEWAY].revents & POLLOUT) != 0) {
		push_up(relay);
	}
	if ((fds[WAIT_GATEWAY].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
		take_gateway(relay);
	}
	if (fds[WAIT_STDOUT].revents != 0) {
		sink_flush(&relay->down);
	}
	if (fds[WAIT_STDIN].revents != 0) {
		take_stdin(relay);
	}
	relay->over = relay->over || relay->down.error != 0;
}

int mcp_relay_run(
	const struct config *config, const char *agent, const char *session, struct error *err)
{
	_cleanup_close_ int fd = FD_NONE;
	_cleanup_close_ int signal_fd = FD_NONE;
	struct relay relay = {0};
	sigset_t set;
	int r = open_stream(config, agent, session, &fd, err);

	if (r < 0) {
		return r;
	}
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	relay.fd = fd;
	relay.signal_fd = signal_fd;
	sink_init(&relay.down, STDOUT_FILENO);
	while (!relay.over) {
		turn(&relay);
	}
	buf_finish(&relay.up);
	sink_finish(&relay.down);
	return relay.gone ? error_plain(err, EPIPE, "the gateway went away") : 0;
}
