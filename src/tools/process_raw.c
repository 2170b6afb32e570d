/* SPDX-License-Identifier: MIT */
/* The process tool for programs: by the byte. */
#include "tools/process_raw.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/limits.h"
#include "base/macro.h"
#include "tools/args.h"
#include "tools/base64.h"

enum {
	OUTPUT_BYTES = 256 * 1024, /* of one answer, unless it is asked for more */
	TERMINAL_MAX = 10000, /* rows or columns */
};

typedef int (*raw_fn)(struct tool_call *call, struct tool_process *process, const json_t *args,
	struct error *err);

static void finish(struct tool_call *call, const struct tool_process *process, const char *what,
	json_t *details)
{
	_cleanup_buf_ struct buf text = {0};

	buf_addf(&text, "%s %s", what, process->id);
	(void)json_object_set_new(details, "sessionId", json_string(process->id));
	call_finish_text(call, text.data, text.len, details);
}

/* --- output --- */

static json_t *output_json(const struct tool_process *process, uint64_t offset, uint64_t limit)
{
	const struct output *out = &process->out;
	uint64_t first = out->end - out->kept.len;
	uint64_t from = offset < first ? first : offset < out->end ? offset : out->end;
	uint64_t len = out->end - from < limit ? out->end - from : limit;
	uint64_t next = from + len;
	_cleanup_buf_ struct buf text = {0};

	base64_add(
		&text, out->kept.data != NULL ? out->kept.data + (from - first) : "", (size_t)len);
	return json_pack("{s:I, s:I, s:I, s:I, s:b, s:s}", "offset", (json_int_t)from, "next",
		(json_int_t)next, "end", (json_int_t)out->end, "lost",
		(json_int_t)(from > offset ? from - offset : 0), "running", !process->ended,
		"dataBase64", text.data != NULL ? text.data : "");
}

static int raw_output(
	struct tool_call *call, struct tool_process *process, const json_t *args, struct error *err)
{
	const char *signal_name = process_signal_name(process);
	int64_t offset = 0, limit = OUTPUT_BYTES;
	json_t *details;
	int r = args_int(args, "offset", 0, INT64_MAX, &offset, NULL, err);

	r = r < 0 ? r : args_int(args, "limit", 1, LIMIT_READ_RAW, &limit, NULL, err);
	if (r < 0) {
		return r;
	}
	details = output_json(process, (uint64_t)offset, (uint64_t)limit);
	if (process->exited && process->exit.signal == 0) {
		(void)json_object_set_new(details, "exitCode", json_integer(process->exit.code));
	} else if (signal_name != NULL) {
		(void)json_object_set_new(details, "exitSignal", json_string(signal_name));
	}
	finish(call, process, "Output of", details);
	return 0;
}

/* --- input --- */

static int raw_stdin(
	struct tool_call *call, struct tool_process *process, const json_t *args, struct error *err)
{
	_cleanup_buf_ struct buf data = {0};
	const char *text = "";
	size_t len = 0;
	bool eof = false;
	int r = args_content(args, "dataBase64", ARGS_REQUIRED, &text, &len, err);

	r = r < 0 ? r : args_bool(args, "eof", &eof, NULL, err);
	if (r < 0) {
		return r;
	}
	if (base64_decode(&data, text, len) < 0) {
		return error_plain(err, EINVAL, "parameter dataBase64 is no base64");
	}
	r = data.len > 0 ? process_write(process, data.data, data.len) : 0;
	if (r < 0) {
		call_failf(call, TOOL_FAIL_FAILED,
			r == -EPIPE ? "session %s stdin is not writable"
				    : "session %s does not read what it was sent before",
			process->id);
		return 0;
	}
	if (eof) {
		process_write_eof(process);
	}
	finish(call, process, "Wrote to", json_pack("{s:I}", "bytes", (json_int_t)data.len));
	return 0;
}

static int raw_resize(
	struct tool_call *call, struct tool_process *process, const json_t *args, struct error *err)
{
	int64_t rows = 0, columns = 0;
	int r = args_int(args, "rows", 1, TERMINAL_MAX, &rows, NULL, err);

	r = r < 0 ? r : args_int(args, "columns", 1, TERMINAL_MAX, &columns, NULL, err);
	if (r < 0) {
		return r;
	}
	if (rows == 0 || columns == 0) {
		return error_plain(err, EINVAL, "parameters rows and columns are needed");
	}
	if (!process->pty) {
		call_failf(call, TOOL_FAIL_FAILED, "session %s has no terminal", process->id);
		return 0;
	}
	link_resize(process->link, process->stream, (uint16_t)rows, (uint16_t)columns);
	finish(call, process, "Resized the terminal of", json_object());
	return 0;
}

/* --- signals --- */

/* 0: no signal has this name. */
static uint32_t signal_number(const char *name)
{
	name += strncmp(name, "SIG", 3) == 0 ? 3 : 0;
	for (int signo = 1; signo < SIGRTMIN; signo++) {
		const char *known = sigabbrev_np(signo);

		if (known != NULL && strcmp(known, name) == 0) {
			return (uint32_t)signo;
		}
	}
	return 0;
}

static int raw_signal(
	struct tool_call *call, struct tool_process *process, const json_t *args, struct error *err)
{
	const char *name = NULL;
	bool tree = false;
	uint32_t signo = 0;
	int r = args_text(args, "signal", ARGS_REQUIRED | ARGS_NOT_EMPTY, &name, err);

	r = r < 0 ? r : args_bool(args, "tree", &tree, NULL, err);
	if (r < 0) {
		return r;
	}
	signo = signal_number(name);
	if (signo == 0) {
		return error_plain(
			err, EINVAL, "parameter signal: no signal is called '%.32s'", name);
	}
	link_signal(
		process->link, process->stream, signo, tree ? WIRE_SIGNAL_TREE : WIRE_SIGNAL_GROUP);
	finish(call, process, "Signalled", json_object());
	return 0;
}

/* --- all of them --- */

bool process_raw(struct tool_call *call, const char *action, const char *id, const json_t *args,
	int *ret_r, struct error *err)
{
	static const struct {
		const char *name;
		raw_fn run;
		bool active;
	} actions[] = {
		{"raw.output", raw_output, false},
		{"raw.stdin", raw_stdin, true},
		{"raw.resize", raw_resize, true},
		{"raw.signal", raw_signal, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		struct tool_process *process;

		if (strcmp(actions[i].name, action) != 0) {
			continue;
		}
		process = id != NULL ? process_find(call->session, id) : NULL;
		if (process != NULL && !(process->ended && actions[i].active)) {
			*ret_r = actions[i].run(call, process, args, err);
			return true;
		}
		call_failf(call, TOOL_FAIL_NOT_FOUND,
			process != NULL ? "session %.64s has ended" : "there is no session %.64s",
			id != NULL ? id : "without a name");
		*ret_r = 0;
		return true;
	}
	return false;
}
