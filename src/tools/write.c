/* SPDX-License-Identifier: MIT */
/* write, edit, apply_patch: the tools that change files. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/macro.h"
#include "tools/args.h"
#include "tools/file_call.h"
#include "tools/utf8.h"

static const char write_parameters[] =
	"{\"type\":\"object\",\"properties\":{"
	"\"path\":{\"type\":\"string\",\"description\":\"File, relative to the workspace or absolute; its "
	"directories are made\"},"
	"\"content\":{\"type\":\"string\"}},\"required\":[\"path\",\"content\"]}";

static const char edit_parameters[] =
	"{\"type\":\"object\",\"properties\":{"
	"\"path\":{\"type\":\"string\",\"description\":\"File, relative to the workspace or absolute\"},"
	"\"oldText\":{\"type\":\"string\",\"description\":\"The passage to replace; it must be there once\"},"
	"\"newText\":{\"type\":\"string\",\"description\":\"What comes in its place\"}},"
	"\"required\":[\"path\",\"oldText\",\"newText\"]}";

static const char patch_parameters[] =
	"{\"type\":\"object\",\"properties\":{"
	"\"input\":{\"type\":\"string\",\"description\":\"The patch, from *** Begin Patch to *** End "
	"Patch, with *** Add File: P, *** Delete File: P, *** Update File: P (then *** Move to: Q, @@ "
	"chunks)\"}},\"required\":[\"input\"]}";

static uint32_t sync_flag(const struct tool_call *call)
{
	return call->session->no_sync ? WIRE_FILE_NO_SYNC : 0;
}

/* A file with several names shows its new content under this one only. */
static void warn_other_names(struct tool_call *call, uint64_t other_names, const char *path)
{
	if (other_names > 0) {
		call_warnf(call,
			"Warning: %.200s has %" PRIu64
			" other name(s) (hard links), which still show "
			"the old content.",
			path, other_names);
	}
}

static void on_written(struct tool_call *call, struct file_answer *answer)
{
	const struct file_call *file = call->state;
	_cleanup_buf_ struct buf text = {0};

	warn_other_names(call, answer->done.facts[3], file->shown);
	buf_addf(&text, "Successfully wrote %" PRIu64 " bytes to %s", answer->done.facts[1],
		file->shown);
	call_finish_text(call, text.data, text.len,
		json_pack("{s:I, s:b}", "bytes", (json_int_t)answer->done.facts[1], "created",
			(int)answer->done.facts[0]));
}

static int write_start(struct tool_call *call, const json_t *args, struct error *err)
{
	struct wire_file_request request = {.op = WIRE_FILE_WRITE, .flags = sync_flag(call)};
	struct file_call *file = file_call_new(call, on_written);
	struct file_bodies bodies = {0};
	const char *path = NULL;
	int r = args_text(args, "path", ARGS_REQUIRED | ARGS_NOT_EMPTY, &path, err);

	r = r < 0 ? r : args_content(args, "content", ARGS_REQUIRED, &bodies.a, &bodies.a_len, err);
	return r < 0 ? r : file_call_send(file, &request, path, &bodies, err);
}

static void on_edited(struct tool_call *call, struct file_answer *answer)
{
	const struct file_call *file = call->state;
	const uint64_t *f = answer->done.facts;
	_cleanup_buf_ struct buf text = {0};
	json_t *details = json_object();

	warn_other_names(call, f[5], file->shown);
	buf_addf(&text, "Successfully replaced text in %s.", file->shown);
	(void)json_object_set_new(details, "diff",
		utf8_is_valid(answer->data.data, answer->data.len)
			? json_stringn_nocheck(answer->data.data, answer->data.len)
			: result_string(answer->data.data, answer->data.len));
	(void)json_object_set_new(details, "firstChangedLine", json_integer((json_int_t)f[0]));
	if (f[1] != 0) {
		(void)json_object_set_new(details, "tolerant", json_true());
	}
	if (f[2] != 0) {
		(void)json_object_set_new(details, "diffTruncated", json_true());
	}
	call_finish_text(call, text.data, text.len, details);
}

