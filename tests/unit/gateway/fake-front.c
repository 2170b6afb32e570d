/* SPDX-License-Identifier: MIT */
/*
 * The HTTP server on a fake core, for tests/integration/test_http_*.py. Prints the port of its TCP
 * socket; listens on the unix socket named by its first argument. The others are limits, NAME=NUMBER.
 * SIGTERM drains, and a second one ends it.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <event2/event.h>

#include "base/macro.h"
#include "base/num.h"
#include "fake-core.h"
#include "gateway/http.h"

static int listen_tcp(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4096) < 0 ||
		getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
		err(1, "listen");
	}
	printf("%d\n", ntohs(address.sin_port));
	(void)fflush(stdout);
	return fd;
}

static int listen_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path)) {
		errx(1, "%s: too long for a socket", path);
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 64) < 0) {
		err(1, "%s", path);
	}
	return fd;
}

static bool read_limit(const char *text, struct http_limits *limits)
{
	const struct {
		const char *name;
		size_t *size;
		unsigned *ms;
	} rows[] = {
		{"connections", &limits->connections, NULL},
		{"bodies", &limits->bodies_bytes, NULL},
		{"calls", &limits->calls_per_token, NULL},
		{"head_ms", NULL, &limits->head_ms},
		{"idle_ms", NULL, &limits->idle_ms},
		{"body_ms", NULL, &limits->body_ms},
		{"write_ms", NULL, &limits->write_ms},
		{"heartbeat_ms", NULL, &limits->heartbeat_ms},
	};
	const char *equals = strchr(text, '=');
	uint32_t value = 0;

	if (equals == NULL || num_parse_u32(equals + 1, 1, UINT32_MAX, &value) < 0) {
		return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strncmp(rows[i].name, text, (size_t)(equals - text)) == 0 &&
			rows[i].name[equals - text] == '\0') {
			if (rows[i].size != NULL) {
				*rows[i].size = value;
			} else {
				*rows[i].ms = value;
			}
			return true;
		}
	}
	return false;
}

struct front {
	struct event_base *base;
	struct http_server *server;
	bool stopping;
};

static void on_drained(void *arg)
{
	struct front *front = arg;

	(void)event_base_loopexit(front->base, NULL);
}

static void on_term(evutil_socket_t fd, short events, void *arg)
{
	struct front *front = arg;

	(void)fd;
	(void)events;
	if (front->stopping) {
		(void)event_base_loopexit(front->base, NULL);
		return;
	}
	front->stopping = true;
	http_server_drain(front->server, on_drained, front);
}

int main(int argc, char **argv)
{
	struct http_server_opts opts = {.listener_count = 2};
	struct rlimit files = {0};
	struct front front = {.base = event_base_new()};
	int listeners[2];
	struct event *term;

	for (int i = 2; i < argc; i++) {
		if (!read_limit(argv[i], &opts.limits)) {
			errx(2, "%s: no limit", argv[i]);
		}
	}
	if (argc < 2) {
		errx(2, "usage: fake-front SOCKET [LIMIT=NUMBER...]");
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max < 16384 ? files.rlim_max : 16384;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	listeners[0] = listen_unix(argv[1]);
	listeners[1] = listen_tcp();
	opts.gateway = fake_gateway_new(front.base);
	opts.listeners = listeners;
	front.server = http_server_new(&opts);
	term = evsignal_new(front.base, SIGTERM, on_term, &front);
	(void)event_add(term, NULL);
	(void)event_base_dispatch(front.base);
	front.server = http_server_free(front.server);
	opts.gateway = fake_gateway_free(opts.gateway);
	event_free(term);
	event_base_free(front.base);
	return 0;
}
