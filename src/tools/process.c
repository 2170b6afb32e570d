/* SPDX-License-Identifier: MIT */
/* process: look after commands that run in the background. */
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tools/args.h"
#include "tools/internal.h"
#include "tools/keys.h"
#include "tools/process_raw.h"
#include "tools/process_table.h"
#include "tools/process_view.h"

enum { POLL_MS_MAX = 120000 };

static const char parameters[] =
	"{\"type\":\"object\",\"properties\":{"
	"\"action\":{\"type\":\"string\",\"enum\":[\"list\",\"poll\",\"log\",\"write\",\"send-keys\","
	"\"submit\",\"paste\",\"kill\",\"clear\",\"remove\"]},"
	"\"sessionId\":{\"type\":\"string\",\"description\":\"Every action but list needs it\"},"
	"\"timeout\":{\"type\":\"number\",\"description\":\"poll: wait so many milliseconds for the end\"},"
	"\"offset\":{\"type\":\"number\",\"description\":\"log: first line, from 0\"},"
	"\"limit\":{\"type\":\"number\",\"description\":\"log: number of lines\"},"
	"\"data\":{\"type\":\"string\",\"description\":\"write: goes to stdin as it is\"},"
	"\"eof\":{\"type\":\"boolean\",\"description\":\"write: close stdin afterwards\"},"
	"\"keys\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},"
	"\"description\":\"send-keys: Enter, C-c, Up, F5, M-x, ...\"},"
	"\"hex\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"description\":\"send-keys: bytes\"},"
	"\"literal\":{\"type\":\"string\",\"description\":\"send-keys: text sent first, as it is\"},"
	"\"text\":{\"type\":\"string\",\"description\":\"paste\"},"
	"\"bracketed\":{\"type\":\"boolean\",\"description\":\"paste: with bracketed-paste marks (default)\"}"
	"},\"required\":[\"action\"]}";

typedef int (*action_fn)(struct tool_call *call, struct tool_process *process, const json_t *args,
	struct error *err);

static void poll_event(struct tool_call *call)
{
	struct tool_process *process = call->process;

	if (process->ended) {
		process_unwatch(call);
		if (process->dropped) {
			process_view_say(call, "failed", "Session %s was removed.", process->id);
			return;
		}
		process_view_poll(call, process);
	}
}

static void poll_timeout(struct tool_call *call, uint64_t now_ns)
{
	struct tool_process *process = call->process;

	(void)now_ns;
	process_unwatch(call);
	process_view_poll(call, process);
}

static int action_poll(
	struct tool_call *call, struct tool_process *process, const json_t *args, struct error *err)
{
	int64_t timeout = 0;
	int r = args_int(args, "timeout", INT32_MIN, INT64_MAX, &timeout, NULL, err);

	if (r < 0) {
		return r;
	}
	timeout = timeout > POLL_MS_MAX ? POLL_MS_MAX : timeout;
	if (timeout <= 0 || process->ended) {
		process_view_poll(call, process);
		return 0;
	}
	call->on_process = poll_event;
	call->tick = poll_timeout;
	call->deadline_ns = clock_after_ns((uint64_t)timeout * NS_PER_MS);
	process_watch(call, process);
	return 0;
}

static int action_log(
	struct tool_call *call, struct tool_process *process, const json_t *args, struct error *err)
{
	struct process_log_request request = {0};
	int r = args_int(args, "offset", 0, INT64_MAX, &request.offset, &request.offset_given, err);

	r = r < 0 ? r
		  : args_int(
			    args, "limit", 0, INT64_MAX, &request.limit, &request.limit_given, err);
	if (r == 0) {
		process_view_log(call, process, &request);
	}
	return r;
}

/* false: the call has ended, nothing was sent. */
static bool send_bytes(
	struct tool_call *call, struct tool_process *process, const void *data, size_t len)
{
	int r = 0;

