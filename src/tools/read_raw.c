/* SPDX-License-Identifier: MIT */
#include "tools/read_raw.h"

#include <string.h>

#include "tools/args.h"
#include "tools/base64.h"
#include "tools/file_call.h"
#include "tools/mime.h"
#include "tools/utf8.h"

static bool is_text(const struct buf *data)
{
	return data->len == 0 || (memchr(data->data, '\0', data->len) == NULL &&
					 utf8_is_valid(data->data, data->len));
}

static json_t *data_json(const struct buf *data, bool text)
{
	_cleanup_buf_ struct buf encoded = {0};

	if (text) {
		return json_stringn_nocheck(data->len > 0 ? data->data : "", data->len);
	}
	base64_add(&encoded, data->data, data->len);
	return json_stringn_nocheck(encoded.data, encoded.len);
}

static void on_bytes(struct tool_call *call, struct file_answer *answer)
{
	const struct file_call *file = call->state;
	const struct buf *data = &answer->data;
	_cleanup_buf_ struct buf mime = {0};
	_cleanup_buf_ struct buf text = {0};
	bool is = is_text(data);

	buf_add(&mime, answer->done.text.data, answer->done.text.len);
	if (mime.len == 0) {
		buf_add_str(&mime, mime_of_path(file->shown, is));
	}
	buf_addf(&text, "%zu bytes of %.300s", data->len, file->shown);
	call_finish(call, result_text(text.data, text.len),
		json_pack("{s:I, s:I, s:I, s:s, s:s, s:o}", "size",
			(json_int_t)answer->done.facts[1], "offset",
			(json_int_t)file->request.offset, "bytes", (json_int_t)data->len,
			"mimeType", mime.data, "encoding", is ? "utf-8" : "base64", "data",
			data_json(data, is)));
}

int read_raw_start(struct tool_call *call, const json_t *args, struct error *err)
{
	struct wire_file_request request = {.op = WIRE_FILE_READ, .flags = WIRE_FILE_RAW};
	struct file_call *file = file_call_new(call, on_bytes);
	int64_t offset = 0, limit = 0;
	const char *path = NULL;
	bool beneath = false;
	int r = args_text(args, "path", ARGS_REQUIRED | ARGS_NOT_EMPTY, &path, err);

	r = r < 0 ? r : args_int(args, "offset", 0, INT64_MAX, &offset, NULL, err);
	r = r < 0 ? r : args_int(args, "limit", 1, LIMIT_READ_RAW, &limit, NULL, err);
	r = r < 0 ? r : args_bool(args, "beneath", &beneath, NULL, err);
	request.offset = (uint64_t)offset;
	request.limit = (uint64_t)limit;
	request.flags |= beneath ? WIRE_FILE_BENEATH : 0;
	return r < 0 ? r : file_call_send(file, &request, path, NULL, err);
}
