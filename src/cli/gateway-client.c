/* SPDX-License-Identifier: MIT */
/* A small HTTP client for one server that is known: ours. */
#include "cli/gateway-client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/own.h"
#include "base/path.h"

enum { ANSWER_MAX = 64 * 1024 * 1024, HEAD_MAX = 256 * 1024, READ_SIZE = 64 * 1024 };

int gateway_client_connect(const struct config *config, int *ret_fd, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	const char *socket_key = json_string_value(config_get(config, "gateway.socket"));
	const char *path = path_join(&arena, config->state_dir,
		socket_key != NULL ? path_expand_home(&arena, socket_key, config->home)
				   : "creel.sock");
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = FD_NONE;

	if (strlen(path) >= sizeof(name.sun_path)) {
		return error_plain(err, ENOENT, "no gateway can listen at '%s'", path);
	}
	(void)memcpy(name.sun_path, path, strlen(path));
	/* Mostly there is none, and every command asks: a look costs a tenth of a socket. */
	if (access(path, F_OK) < 0 && errno == ENOENT) {
		return error_plain(err, ENOENT, "no gateway runs at '%s'", path);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return error_set(err, errno, "cannot make a socket");
	}
	if (connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0) {
		/* A socket without a listener is what a killed gateway leaves. */
		return errno == ENOENT || errno == ECONNREFUSED
			       ? error_plain(err, ENOENT, "no gateway runs at '%s'", path)
			       : error_set(err, errno, "cannot reach the gateway at '%s'", path);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
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

static int send_request(
	int fd, const struct gateway_request *request, const char *headers, struct error *err)
{
	_cleanup_free_ char *text =
		request->body != NULL ? json_dumps(request->body, JSON_COMPACT) : NULL;
	_cleanup_buf_ struct buf out = {0};

	buf_addf(&out, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", request->method, request->path,
		headers);
	if (text != NULL) {
		buf_addf(&out, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
			strlen(text));
	}
	buf_add_str(&out, "\r\n");
	buf_add_str(&out, text != NULL ? text : "");
	return send_all(fd, &out, err);
}

/* 1: more came, 0: the end, or a negative errno. */
static int read_more(int fd, struct buf *in, struct error *err)
{
	char *room = buf_reserve(in, READ_SIZE);
	ssize_t n;

	if (room == NULL) {
		return error_plain(err, EIO, "the gateway's answer is too long");
	}
	do {
		n = recv(fd, room, READ_SIZE, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		return error_set(err, errno, "the gateway ended before it answered");
	}
	buf_commit(in, (size_t)n);
	return n > 0;
}

/* The status, once the head is whole; *ret_body is where the body starts. 0: not yet. */
static int parse_head(const struct buf *in, size_t *ret_body)
{
	const char *end = in->len > 0 ? memmem(in->data, in->len, "\r\n\r\n", 4) : NULL;
	uint32_t status;
	char digits[4] = {0};

	if (end == NULL || in->len < 12) {
		return 0;
	}
	(void)memcpy(digits, in->data + 9, 3);
	*ret_body = (size_t)(end - in->data) + 4;
	return strncmp(in->data, "HTTP/1.1 ", 9) == 0 &&
			       num_parse_u32(digits, 100, 599, &status) == 0
		       ? (int)status
		       : -EPROTO;
}

static int read_answer(int fd, int *ret_status, json_t **ret, struct error *err)
{
	_cleanup_buf_ struct buf in = {0};
	json_error_t why;
	size_t body = 0;
	int r;

	buf_init(&in, ANSWER_MAX);
	do {
		r = read_more(fd, &in, err);
	} while (r > 0);
	if (r < 0) {
		return r;
	}
	*ret_status = parse_head(&in, &body);
	if (*ret_status <= 0) {
		return error_plain(err, EIO, "the gateway ended before it answered");
	}
	*ret = json_loadb(in.data + body, in.len - body, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
	return *ret != NULL ? 0 : error_plain(err, EIO, "the gateway's answer is no JSON");
}

int gateway_client_ask(const struct config *config, const struct gateway_request *request,
	int *ret_status, json_t **ret, struct error *err)
{
	_cleanup_close_ int fd = FD_NONE;
	int r = gateway_client_connect(config, &fd, err);

	if (r == 0) {
		r = send_request(fd, request, "Connection: close\r\n", err);
	}
	if (r == 0) {
		r = read_answer(fd, ret_status, ret, err);
	}
	json_decref(request->body);
	return r;
}

static bool is_gone(const struct config *config)
{
	_cleanup_close_ int fd = FD_NONE;
	struct error ignored;

	return gateway_client_connect(config, &fd, &ignored) == -ENOENT;
}

int gateway_client_result(const struct config *config, const struct gateway_request *request,
	json_t **ret, struct error *err)
{
	json_t *answer = NULL;
	const char *message;
	int status, r = gateway_client_ask(config, request, &status, &answer, err);

	if (r < 0) {
		return is_gone(config) ? -ENOENT : r;
	}
	*ret = json_incref(json_object_get(answer, "result"));
	if (*ret == NULL) {
		message = json_string_value(
			json_object_get(json_object_get(answer, "error"), "message"));
		r = error_plain(err, status == 404 ? ESRCH : EPERM, "%s",
			message != NULL ? message : "the gateway refused the request");
	}
	json_decref(answer);
	return r;
}

void gateway_client_add_encoded(struct buf *out, const char *text)
{
	for (const char *c = text; *c != '\0'; c++) {
		buf_addf(out, "%%%02x", (unsigned)(unsigned char)*c);
	}
}

/* What it says of its refusal. */
static int refused(struct buf *in, size_t body, struct error *err)
{
	json_t *answer = json_loadb(in->data + body, in->len - body, 0, NULL);
	const json_t *error = json_object_get(answer, "error");
	const char *message = json_string_value(json_object_get(error, "message"));

	(void)error_plain(
		err, EPERM, "%s", message != NULL ? message : "the gateway refused the request");
	json_decref(answer);
	return -EPERM;
}

int gateway_client_upgrade(const struct config *config, const struct gateway_request *request,
	const char *protocol, int *ret_fd, struct error *err)
{
	_cleanup_free_ char *headers =
		xasprintf("Connection: Upgrade\r\nUpgrade: %s\r\n", protocol);
	_cleanup_close_ int fd = FD_NONE;
	_cleanup_buf_ struct buf in = {0};
	size_t at = 0;
	int status = 0, r = gateway_client_connect(config, &fd, err);

	if (r == 0) {
		r = send_request(fd, request, headers, err);
	}
	json_decref(request->body);
	buf_init(&in, HEAD_MAX);
	/* Byte by byte up to the end of the head: what is behind it is the stream's. */
	while (r == 0 && (status = parse_head(&in, &at)) == 0) {
		char c;
		ssize_t n = recv(fd, &c, 1, 0);

		if (n > 0 && !in.overflow) {
			buf_add_char(&in, c);
		} else if (n >= 0 || errno != EINTR) {
			r = error_plain(err, EIO, "the gateway ended before it answered");
		}
	}
	if (r < 0) {
		return is_gone(config) ? -ENOENT : r; /* nothing was begun */
	}
	if (status != 101) {
		while (read_more(fd, &in, err) > 0) {
		}
		return refused(&in, at, err);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}