	if (!process->background) {
		process_view_say(call, "failed", "Session %s is not backgrounded.", process->id);
		return false;
	}
	r = process_write(process, data, len);
	if (r == -EPIPE) {
		process_view_say(call, "failed", "Session %s stdin is not writable.", process->id);
		return false;
	}
	if (r < 0) {
		process_view_say(call, "failed",
			"Session %s does not read: %zu bytes wait for it, nothing was written.",
			process->id, process->stdin_queue.len);
		return false;
	}
	return true;
}

static void say_sent(struct tool_call *call, const struct tool_process *process, const char *what,
	size_t len, const char *end)
{
	_cleanup_buf_ struct buf text = {0};

	buf_addf(&text, "%s %zu bytes to session %s%s.", what, len, process->id, end);
	call_finish_text(call, text.data, text.len,
		json_pack("{s:s, s:s, s:s, s:I}", "status", "running", "sessionId", process->id,
			"name", process->name, "bytes", (json_int_t)len));
}

static int action_write(
	struct tool_call *call, struct tool_process *process, const json_t *args, struct error *err)
{
	const char *data = "";
	size_t len = 0;
	bool eof = false;
	int r = args_content(args, "data", 0, &data, &len, err);

	r = r < 0 ? r : args_bool(args, "eof", &eof, NULL, err);
	if (r < 0 || !send_bytes(call, process, data, len)) {
		return r;
	}
	if (eof) {
		process_write_eof(process);
	}
	say_sent(call, process, "Wrote", len, eof ? " (stdin closed)" : "");
	return 0;
}

static int add_tokens(
	struct tool_call *call, const json_t *args, struct buf *out, struct error *err)
{
	const json_t *hex = json_object_get(args, "hex");
	const json_t *keys = json_object_get(args, "keys");

	for (size_t i = 0; i < json_array_size(hex); i++) {
		const char *token = json_string_value(json_array_get(hex, i));

		if (token == NULL || keys_add_hex(out, token) < 0) {
			return error_plain(err, EINVAL, "parameter hex: '%.32s' is no byte in hex",
				token != NULL ? token : "(no string)");
		}
	}
	for (size_t i = 0; i < json_array_size(keys); i++) {
		const char *token = json_string_value(json_array_get(keys, i));

		if (token == NULL) {
			return error_plain(err, EINVAL, "parameter keys must be a list of strings");
		}
		if (!keys_add_token(out, token)) {
			call_warnf(call,
				"Warning: \"%.32s\" is no known key, sent as it is written.",
				token);
		}
	}
	return 0;
}

static int action_send_keys(
	struct tool_call *call, struct tool_process *process, const json_t *args, struct error *err)
{
	_cleanup_buf_ struct buf out = {0};
	const char *literal = "";
	size_t len = 0;
	int r = args_content(args, "literal", 0, &literal, &len, err);

	if (r < 0) {
		return r;
	}
	buf_add(&out, literal, len);
	r = add_tokens(call, args, &out, err);
	if (r < 0) {
		return r;
	}
	if (out.len == 0) {
		process_view_say(call, "failed", "No key data provided.");
		return 0;
	}
	if (send_bytes(call, process, out.data, out.len)) {
		say_sent(call, process, "Sent", out.len, "");
	}
	return 0;
}

static int action_submit(
	struct tool_call *call, struct tool_process *process, const json_t *args, struct error *err)
{
	(void)args;
	(void)err;
	if (send_bytes(call, process, "\r", 1)) {
		say_sent(call, process, "Submitted:", 1, " (CR)");
	}
	return 0;
}

static int action_paste(
	struct tool_call *call, struct tool_process *process, const json_t *args, struct error *err)
{
	_cleanup_buf_ struct buf out = {0};
	const char *text = "";
	size_t len = 0;
	bool bracketed = true;
	int r = args_content(args, "text", 0, &text, &len, err);

