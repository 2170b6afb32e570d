/* SPDX-License-Identifier: MIT */
#include "cli/mcp-relay.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/own.h"
#include "base/path.h"
#include "cli/sink.h"

enum { READ_SIZE = 64 * 1024, HEAD_MAX = 16 * 1024, WAITING_MAX = 8 * 1024 * 1024 };

enum { WAIT_STDIN, WAIT_STDOUT, WAIT_GATEWAY, WAIT_SIGNALS, WAIT_COUNT };

struct relay {
	int fd, signal_fd;
	struct buf up; /* for the gateway */
	struct sink down;
	bool ended; /* stdin: the gateway answers what it has, kills what runs, and closes */
	bool over, gone;
};

static int connect_gateway(const struct config *config, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	const char *key = json_string_value(config_get(config, "gateway.socket"));
	const char *path = path_join(&arena, config->state_dir,
		key != NULL ? path_expand_home(&arena, key, config->home) : "creel.sock");
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(name.sun_path) || fd < 0) {
		return error_plain(err, ENOENT, "no gateway can be reached at '%s'", path);
	}
	memcpy(name.sun_path, path, strlen(path));
	if (connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0) {
		/* A socket without a listener is what a killed gateway leaves. */
		return errno == ENOENT || errno == ECONNREFUSED
			       ? error_plain(err, ENOENT, "no gateway runs at '%s'", path)
			       : error_set(err, errno, "cannot reach the gateway at '%s'", path);
	}
	return TAKE_FD(fd);
}

static void add_query(struct buf *out, const char *name, const char *value)
{
	if (value == NULL) {
		return;
	}
	buf_addf(out, "%s=", name);
	for (const char *c = value; *c != '\0'; c++) {
		buf_addf(out, "%%%02x", (unsigned)(unsigned char)*c);
	}
	buf_add_char(out, '&');
}

static int send_all(int fd, const struct buf *data, struct error *err)
{
	size_t at = 0;

	while (at < data->len) {
		ssize_t n = send(fd, data->data + at, data->len - at, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR) {
			return error_set(err, errno, "cannot ask the gateway");
		}
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* The head of the answer; nothing is sent behind it before we have said something. */
static int read_head(int fd, struct error *err)
{
	_cleanup_buf_ struct buf head = {0};
	char byte;

	while (head.len < 4 || memcmp(head.data + head.len - 4, "\r\n\r\n", 4) != 0) {
		ssize_t n = read(fd, &byte, 1);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0 || head.len >= HEAD_MAX) {
			return error_plain(err, EPROTO, "the gateway went away before it answered");
		}
		buf_add(&head, &byte, 1);
	}
	if (strncmp(head.data, "HTTP/1.1 101", 12) != 0) {
		return error_plain(err, EPROTO,
			"the gateway does not serve MCP here: it says '%.12s'", head.data);
	}
	return 0;
}

static int ask_upgrade(int fd, const char *agent, const char *session, struct error *err)
{
	_cleanup_buf_ struct buf request = {0};
	int r;

	buf_add_str(&request, "GET /v1/mcp?");
	add_query(&request, "agentId", agent);
	add_query(&request, "sessionKey", session);
	buf_add_str(&request, " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
			      "Upgrade: creel-mcp\r\n\r\n");
	r = send_all(fd, &request, err);
	return r < 0 ? r : read_head(fd, err);
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
	_cleanup_close_ int fd = connect_gateway(config, err);
	_cleanup_close_ int signal_fd = FD_NONE;
	struct relay relay = {.fd = fd};
	sigset_t set;
	int r = fd < 0 ? fd : ask_upgrade(fd, agent, session, err);

	if (r < 0) {
		return r;
	}
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	relay.signal_fd = signal_fd;
	sink_init(&relay.down, STDOUT_FILENO);
	while (!relay.over) {
		turn(&relay);
	}
	buf_finish(&relay.up);
	sink_finish(&relay.down);
	return relay.gone ? error_plain(err, EPIPE, "the gateway went away") : 0;
}
