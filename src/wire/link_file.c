/* SPDX-License-Identifier: MIT */
/* The gateway's end of the file tools' requests. */
#include "wire/link_file.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "wire/link-internal.h"

struct link_file {
	struct link_file *next; /* of struct link, by files */
	uint32_t stream;
	size_t received;
	const struct link_file_ops *ops;
	void *arg;
};

static struct link_file **slot_of(struct link *link, uint32_t stream)
{
	struct link_file **at = &link->files;

	while (*at != NULL && (*at)->stream != stream) {
		at = &(*at)->next;
	}
	return at;
}

bool link_file_known(const struct link *link, uint32_t stream)
{
	const struct link_file *file = link->files;

	while (file != NULL && file->stream != stream) {
		file = file->next;
	}
	return file != NULL;
}

/* The parts of one request. NOLINTNEXTLINE(readability-function-size) */
int link_file_call(struct link *link, const struct wire_file_request *request, struct wire_bytes a,
	struct wire_bytes b, const struct link_file_ops *ops, void *arg, uint32_t *ret_stream,
	struct error *err)
{
	struct wire_file_request whole = *request;
	struct link_file *file;
	uint32_t stream;
	int r = link_is_ready(link) ? link_may_ask(link, err) : link_not_ready(link, err);

	if (r < 0) {
		return r;
	}
	if (a.len > WIRE_FILE_MAX_BODY || b.len > WIRE_FILE_MAX_BODY) {
		return error_plain(err, E2BIG, "more than %d MiB in one request",
			WIRE_FILE_MAX_BODY / (1024 * 1024));
	}
	whole.a_len = (uint32_t)a.len;
	whole.b_len = (uint32_t)b.len;
	stream = link_new_stream(link);
	r = frame_add_file_request(&link->out, stream, &whole, err);
	if (r < 0) {
		return r;
	}
	frame_add_file_bytes(&link->out, FRAME_FILE_BODY, stream, a.data, a.len);
	frame_add_file_bytes(&link->out, FRAME_FILE_BODY, stream, b.data, b.len);
	file = xcalloc(1, sizeof(*file));
	*file = (struct link_file){.next = link->files, .stream = stream, .ops = ops, .arg = arg};
	link->files = file;
	*ret_stream = stream;
	link_flush(link);
	return 0;
}

void link_file_abort(struct link *link, uint32_t stream)
{
	if (link->dead == 0 && link_file_known(link, stream)) {
		frame_add_empty(&link->out, (enum frame_kind)FRAME_FILE_ABORT, stream);
		link_flush(link);
	}
}

void link_file_forget(struct link *link, uint32_t stream)
{
	static const struct link_file_ops no_ops;
	struct link_file *file = *slot_of(link, stream);

	if (file != NULL) {
		file->ops = &no_ops;
		link_file_abort(link, stream);
	}
}

static int on_data(struct link_file *file, struct wire_bytes payload, struct error *err)
{
	struct wire_bytes data;
	int r = frame_get_file_bytes(payload, &data, err);

	if (r < 0) {
		return r;
	}
	if (data.len > WIRE_FILE_MAX_DATA - file->received) {
		return error_plain(err, EPROTO, "the answer to a file request is over %d bytes",
			WIRE_FILE_MAX_DATA);
	}
	file->received += data.len;
	if (file->ops->data != NULL) {
		file->ops->data(file->arg, data.data, data.len);
	}
	return 0;
}

int link_file_frame(struct link *link, const struct frame_header *header, struct wire_bytes payload,
	struct error *err)
{
	struct link_file **at = slot_of(link, header->stream);
	struct link_file *file = *at;
	struct wire_file_done done;
	int r;

	assert(file != NULL); /* link_has_file() said so */
	if (header->kind == FRAME_FILE_DATA) {
		return on_data(file, payload, err);
	}
	if (header->kind != FRAME_FILE_DONE) {
		return error_plain(
			err, EPROTO, "frame of kind %u for a file request", header->kind);
	}
	r = frame_get_file_done(payload, &done, err);
	if (r < 0) {
		return r;
	}
	/* Out of the list before anybody hears of it: the callback may start the next one. */
	*at = file->next;
	if (file->ops->done != NULL) {
		file->ops->done(file->arg, &done);
	}
	free(file);
	return 0;
}

void link_files_lost(struct link *link)
{
	while (link->files != NULL) {
		struct link_file *file = link->files;

		link->files = file->next;
		if (file->ops->lost != NULL) {
			file->ops->lost(file->arg, &link->why);
		}
		free(file);
	}
}
