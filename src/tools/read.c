/* SPDX-License-Identifier: MIT */
/* read: a page of a text file, or an image. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "tools/args.h"
#include "tools/base64.h"
#include "tools/file_call.h"
#include "tools/read_raw.h"
#include "tools/utf8.h"

/* The kinds and cuts that a worker reports: enum fs_read_kind and fs_cut of init/fs_ops.h, which is
 * the other side's header. */
enum { KIND_TEXT, KIND_IMAGE, KIND_BINARY };
enum { CUT_NONE, CUT_LIMIT, CUT_LINES, CUT_BYTES, CUT_LONG_LINE };

enum {
	PAGE_BYTES = LIMIT_READ_PAGE,
	/* Without a limit asked for, pages are put together up to a fifth of a model's context window
	 * at 4 characters a token, no more than 8 pages and 512 KiB (reference 5.3). */
	PAGES_MAX = 8,
	ADAPTIVE_MAX = 512 * 1024,
	CONTEXT_TOKENS_DEFAULT = 200000,
};

static const char parameters[] =
	"{\"type\":\"object\",\"properties\":{"
	"\"path\":{\"type\":\"string\",\"description\":\"File, relative to the workspace or absolute\"},"
	"\"offset\":{\"type\":\"number\",\"description\":\"First line, from 1\"},"
	"\"limit\":{\"type\":\"number\",\"description\":\"Number of lines\"}},\"required\":[\"path\"]}";

struct read_state {
	const char *path;
	int64_t offset, limit;
	bool limit_given;
	unsigned pages;
	size_t max_bytes; /* of all pages together */
	struct buf text;
	uint64_t first_line, lines;
};

static void add_notice(
	struct buf *text, const struct file_answer *answer, const struct read_state *state)
{
	const uint64_t *f = answer->done.facts;
	uint64_t last = state->first_line + state->lines - 1;

	if (f[6] == CUT_LONG_LINE) {
		buf_addf(text,
			"%s[Line %" PRIu64 " is %" PRIu64
			" bytes, over the limit of %d KiB for a page. Use exec: sed -n '%" PRIu64
			"p' FILE | head -c %d]",
			text->len > 0 ? "\n\n" : "", f[2], f[7], PAGE_BYTES / 1024, f[2],
			PAGE_BYTES);
		return;
	}
	if (f[4] == 0) {
		return;
	}
	buf_addf(text, "\n\n[Showing lines %" PRIu64 "-%" PRIu64, state->first_line, last);
	if (f[5] > 0) {
		buf_addf(text, " of %" PRIu64, f[5]);
	} else {
		buf_addf(text, " of a file of %" PRIu64 " bytes", f[1]);
	}
	if (f[6] == CUT_BYTES) {
		buf_addf(text, " (%zu KiB limit)",
			(state->max_bytes > 0 ? state->max_bytes : PAGE_BYTES) / 1024);
	}
	buf_addf(text, ". Use offset=%" PRIu64 " to continue.]", f[4]);
}

static void finish_text(
	struct tool_call *call, const struct file_answer *answer, struct read_state *state)
{
	const uint64_t *f = answer->done.facts;
	json_t *details = json_object();

	if (f[4] != 0 || f[6] == CUT_LONG_LINE) {
		(void)json_object_set_new(details, "truncation",
			json_pack("{s:b, s:I, s:I, s:I, s:I, s:I}", "truncated", 1, "firstLine",
				(json_int_t)state->first_line, "lines", (json_int_t)state->lines,
				"nextOffset", (json_int_t)f[4], "totalLines", (json_int_t)f[5],
				"totalBytes", (json_int_t)f[1]));
	}
	add_notice(&state->text, answer, state);
	call_finish_text(
		call, state->text.data != NULL ? state->text.data : "", state->text.len, details);
}