	r = r < 0 ? r : args_bool(args, "bracketed", &bracketed, NULL, err);
	if (r < 0) {
		return r;
	}
	if (len == 0 && !bracketed) {
		process_view_say(call, "failed", "No paste text provided.");
		return 0;
	}
	if (bracketed) {
		keys_add_paste(&out, text, len);
	} else {
		buf_add(&out, text, len);
	}
	if (send_bytes(call, process, out.data, out.len)) {
		say_sent(call, process, "Pasted", len, "");
	}
	return 0;
}

static int action_kill(
	struct tool_call *call, struct tool_process *process, const json_t *args, struct error *err)
{
	(void)args;
	(void)err;
	if (process->ended) {
		process_view_say(call, "failed", "No active session found for %s", process->id);
	} else if (!process->background) {
		process_view_say(call, "failed", "Session %s is not backgrounded.", process->id);
	} else {
		process_kill(process);
		/* failed by design: models read it as "the command did not complete" */
		process_view_say(
			call, "failed", "Termination requested for session %s.", process->id);
	}
	return 0;
}

static int action_clear(
	struct tool_call *call, struct tool_process *process, const json_t *args, struct error *err)
{
	_cleanup_buf_ struct buf text = {0};

	(void)args;
	(void)err;
	if (!process->ended) {
		process_view_say(call, "failed", "No finished session found for %s", process->id);
		return 0;
	}
	buf_addf(&text, "Cleared session %s.", process->id);
	process_drop(process);
	process_view_say(call, "completed", "%s", text.data);
	return 0;
}

static int action_remove(
	struct tool_call *call, struct tool_process *process, const json_t *args, struct error *err)
{
	_cleanup_buf_ struct buf text = {0};
	bool ran = !process->ended;

	(void)args;
	(void)err;
	buf_addf(&text, "Removed session %s%s.", process->id, ran ? " (it was ended)" : "");
	process_drop(process);
	process_view_say(call, ran ? "failed" : "completed", "%s", text.data);
	return 0;
}

static const struct {
	const char *name;
	action_fn run;
	bool active; /* on an ended process: "No active session found" */
} actions[] = {
	{"poll", action_poll, false},
	{"log", action_log, false},
	{"write", action_write, true},
	{"send-keys", action_send_keys, true},
	{"submit", action_submit, true},
	{"paste", action_paste, true},
	{"kill", action_kill, false},
	{"clear", action_clear, false},
	{"remove", action_remove, false},
};

static int start(struct tool_call *call, const json_t *args, struct error *err)
{
	const char *action = NULL, *id = NULL;
	struct tool_process *process;
	int r = args_text(args, "action", ARGS_REQUIRED | ARGS_NOT_EMPTY, &action, err);

	r = r < 0 ? r : args_text(args, "sessionId", 0, &id, err);
	if (r < 0) {
		return r;
	}
	if (strcmp(action, "list") == 0) {
		process_view_list(call);
		return 0;
	}
	if (process_raw(call, action, id, args, &r, err)) {
		return r;
	}
	if (id == NULL || id[0] == '\0') {
		process_view_say(call, "failed", "sessionId is required for this action.");
		return 0;
	}
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(actions[i].name, action) != 0) {
			continue;
		}
		process = process_find(call->session, id);
		if (process == NULL || (process->ended && actions[i].active)) {
			process_view_say(call, "failed", "No %ssession found for %.64s",
				actions[i].active || strcmp(action, "kill") == 0 ? "active " : "",
				id);
			return 0;
		}
		return actions[i].run(call, process, args, err);
	}
	process_view_say(call, "failed", "Unknown action %.32s", action);
	return 0;
}

static void abort_poll(struct tool_call *call)
{
	call_fail(call, TOOL_FAIL_ABORTED, "the call was aborted", NULL, NULL);
}

const struct tool tool_process = {
	.name = "process",
	.title = "Background commands",
	.summary = "List, read, feed and end commands that run in the background.",
	.parameters = parameters,
	.hints = TOOL_DESTRUCTIVE | TOOL_OPEN_WORLD,
	.start = start,
	.abort = abort_poll,
};
