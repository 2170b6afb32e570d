/* SPDX-License-Identifier: MIT */
/* What the gateway asks: one handler per kind of frame. */
#include <errno.h>
#include <signal.h>

#include "base/macro.h"
#include "init/connect.h"
#include "init/file.h"
#include "init/internal.h"

typedef int (*handler_fn)(
	struct init *init, uint32_t stream, struct wire_bytes payload, struct error *err);

static int on_spawn(
	struct init *init, uint32_t stream, struct wire_bytes payload, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct wire_spawn request;
	int r = frame_get_spawn(payload, &arena, &request, err);

	if (r == 0) {
		process_spawn(init, stream, payload, &request);
	}
	return r;
}

/*
 * Requests for a stream that is not there are dropped, not refused: the gateway may have sent them
 * before it read that the process failed to start.
 */
static int on_stdin(
	struct init *init, uint32_t stream, struct wire_bytes payload, struct error *err)
{
	struct process *p = process_find(init, stream);

	if (p != NULL && payload.len > p->input.credit) {
		return error_plain(
			err, EPROTO, "stdin over the credit granted on stream %u", stream);
	}
	if (p != NULL && payload.len > 0) {
		input_add(p, payload);
	}
	return 0;
}

static int on_stdin_eof(
	struct init *init, uint32_t stream, struct wire_bytes payload, struct error *err)
{
	struct process *p = process_find(init, stream);
	int r = frame_get_empty(payload, err);

	if (r == 0 && p != NULL) {
		input_eof(p);
	}
	return r;
}

static int on_credit(
	struct init *init, uint32_t stream, struct wire_bytes payload, struct error *err)
{
	struct process *p = process_find(init, stream);
	enum wire_channel channel;
	uint32_t bytes;
	int r = frame_get_credit(payload, &channel, &bytes, err);

	if (r == 0 && p != NULL) {
		struct channel *c = &p->channels[channel - WIRE_STDOUT];

		c->credit += bytes;
		channel_resume(c);
	}
	return r;
}

static int on_resize(
	struct init *init, uint32_t stream, struct wire_bytes payload, struct error *err)
{
	struct process *p = process_find(init, stream);
	uint16_t rows, columns;
	int r = frame_get_resize(payload, &rows, &columns, err);

	if (r == 0 && p != NULL && p->terminal && p->channels[0].watch.fd >= 0) {
		pty_resize(p->channels[0].watch.fd, rows, columns);
	}
	return r;
}

static int on_signal(
	struct init *init, uint32_t stream, struct wire_bytes payload, struct error *err)
{
	struct process *p = process_find(init, stream);
	enum wire_signal_scope scope;
	uint32_t signo;
	int r = frame_get_signal(payload, &signo, &scope, err);

	if (r == 0 && p != NULL) {
		process_signal(p, (int)signo, scope);
	}
	return r;
}

static int on_attach(
	struct init *init, uint32_t stream, struct wire_bytes payload, struct error *err)
{
	static const char text[] = "no such process is remembered";
	struct process *p = process_find(init, stream);
	struct wire_attach attach;
	struct wire_process now;
	int r = frame_get_attach(payload, &attach, err);

	if (r < 0) {
		return r;
	}
	if (p == NULL) {
		struct wire_failed failed = {.stage = WIRE_FAIL_REQUEST,
			.errnum = ESRCH,
			.text = {(const uint8_t *)text, sizeof(text) - 1}};

		frame_add_failed(conn_out(init), stream, &failed);
		return 0;
	}
	process_attach(p, &attach);
	process_describe(p, &now);
	frame_add_process(conn_out(init), FRAME_ATTACHED, stream, &now);
	channel_resume(&p->channels[0]);
	channel_resume(&p->channels[1]);
	process_check(p);
	return 0;
}

static int on_forget(
	struct init *init, uint32_t stream, struct wire_bytes payload, struct error *err)
{
	struct process *p = process_find(init, stream);
	int r = frame_get_empty(payload, err);

	if (r < 0) {
		return r;
	}
	if (p != NULL) {
		process_forget(p);
	}
	frame_add_empty(conn_out(init), FRAME_FORGOTTEN, stream);
	return 0;
}

static void list_one(struct process *p)
{
	struct wire_process now;

	process_describe(p, &now);
	frame_add_process(conn_out(p->init), FRAME_PROCESS, 0, &now);
}

static int on_list(struct init *init, uint32_t stream, struct wire_bytes payload, struct error *err)
{
	int r = frame_get_empty(payload, err);

	(void)stream;
	if (r == 0) {
		process_each(init, list_one);
		frame_add_u32(conn_out(init), FRAME_LIST_END, 0, init->process_count);
	}
	return r;
}

static int on_ping(struct init *init, uint32_t stream, struct wire_bytes payload, struct error *err)
{
	uint64_t value;
	int r = frame_get_u64(payload, &value, err);

	(void)stream;
	if (r == 0) {
		frame_add_u64(conn_out(init), FRAME_PONG, 0, value);
	}
	return r;
}

static int on_shutdown(
	struct init *init, uint32_t stream, struct wire_bytes payload, struct error *err)
{
	uint32_t grace_ms;
	int r = frame_get_u32(payload, &grace_ms, err);

	(void)stream;
	if (r == 0) {
		init_shutdown(init, grace_ms);
	}
	return r;
}

static const struct {
	uint16_t kind;
	bool of_process; /* stream is a process's, not 0 */
	handler_fn handle;
} handlers[] = {
	{FRAME_SPAWN, true, on_spawn},
	{FRAME_STDIN, true, on_stdin},
	{FRAME_STDIN_EOF, true, on_stdin_eof},
	{FRAME_CREDIT, true, on_credit},
	{FRAME_RESIZE, true, on_resize},
	{FRAME_SIGNAL, true, on_signal},
	{FRAME_ATTACH, true, on_attach},
	{FRAME_FORGET, true, on_forget},
	{FRAME_LIST, false, on_list},
	{FRAME_PING, false, on_ping},
	{FRAME_SHUTDOWN, false, on_shutdown},
};

int dispatch_frame(struct init *init, const struct frame_header *header, struct wire_bytes payload,
	struct error *err)
{
	if (header->kind >= FRAME_FILE_REQUEST && header->kind <= FRAME_FILE_ABORT) {
		return file_frame(init, header, payload, err);
	}
	if (header->kind >= FRAME_CONNECT && header->kind <= FRAME_CONN_CLOSED) {
		return connect_frame(init, header, payload, err);
	}
	for (size_t i = 0; i < ARRAY_SIZE(handlers); i++) {
		if (handlers[i].kind != header->kind) {
			continue;
		}
		if (handlers[i].of_process != (header->stream != 0)) {
			return error_plain(err, EPROTO, "frame of kind %u on stream %u",
				header->kind, header->stream);
		}
		return handlers[i].handle(init, header->stream, payload, err);
	}
	return error_plain(err, EPROTO, "unknown frame kind %u", header->kind);
}
