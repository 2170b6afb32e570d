/* SPDX-License-Identifier: MIT */
/* read: a page of a text file, or an image. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/image_type.h"
#include "base/limits.h"
#include "tools/args.h"
#include "tools/base64.h"
#include "tools/file_call.h"
#include "tools/image_turn.h"
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
	struct image_turn turn;
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

static int ask_page(struct file_call *file, struct error *err)
{
	struct read_state *state = file->more;
	struct wire_file_request request = {
		.op = WIRE_FILE_READ,
		.offset = (uint64_t)state->offset,
		/* its data would be thrown away, out of its turn */
		.flags = image_turn_is_first(&state->turn) ? WIRE_FILE_BIG_IMAGE : 0,
		.limit = state->limit_given ? (uint64_t)state->limit : 0,
	};

	return file_call_send(file, &request, state->path, NULL, err);
}

/* The header line, in words that models know; the block behind it. */
static json_t *image_content(const struct buf *head, const char *mime, const struct buf *image)
{
	_cleanup_buf_ struct buf data = {0};
	json_t *content = result_text(head->data, head->len);

	base64_add(&data, image->data, image->len);
	(void)json_array_append_new(content,
		json_pack("{s:s, s:s, s:s}", "type", "image", "data", data.data, "mimeType", mime));
	return content;
}

static void finish_shrunk(struct tool_call *call, const struct image_shrunk *image)
{
	_cleanup_buf_ struct buf head = {0};
	uint32_t hundredths =
		(uint32_t)(((uint64_t)image->source_width * 100 + image->width / 2) / image->width);
	json_t *details = json_pack("{s:{s:i, s:i, s:i, s:i, s:b}}", "resized", "width",
		(int)image->width, "height", (int)image->height, "sourceWidth",
		(int)image->source_width, "sourceHeight", (int)image->source_height, "firstFrame",
		image->animated ? 1 : 0);

	buf_addf(&head, "Read image file [%s] %" PRIu32 "x%" PRIu32, image->mime, image->width,
		image->height);
	if (image->width != image->source_width || image->height != image->source_height) {
		buf_addf(&head,
			", made smaller from %" PRIu32 "x%" PRIu32
			": multiply coordinates by %" PRIu32 ".%02" PRIu32 " for those of the file",
			image->source_width, image->source_height, hundredths / 100,
			hundredths % 100);
	}
	buf_add_str(&head, image->animated ? ". This is the first frame of an animation" : "");
	call_finish(call, image_content(&head, image->mime, &image->data), details);
}

static void on_shrunk(
	struct tool_call *call, const struct image_shrunk *image, const struct error *why)
{
	const struct file_call *file = call->state;

	if (image != NULL) {
		finish_shrunk(call, image);
	} else {
		call_failf(call, TOOL_FAIL_FAILED, "%.300s cannot be made smaller: %s", file->shown,
			why->text);
	}
}

static void shrink(struct tool_call *call)
{
	struct file_call *file = call->state;
	struct read_state *state = file->more;
	struct error err;

	if (image_turn_shrink(&state->turn, &file->answer.data, &err) < 0) {
		call_fail(call, TOOL_FAIL_UNAVAILABLE, err.text, NULL, NULL);
	}
}

/* The whole of a large file is read when nobody else's is held. */
static void on_turn(struct tool_call *call)
{
	struct file_call *file = call->state;
	struct error err;

	if (ask_page(file, &err) < 0) {
		call_fail(call, TOOL_FAIL_UNAVAILABLE, err.text, NULL, NULL);
	}
}

static void queue_image(struct tool_call *call, struct file_answer *answer)
{
	struct file_call *file = call->state;
	struct read_state *state = file->more;
	bool first;
	struct error err;
	int r;

	state->turn.ready = on_turn;
	state->turn.done = on_shrunk;
	r = image_turn_wait(&state->turn, call, &first, &err);
	if (r < 0) {
		call_failf(call, TOOL_FAIL_UNAVAILABLE,
			"%.300s is an image of %" PRIu64
			" bytes, over the limits of %d MiB or %d pixels a side: %s",
			file->shown, answer->done.facts[1], LIMIT_READ_IMAGE / (1024 * 1024),
			LIMIT_READ_IMAGE_SIDE, err.text);
	} else if (first && answer->data.len > 0) {
		shrink(call);
	} else if (first) {
		on_turn(call);
	} else {
		buf_finish(&answer->data);
	}
}

/* Limits are a model's: what it would refuse must not get into the conversation, where every later
 * request would be refused for it. */
static bool fits(const struct file_answer *answer, uint32_t width, uint32_t height)
{
	return width > 0 && width <= LIMIT_READ_IMAGE_SIDE && height > 0 &&
	       height <= LIMIT_READ_IMAGE_SIDE && answer->data.len <= LIMIT_READ_IMAGE;
}

static void finish_image(struct tool_call *call, struct file_answer *answer)
{
	const struct file_call *file = call->state;
	const struct read_state *state = file->more;
	const uint8_t *data = (const uint8_t *)answer->data.data;
	const char *mime = data != NULL ? image_type_mime(data, answer->data.len) : NULL;
	_cleanup_buf_ struct buf said = {0}, head = {0};
	uint32_t width = 0, height = 0;

	buf_add_printable(&said, (const char *)answer->done.text.data, answer->done.text.len, 64);
	if (answer->done.facts[1] > LIMIT_READ_IMAGE_SOURCE) {
		call_failf(call, TOOL_FAIL_FAILED,
			"%.300s is an image of %" PRIu64
			" bytes, and up to %d MiB can be read: make it smaller with exec",
			file->shown, answer->done.facts[1],
			LIMIT_READ_IMAGE_SOURCE / (1024 * 1024));
		return;
	}
	/* The sandbox says what it is, the bytes are what the model gets. */
	if (answer->data.len > 0 && (mime == NULL || strcmp(mime, said.data) != 0)) {
		call_failf(call, TOOL_FAIL_FAILED, "%.300s was said to be %s and looks like %s",
			file->shown, said.data, mime != NULL ? mime : "no image");
		return;
	}
	if (answer->data.len > 0) {
		image_type_size(data, answer->data.len, &width, &height);
	}
	if (mime != NULL && fits(answer, width, height)) {
		buf_addf(&head, "Read image file [%s] %" PRIu32 "x%" PRIu32, mime, width, height);
		call_finish(call, image_content(&head, mime, &answer->data), NULL);
	} else if (image_turn_is_first(&state->turn) && answer->data.len > 0) {
		shrink(call);
	} else if (!state->turn.queued) {
		queue_image(call, answer);
	} else {
		call_failf(call, TOOL_FAIL_FAILED, "%.300s changed while it was read", file->shown);
	}
}

static void finish_binary(struct tool_call *call, const struct file_call *file)
{
	call_failf(call, TOOL_FAIL_FAILED,
		"%.300s is a binary file of %" PRIu64
		" bytes and cannot be shown as text. Use exec to "
		"look into it (file, xxd, strings).",
		file->shown, file->answer.done.facts[1]);
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
	image_turn_leave(&state->turn);
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