static int edit_start(struct tool_call *call, const json_t *args, struct error *err)
{
	struct wire_file_request request = {.op = WIRE_FILE_EDIT, .flags = sync_flag(call)};
	struct file_call *file = file_call_new(call, on_edited);
	struct file_bodies bodies = {0};
	const char *path = NULL;
	int r = args_text(args, "path", ARGS_REQUIRED | ARGS_NOT_EMPTY, &path, err);

	r = r < 0 ? r
		  : args_content(args, "oldText", ARGS_REQUIRED | ARGS_NOT_EMPTY, &bodies.a,
			    &bodies.a_len, err);
	r = r < 0 ? r : args_content(args, "newText", ARGS_REQUIRED, &bodies.b, &bodies.b_len, err);
	return r < 0 ? r : file_call_send(file, &request, path, &bodies, err);
}

/* The answer's lines are "A path", "M path", "D path" behind a first line of text. */
static json_t *patch_summary(const struct buf *text)
{
	json_t *added = json_array(), *modified = json_array(), *deleted = json_array();
	const char *end = text->data + text->len;
	const char *line = text->len > 0 ? memchr(text->data, '\n', text->len) : NULL;

	while (line != NULL && line + 1 < end) {
		const char *from = line + 1;
		json_t *list = from[0] == 'A' ? added : from[0] == 'M' ? modified : deleted;

		line = memchr(from, '\n', (size_t)(end - from));
		if ((line != NULL ? line : end) - from > 2) {
			(void)json_array_append_new(
				list, result_string(from + 2,
					      (size_t)((line != NULL ? line : end) - from - 2)));
		}
	}
	return json_pack("{s:{s:o, s:o, s:o}}", "summary", "added", added, "modified", modified,
		"deleted", deleted);
}

static void on_patched(struct tool_call *call, struct file_answer *answer)
{
	json_t *details = patch_summary(&answer->data);
	size_t len = answer->data.len;

	while (len > 0 && answer->data.data[len - 1] == '\n') {
		len--;
	}
	call_finish_text(call, answer->data.data != NULL ? answer->data.data : "", len, details);
}

/* The files that a patch names, read loosely: the order of calls hangs on it, nothing else. */
static void touch_patch_paths(struct file_call *file, const char *patch, size_t len)
{
	static const char *const heads[] = {
		"*** Add File: ", "*** Delete File: ", "*** Update File: ", "*** Move to: "};
	const char *end = patch + len;

	while (patch < end) {
		const char *lf = memchr(patch, '\n', (size_t)(end - patch));
		const char *line_end = lf != NULL ? lf : end;

		for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
			size_t head = strlen(heads[i]);
			const char *path = patch + head;
			size_t path_len;

			if ((size_t)(line_end - patch) <= head ||
				memcmp(patch, heads[i], head) != 0) {
				continue;
			}
			path = utf8_trim(path, (size_t)(line_end - path), &path_len);
			file_call_touch(file, arena_strndup(&file->arena, path, path_len));
		}
		patch = line_end + 1;
	}
}

static int patch_start(struct tool_call *call, const json_t *args, struct error *err)
{
	struct wire_file_request request = {.op = WIRE_FILE_PATCH, .flags = sync_flag(call)};
	struct file_call *file = file_call_new(call, on_patched);
	struct file_bodies bodies = {0};
	int r = args_content(
		args, "input", ARGS_REQUIRED | ARGS_NOT_EMPTY, &bodies.a, &bodies.a_len, err);

	if (r < 0) {
		return r;
	}
	touch_patch_paths(file, bodies.a, bodies.a_len);
	return file_call_send(file, &request, NULL, &bodies, err);
}

const struct tool tool_write = {
	.name = "write",
	.title = "Write a file",
	.summary = "Write a whole file; its directories are made.",
	.parameters = write_parameters,
	.hints = TOOL_DESTRUCTIVE | TOOL_IDEMPOTENT,
	.writes = true,
	.start = write_start,
	.abort = file_call_abort,
};
const struct tool tool_edit = {
	.name = "edit",
	.title = "Edit a file",
	.summary = "Replace one passage of a text file.",
	.parameters = edit_parameters,
	.hints = TOOL_DESTRUCTIVE,
	.writes = true,
	.start = edit_start,
	.abort = file_call_abort,
};
const struct tool tool_apply_patch = {
	.name = "apply_patch",
	.title = "Apply a patch",
	.summary = "Add, change, move and delete files by one patch, all or nothing.",
	.parameters = patch_parameters,
	.hints = TOOL_DESTRUCTIVE,
	.writes = true,
	.start = patch_start,
	.abort = file_call_abort,
};
