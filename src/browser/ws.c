/* SPDX-License-Identifier: MIT */
/* The client's end of a WebSocket: the upgrade by hand, the frames by libwslay. */
#include "browser/ws.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <wslay/wslay.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/macro.h"
#include "base/mem.h"

enum {
	/* An answer to the upgrade; Chromium's is 130 bytes. */
	HEAD_MAX = 16 * 1024,
	KEY_SIZE = 16,
};

struct ws {
	const struct ws_ops *ops;
	void *arg;
	wslay_event_context_ptr wslay;
	bool open, dead;
	struct buf head; /* of the answer, until it is whole */
	struct buf waiting; /* messages, until it is open: u32 length and text each */
	const uint8_t *in; /* what ws_receive() was given and wslay has not read */
	size_t in_len;
};

/* The few functions of the library that are used. */
static struct {
	__typeof__(wslay_event_context_client_init) *client_init;
	__typeof__(wslay_event_context_free) *context_free;
	__typeof__(wslay_event_config_set_max_recv_msg_length) *set_max;
	__typeof__(wslay_event_recv) *recv;
	__typeof__(wslay_event_send) *send;
	__typeof__(wslay_event_queue_msg) *queue_msg;
	__typeof__(wslay_event_get_close_received) *close_received;
	__typeof__(wslay_event_set_error) *set_error;
	__typeof__(wslay_event_want_write) *want_write;
	__typeof__(wslay_event_get_read_enabled) *read_enabled;
} lib;

int ws_load(struct error *err)
{
	static const char *const names[] = {
		"wslay_event_context_client_init",
		"wslay_event_context_free",
		"wslay_event_config_set_max_recv_msg_length",
		"wslay_event_recv",
		"wslay_event_send",
		"wslay_event_queue_msg",
		"wslay_event_get_close_received",
		"wslay_event_set_error",
		"wslay_event_want_write",
		"wslay_event_get_read_enabled",
	};
	void *symbols[ARRAY_SIZE(names)];
	void *handle;

	_Static_assert(sizeof(lib) == sizeof(symbols), "one name per function");
	if (lib.client_init != NULL) {
		return 0;
	}
	handle = dlopen("libwslay.so.1", RTLD_NOW | RTLD_LOCAL);
	for (size_t i = 0; handle != NULL && i < ARRAY_SIZE(names); i++) {
		symbols[i] = dlsym(handle, names[i]);
		if (symbols[i] == NULL) {
			(void)dlclose(handle);
			handle = NULL;
		}
	}
	if (handle == NULL) {
		return error_plain(err, ENOSYS,
			"the browser tool needs the library libwslay.so.1; install libwslay1");
	}
	/* Never closed: there is one for the life of the process. */
	memcpy(&lib, symbols, sizeof(lib));
	return 0;
}

static ssize_t on_recv(
	wslay_event_context_ptr ctx, uint8_t *data, size_t len, int flags, void *user_data)
{
	struct ws *ws = user_data;
	size_t n = len < ws->in_len ? len : ws->in_len;

	(void)flags;
	if (n == 0) {
		lib.set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	memcpy(data, ws->in, n);
	ws->in += n;
	ws->in_len -= n;
	return (ssize_t)n;
}

static ssize_t on_send(
	wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags, void *user_data)
{
	const struct ws *ws = user_data;

	(void)ctx;
	(void)flags;
	ws->ops->send(ws->arg, data, len);
	return (ssize_t)len;
}

static int on_mask(wslay_event_context_ptr ctx, uint8_t *data, size_t len, void *user_data)
{
	(void)ctx;
	(void)user_data;
	return getrandom(data, len, 0) == (ssize_t)len ? 0 : -1;
}

static void on_message(wslay_event_context_ptr ctx,
	const struct wslay_event_on_msg_recv_arg *message, void *user_data)
{
	const struct ws *ws = user_data;

	(void)ctx;
	if (message->opcode == WSLAY_TEXT_FRAME) {
		ws->ops->message(ws->arg, (const char *)message->msg, message->msg_length);
	}
}

static const struct wslay_event_callbacks callbacks = {
	.recv_callback = on_recv,
	.send_callback = on_send,
	.genmask_callback = on_mask,
	.on_msg_recv_callback = on_message,
};

static void add_base64(struct buf *out, const uint8_t key[KEY_SIZE])
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < KEY_SIZE; i += 3) {
		uint32_t three = (uint32_t)key[i] << 16;

		three |= i + 1 < KEY_SIZE ? (uint32_t)key[i + 1] << 8 : 0;
		three |= i + 2 < KEY_SIZE ? key[i + 2] : 0;
		buf_add_char(out, digits[three >> 18]);
		buf_add_char(out, digits[three >> 12 & 63]);
		buf_add_char(out, i + 1 < KEY_SIZE ? digits[three >> 6 & 63] : '=');
		buf_add_char(out, i + 2 < KEY_SIZE ? digits[three & 63] : '=');
	}
}

/* Without Origin: Chromium takes programs, which have none, and refuses pages. */
static void ask_upgrade(
	const struct ws *ws, const char *path, const char *host, const uint8_t key[KEY_SIZE])
{
	_cleanup_buf_ struct buf request = {0};

	buf_addf(&request,
		"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ",
		path, host);
	add_base64(&request, key);
	buf_add_str(&request, "\r\n\r\n");
	ws->ops->send(ws->arg, request.data, request.len);
}

int ws_new(const char *path, const char *host, const struct ws_ops *ops, void *arg, struct ws **ret,
	struct error *err)
{
	uint8_t key[KEY_SIZE];
	struct ws *ws;
	int r = ws_load(err);

