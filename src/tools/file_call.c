/* SPDX-License-Identifier: MIT */
/* Requests of the file tools. */
#include "tools/file_call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "tools/denied.h"
#include "tools/workdir.h"

static bool share_path(const struct strv *a, const struct strv *b)
{
	for (size_t i = 0; i < a->count; i++) {
		if (strv_contains(b, a->items[i])) {
			return true;
		}
	}
	return false;
}

static bool must_wait(const struct file_call *file)
{
	const struct file_call *earlier = file->call->session->file_calls;

	for (; earlier != file; earlier = earlier->next) {
		if ((earlier->call->tool->writes || file->call->tool->writes) &&
			share_path(&earlier->paths, &file->paths)) {
			return true;
		}
	}
	return false;
}

static const struct link_file_ops file_ops;

static int send_now(struct file_call *file, struct error *err)
{
	int r = link_file_call(
		file->link, &file->request, file->a, file->b, &file_ops, file, &file->stream, err);

	file->sent = true;
	file->waiting = r == 0;
	return r;
}

/* One that waited may go now. A failure ends its call, which comes back here for the others. */
static void send_waiting(struct tool_session *session)
{
	struct error err;

	for (struct file_call *file = session->file_calls; file != NULL; file = file->next) {
		if (file->sent || must_wait(file)) {
			continue;
		}
		if (send_now(file, &err) < 0) {
			call_fail(file->call,
				err.num == EAGAIN ? TOOL_FAIL_UNAVAILABLE : TOOL_FAIL_FAILED,
				err.text, NULL, NULL);
			return;
		}
	}
}

static void enqueue(struct file_call *file)
{
	struct file_call **at = &file->call->session->file_calls;

	while (*at != NULL) {
		at = &(*at)->next;
	}
	*at = file;
	file->next = NULL;
	file->queued = true;
}

static void dequeue(struct file_call *file)
{
	struct file_call **at = &file->call->session->file_calls;

	if (!file->queued) {
		return;
	}
	while (*at != file) {
		at = &(*at)->next;
	}
	*at = file->next;
	file->queued = false;
	if (!file->call->session->lost && !file->call->session->closing) {
		send_waiting(file->call->session);
	}
}

static void file_call_free(void *p)
{
	struct file_call *file = p;

	if (file->waiting) {
		link_file_forget(file->link, file->stream);
	}
	dequeue(file);
	if (file->finish_more != NULL) {
		file->finish_more(file);
	}
	buf_finish(&file->answer.data);
	arena_finish(&file->arena);
	free(file);
}

struct file_call *file_call_new(struct tool_call *call, file_answer_fn answered)
{
	struct file_call *file = xcalloc(1, sizeof(*file));

	*file = (struct file_call){
		.link = call->session->link,
		.call = call,
		.answered = answered,
	};
	call->state = file;
	call->free_state = file_call_free;
	return file;
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
	struct file_call *file = arg;

	buf_add(&file->answer.data, data, len);
}

static const char *failure_type(uint32_t errnum)
{
	switch (errnum) {
	case ENOENT:
		return TOOL_FAIL_NOT_FOUND;
	case EINVAL:
	case ERANGE:
		return TOOL_FAIL_ARGUMENTS;
	case ETIMEDOUT:
		return TOOL_FAIL_TIMEOUT;
	default:
		return TOOL_FAIL_FAILED;
	}
}

/* The sandbox itself stands in the way: the model should hear that it is no accident. */
static json_t *blocked_details(const struct file_call *file, uint32_t errnum)
{
	struct tool_call *call = file->call;

	if (errnum != EROFS || call->decision == NULL || !call->decision->sandboxed) {
		return NULL;
	}
	return denied_write(call, file->shown);
}

static void on_done(void *arg, const struct wire_file_done *done)
{
	struct file_call *file = arg;
	struct tool_call *call = file->call;

	file->waiting = false;
	file->answer.done = *done;
	if (call->aborted) {
		call_fail(call, TOOL_FAIL_ABORTED, "the call was aborted", NULL, NULL);
	} else if (done->errnum != 0) {
		_cleanup_buf_ struct buf text = {0};

		buf_add(&text, done->text.data, done->text.len);
		call_fail(call, failure_type(done->errnum),
			text.data != NULL ? text.data : "failed", NULL,
			blocked_details(file, done->errnum));
	} else {
		file->answered(call, &file->answer);
	}
}

static void on_lost(void *arg, const struct error *why)
{
	struct file_call *file = arg;

	file->waiting = false;
	call_failf(file->call, TOOL_FAIL_UNAVAILABLE, "the sandbox is gone: %s", why->text);
}

static const struct link_file_ops file_ops = {
	.data = on_data,
	.done = on_done,
	.lost = on_lost,
};

static struct wire_bytes bytes_of(const char *text, size_t len)
{
	return (struct wire_bytes){.data = (const uint8_t *)text, .len = len};
}

static bool workspace_only(const struct tool_call *call)
{
	bool only = setting_bool(call->decision, "tools.fs.workspaceOnly", false);

	/* A patch may not leave the workspace unless the configuration says so. */
	if (call->tool == &tool_apply_patch) {
		return only ||
		       setting_bool(call->decision, "tools.exec.applyPatch.workspaceOnly", true);
	}
	return only;
}

void file_call_touch(struct file_call *file, const char *path)
{
	const char *root = workdir_root(file->call->decision);
	const char *whole = path_join(&file->arena, root, path);

	strv_add_ref(&file->paths, &file->arena, path_normalize(&file->arena, whole));
}

int file_call_send(struct file_call *file, struct wire_file_request *request, const char *path,
	const struct file_bodies *bodies, struct error *err)
{
	static const struct file_bodies none;
	const struct decision *decision = file->call->decision;
	const char *root = workdir_root(decision);
	const char *mapped = path != NULL ? workdir_map_host(&file->arena, decision, path) : NULL;

	bodies = bodies != NULL ? bodies : &none;
	file->shown = path;
	file->request = *request;
	file->request.root = bytes_of(root, strlen(root));
	if (mapped != NULL) {
		file->request.path = bytes_of(mapped, strlen(mapped));
		file_call_touch(file, mapped);
	}
	file->request.flags |= workspace_only(file->call) ? WIRE_FILE_BENEATH : 0;
	file->a = bytes_of(bodies->a, bodies->a_len);
	file->b = bytes_of(bodies->b, bodies->b_len);
	file->sent = false;
	buf_clear(&file->answer.data);
	if (!file->queued) {
		enqueue(file);
	}
	return must_wait(file) ? 0 : send_now(file, err);
}

void file_call_abort(struct tool_call *call)
{
	const struct file_call *file = call->state;

	/* What writes comes to its end; the answer then says aborted. */
	if (file->waiting) {
		link_file_abort(file->link, file->stream);
	} else {
		call_fail(call, TOOL_FAIL_ABORTED, "the call was aborted", NULL, NULL);
	}
}
