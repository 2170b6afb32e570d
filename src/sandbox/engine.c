/* SPDX-License-Identifier: MIT */
/*
 * Finding the container engine. That it is there is asked here with one line of HTTP/1.0, because
 * every command that meets backend auto asks it: the client proper (src/backend/docker) is a program
 * of its own and takes longer to load than this takes to be answered.
 */
#include "sandbox/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "base/path.h"

enum { KNOCK_TIMEOUT_MS = 2000, INFO_TIMEOUT_MS = 20000, INFO_MAX = 1024 * 1024 };

#define DEFAULT_SOCKET "/var/run/docker.sock"

/* A path, or unix:// and a path. */
static int take_address(
	struct decision *d, const char *address, const char *from, struct error *err)
{
	static const char scheme[] = "unix://";
	const char *path = address;

	if (strncmp(path, scheme, sizeof(scheme) - 1) == 0) {
		path += sizeof(scheme) - 1;
	}
	if (!path_is_absolute(path)) {
		return error_plain(err, EINVAL,
			"%s is '%.200s'; an engine is reached through a unix socket only: write an "
			"absolute path or unix:///path",
			from, address);
	}
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		return error_plain(err, ENAMETOOLONG,
			"%s is longer than the address of a unix socket can be", from);
	}
	d->spec.docker_socket = arena_strdup(&d->arena, path);
	return 0;
}

/* The places where Docker and Podman listen, as root and as a user of their own. */
static const char *usual_place(struct arena *a)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	const char *places[] = {DEFAULT_SOCKET, NULL, "/run/podman/podman.sock", NULL};

	if (runtime != NULL && path_is_absolute(runtime)) {
		places[1] = path_join(a, runtime, "docker.sock");
		places[3] = path_join(a, runtime, "podman/podman.sock");
	}
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (places[i] != NULL && access(places[i], F_OK) == 0) {
			return places[i];
		}
	}
	return DEFAULT_SOCKET;
}

int engine_find(struct decision *decision, struct error *err)
{
	struct arena *a = &decision->arena;
	const char *prefixed =
		arena_printf(a, "%sDOCKER_SOCKET", decision->config->brand->env_prefix);
	const char *names[] = {prefixed, "DOCKER_HOST"};

	if (decision->spec.docker_socket != NULL) {
		return take_address(decision, decision->spec.docker_socket,
			decision_provenance(decision, "sandbox.docker.socket"), err);
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);

		if (value != NULL && value[0] != '\0') {
			return take_address(
				decision, value, arena_printf(a, "the variable %s", names[i]), err);
		}
	}
	return take_address(decision, usual_place(a), "the engine's socket", err);
}

static int dial(const char *path, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = FD_NONE;

	/* Mostly there is none, and every command asks: a look costs a tenth of a socket. */
	if (access(path, F_OK) < 0) {
		return error_set(err, errno, "no container engine answers at '%s'", path);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return error_set(err, errno, "cannot make a socket");
	}
	(void)memcpy(address.sun_path, path, strlen(path) + 1);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		return error_set(err, errno, "no container engine answers at '%s'", path);
	}
	return TAKE_FD(fd);
}

/* Exactly len bytes, or what came before the end or the deadline. */
static size_t read_some(int fd, char *ret, size_t len, uint64_t deadline_ns)
{
	size_t got = 0;

	while (got < len) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, clock_left_ms(deadline_ns)) == 0) {
			break;
		}
		n = read(fd, ret + got, len - got);
		if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) {
			break;
		}
		got += n > 0 ? (size_t)n : 0;
	}
	return got;
}

int engine_knock(const char *socket_path, struct error *err)
{
	static const char request[] = "GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n";
	static const char good[] = "HTTP/1.x 200";
	_cleanup_close_ int fd = dial(socket_path, err);
	uint64_t deadline_ns = clock_after_ns(KNOCK_TIMEOUT_MS * NS_PER_MS);
	char answer[sizeof(good) - 1];

	if (fd < 0) {
		return fd;
	}
	/* Shorter than any socket buffer: taken whole or not at all. */
	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(request) - 1) {
		return error_set(
			err, errno, "the container engine at '%s' takes no request", socket_path);
	}
	if (read_some(fd, answer, sizeof(answer), deadline_ns) != sizeof(answer) ||
		memcmp(answer, good, 7) != 0 || memcmp(answer + 8, good + 8, 4) != 0) {
		return error_plain(err, EPROTO,
			"what listens at '%s' does not answer as a container engine", socket_path);
	}
	return 0;
}

/* The body of an answer; NULL when it is none. A new reference. */
static json_t *parse_answer(const char *answer, size_t len)
{
	static const char end[] = "\r\n\r\n";
	const char *body = memmem(answer, len, end, sizeof(end) - 1);

	if (len < 12 || memcmp(answer + 8, " 200", 4) != 0 || body == NULL) {
		return NULL;
	}
	body += sizeof(end) - 1;
	return json_loadb(body, len - (size_t)(body - answer), 0, NULL);
}

/* What runc is called where it is the default; the second is containerd's name for the same. */
static bool is_default_runtime(const json_t *info, const char *name)
{
	const char *by_default = json_string_value(json_object_get(info, "DefaultRuntime"));

	return strcmp(name, by_default != NULL ? by_default : "runc") == 0 ||
	       strcmp(name, "io.containerd.runc.v2") == 0 ||
	       strcmp(name, "io.containerd.runtime.v1.linux") == 0;
}

int engine_other_runtimes(
	const char *socket_path, struct arena *arena, struct strv *ret, struct error *err)
{
	static const char request[] = "GET /info HTTP/1.0\r\nHost: engine\r\n\r\n";
	_cleanup_close_ int fd = dial(socket_path, err);
	_cleanup_free_ char *answer = NULL;
	json_t *info, *value;
	const char *name;
	size_t len;

	if (fd < 0) {
		return fd;
	}
	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(request) - 1) {
		return error_set(
			err, errno, "the container engine at '%s' takes no request", socket_path);
	}
	answer = xmalloc(INFO_MAX);
	len = read_some(fd, answer, INFO_MAX, clock_after_ns(INFO_TIMEOUT_MS * NS_PER_MS));
	info = parse_answer(answer, len);
	if (info == NULL) {
		return error_plain(err, EPROTO,
			"what listens at '%s' does not answer as a container engine", socket_path);
	}
	json_object_foreach(json_object_get(info, "Runtimes"), name, value)
	{
		if (!is_default_runtime(info, name)) {
			strv_add(ret, arena, name);
		}
	}
	json_decref(info);
	return 0;
}