	if (r < 0) {
		return r;
	}
	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key)) {
		return error_set(err, errno, "cannot get random bytes");
	}
	ws = xcalloc(1, sizeof(*ws));
	ws->ops = ops;
	ws->arg = arg;
	buf_init(&ws->head, HEAD_MAX);
	buf_init(&ws->waiting, LIMIT_CDP_MESSAGE);
	if (lib.client_init(&ws->wslay, &callbacks, ws) != 0) {
		free(ws);
		return error_set(err, ENOMEM, "cannot begin a WebSocket");
	}
	lib.set_max(ws->wslay, LIMIT_CDP_MESSAGE);
	ask_upgrade(ws, path, host, key);
	*ret = ws;
	return 0;
}

struct ws *ws_free(struct ws *ws)
{
	if (ws != NULL) {
		lib.context_free(ws->wslay);
		buf_finish(&ws->head);
		buf_finish(&ws->waiting);
		free(ws);
	}
	return NULL;
}

bool ws_is_open(const struct ws *ws)
{
	return ws->open && !ws->dead;
}

static int fail(struct ws *ws, struct error *err, const char *why)
{
	ws->dead = true;
	return error_plain(err, EPROTO, "%s", why);
}

static int flush(struct ws *ws, struct error *err)
{
	if (lib.want_write(ws->wslay) && lib.send(ws->wslay) != 0) {
		return fail(ws, err, "the browser's connection broke while it was written to");
	}
	return 0;
}

static int queue(struct ws *ws, const char *text, size_t len, struct error *err)
{
	const struct wslay_event_msg message = {
		.opcode = WSLAY_TEXT_FRAME, .msg = (const uint8_t *)text, .msg_length = len};

	if (lib.queue_msg(ws->wslay, &message) != 0) {
		return fail(ws, err, "the browser closed its connection");
	}
	return 0;
}

int ws_send(struct ws *ws, const char *text, size_t len, struct error *err)
{
	int r;

	if (ws->dead || len > LIMIT_CDP_MESSAGE / 2) {
		return error_plain(err, ws->dead ? EPROTO : E2BIG, "%s",
			ws->dead ? "the browser's connection is closed"
				 : "more than a message to the browser may hold");
	}
	if (!ws->open) {
		buf_add_u32le(&ws->waiting, (uint32_t)len);
		buf_add(&ws->waiting, text, len);
		return ws->waiting.overflow ? error_plain(err, E2BIG,
						      "too much for a browser "
						      "that is not open yet")
					    : 0;
	}
	r = queue(ws, text, len, err);
	return r < 0 ? r : flush(ws, err);
}

static int send_waiting(struct ws *ws, struct error *err)
{
	size_t at = 0;
	int r = 0;

	while (r == 0 && at < ws->waiting.len) {
		uint32_t len;

		memcpy(&len, ws->waiting.data + at, sizeof(len)); /* we are little endian */
		at += sizeof(len);
		r = queue(ws, ws->waiting.data + at, len, err);
		at += len;
	}
	buf_finish(&ws->waiting);
	return r < 0 ? r : flush(ws, err);
}

/*
 * The answer to the upgrade. Sec-WebSocket-Accept is not looked at: it proves that no cache in
 * between answered, and there is nothing in between.
 */
static int read_head(struct ws *ws, const uint8_t **data, size_t *len, struct error *err)
{
	static const char expected[] = "HTTP/1.1 101 ";
	const char *end = NULL;

	while (*len > 0 && end == NULL && !ws->head.overflow) {
		buf_add_char(&ws->head, (char)*(*data)++);
		(*len)--;
		if (ws->head.len >= 4 &&
			memcmp(ws->head.data + ws->head.len - 4, "\r\n\r\n", 4) == 0) {
			end = ws->head.data + ws->head.len;
		}
	}
	if (ws->head.overflow) {
		return fail(ws, err, "the browser's answer to an upgrade has no end");
	}
	if (end == NULL) {
		return 0;
	}
	if (strncmp(ws->head.data, expected, sizeof(expected) - 1) != 0) {
		return fail(ws, err, "the browser refused a WebSocket connection");
	}
	buf_finish(&ws->head);
	ws->open = true;
	return send_waiting(ws, err);
}

int ws_receive(struct ws *ws, const void *data, size_t len, struct error *err)
{
	const uint8_t *bytes = data;
	int r = 0;

	if (ws->dead) {
		return fail(ws, err, "the browser's connection is closed");
	}
	if (!ws->open) {
		r = read_head(ws, &bytes, &len, err);
	}
	if (r < 0 || !ws->open) {
		return r;
	}
	ws->in = bytes;
	ws->in_len = len;
	/* Each call reads until nothing is left, or it fails. */
	while (ws->in_len > 0 && r == 0) {
		r = lib.recv(ws->wslay) != 0
			    ? fail(ws, err, "the browser broke the WebSocket protocol")
			    : 0;
		/* What is too long, or no frame at all, is answered by the library, which reads no
		 * further. */
		if (r == 0 && !lib.read_enabled(ws->wslay)) {
			(void)flush(ws, err);
			r = fail(ws, err, "the browser broke the WebSocket protocol");
		}
		if (r == 0 && lib.close_received(ws->wslay)) {
			r = fail(ws, err, "the browser closed its connection");
		}
	}
	ws->in = NULL;
	ws->in_len = 0;
	return r < 0 ? r : flush(ws, err);
}