static void finish_image(struct tool_call *call, const struct file_answer *answer)
{
	const uint64_t *f = answer->done.facts;
	_cleanup_buf_ struct buf head = {0}, data = {0};
	_cleanup_buf_ struct buf mime = {0};
	json_t *content;

	buf_add(&mime, answer->done.text.data, answer->done.text.len);
	buf_addf(&head, "Read image file [%s]", mime.data != NULL ? mime.data : "image");
	if (f[7] != 0) {
		buf_addf(&head, " %" PRIu64 "x%" PRIu64, f[7] >> 32, f[7] & 0xffffffff);
	}
	base64_add(&data, answer->data.data, answer->data.len);
	content = result_text(head.data, head.len);
	(void)json_array_append_new(content, json_pack("{s:s, s:s, s:s}", "type", "image", "data",
						     data.data != NULL ? data.data : "", "mimeType",
						     mime.data != NULL ? mime.data : ""));
	call_finish(call, content, NULL);
}

static void finish_binary(struct tool_call *call, const struct file_call *file)
{
	call_failf(call, TOOL_FAIL_FAILED,
		"%.300s is a binary file of %" PRIu64
		" bytes and cannot be shown as text. Use exec to "
		"look into it (file, xxd, strings).",
		file->shown, file->answer.done.facts[1]);
}

static int ask_page(struct file_call *file, struct error *err)
{
	struct read_state *state = file->more;
	struct wire_file_request request = {
		.op = WIRE_FILE_READ,
		.offset = (uint64_t)state->offset,
		.limit = state->limit_given ? (uint64_t)state->limit : 0,
	};

	return file_call_send(file, &request, state->path, NULL, err);
}

static bool want_more(const struct read_state *state, const struct file_answer *answer)
{
	const uint64_t *f = answer->done.facts;

	return !state->limit_given && f[4] != 0 && f[6] != CUT_LONG_LINE && f[6] != CUT_LIMIT &&
	       state->pages < PAGES_MAX && state->text.len + PAGE_BYTES <= state->max_bytes;
}

static void on_page(struct tool_call *call, struct file_answer *answer)
{
	struct file_call *file = call->state;
	struct read_state *state = file->more;
	const uint64_t *f = answer->done.facts;
	struct error err;

	if (f[0] == KIND_IMAGE) {
		finish_image(call, answer);
		return;
	}
	if (f[0] == KIND_BINARY) {
		finish_binary(call, file);
		return;
	}
	if (state->pages++ == 0) {
		state->first_line = f[2];
	} else if (answer->data.len > 0) {
		/* a page that was cut has no line end behind its last line */
		if (state->text.len > 0 && state->text.data[state->text.len - 1] != '\n') {
			buf_add_char(&state->text, '\n');
		}
	}
	state->lines += f[3];
	buf_add(&state->text, answer->data.data != NULL ? answer->data.data : "", answer->data.len);
	if (want_more(state, answer)) {
		state->offset = (int64_t)f[4];
		if (ask_page(file, &err) == 0) {
			return;
		}
	}
	finish_text(call, answer, state);
}

static void state_finish(void *p)
{
	struct file_call *file = p;
	struct read_state *state = file->more;

	buf_finish(&state->text);
}

static int start(struct tool_call *call, const json_t *args, struct error *err)
{
	size_t adaptive = CONTEXT_TOKENS_DEFAULT * 4 / 5;
	struct read_state *state;
	struct file_call *file;
	bool raw = false;
	int r = args_bool(args, "raw", &raw, NULL, err);

	if (r < 0 || raw) {
		return r < 0 ? r : read_raw_start(call, args, err);
	}
	file = file_call_new(call, on_page);
	state = arena_alloc(&file->arena, sizeof(*state));
	file->more = state;
	file->finish_more = state_finish;
	state->offset = 1;
	state->max_bytes = adaptive < ADAPTIVE_MAX ? adaptive : ADAPTIVE_MAX;
	r = args_text(args, "path", ARGS_REQUIRED | ARGS_NOT_EMPTY, &state->path, err);
	r = r < 0 ? r : args_int(args, "offset", INT64_MIN, INT64_MAX, &state->offset, NULL, err);
	r = r < 0 ? r
		  : args_int(args, "limit", 1, INT64_MAX, &state->limit, &state->limit_given, err);
	if (state->offset < 1) {
		state->offset = 1;
	}
	return r < 0 ? r : ask_page(file, err);
}

const struct tool tool_read = {
	.name = "read",
	.title = "Read a file",
	.summary = "Read a text file by pages, or an image (jpg, png, gif, webp).",
	.parameters = parameters,
	.hints = TOOL_READS_ONLY | TOOL_IDEMPOTENT,
	.start = start,
	.abort = file_call_abort,
};
