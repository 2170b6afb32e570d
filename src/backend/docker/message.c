/* SPDX-License-Identifier: MIT */
#include "backend/docker/message.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/own.h"

enum { LENGTH_SIZE = 4 };

static int dump(const char *data, size_t size, void *arg)
{
	buf_add(arg, data, size);
	return 0;
}

int message_send(int fd, const json_t *object, struct error *err)
{
	_cleanup_buf_ struct buf out = {0};
	size_t sent = 0, length;

	buf_init(&out, MESSAGE_MAX + LENGTH_SIZE);
	buf_add_u32le(&out, 0);
	(void)json_dump_callback(object, dump, &out, JSON_COMPACT);
	if (out.overflow) {
		return error_plain(err, E2BIG, "the request to the engine client is too long");
	}
	length = out.len - LENGTH_SIZE;
	for (size_t i = 0; i < LENGTH_SIZE; i++) {
		out.data[i] = (char)(unsigned char)(length >> (8 * i) & 0xff);
	}
	while (sent < out.len) {
		ssize_t n = send(fd, out.data + sent, out.len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR) {
			return error_set(err, errno, "cannot write to the engine client");
		}
		sent += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int read_exactly(int fd, void *ret, size_t len, uint64_t deadline_ns, struct error *err)
{
	size_t got = 0;

	while (got < len) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int ready = poll(&p, 1, clock_left_ms(deadline_ns));
		ssize_t n;

		if (ready == 0) {
			return error_plain(err, ETIMEDOUT, "the engine client does not answer");
		}
		n = ready < 0 ? -1 : read(fd, (char *)ret + got, len - got);
		if (n == 0) {
			return error_plain(err, EPIPE, "the engine client ended");
		}
		if (n < 0 && errno != EINTR) {
			return error_set(err, errno, "cannot read from the engine client");
		}
		got += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int message_receive(int fd, uint64_t deadline_ns, json_t **ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	uint8_t head[LENGTH_SIZE];
	size_t length = 0;
	json_t *object;
	int r = read_exactly(fd, head, sizeof(head), deadline_ns, err);

	for (size_t i = 0; r == 0 && i < sizeof(head); i++) {
		length |= (size_t)head[i] << (8 * i);
	}
	if (r == 0 && length > MESSAGE_MAX) {
		return error_plain(err, EPROTO, "a message of the engine client is too long");
	}
	if (r == 0) {
		text = xmalloc(length + 1);
		r = read_exactly(fd, text, length, deadline_ns, err);
	}
	if (r < 0) {
		return r;
	}
	object = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(object)) {
		json_decref(object);
		return error_plain(err, EPROTO, "a message of the engine client is malformed");
	}
	*ret = object;
	return 0;
}

json_t *message_error(const struct error *err)
{
	/* What an engine said may be cut in the middle of a character. */
	_cleanup_buf_ struct buf text = {0};

	buf_add_printable(&text, err->text, strlen(err->text), 0);
	return json_pack("{s:{s:i,s:s}}", "error", "num", err->num, "text",
		text.data != NULL ? text.data : "");
}

int message_take_error(const json_t *answer, struct error *err)
{
	const json_t *error = json_object_get(answer, "error");
	const char *text = json_string_value(json_object_get(error, "text"));
	json_int_t num = json_integer_value(json_object_get(error, "num"));

	if (error == NULL) {
		return 0;
	}
	return error_plain(err, num > 0 && num < 4096 ? (int)num : EIO, "%s",
		text != NULL ? text : "the engine client failed");
}
