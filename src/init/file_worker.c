/* SPDX-License-Identifier: MIT */
/*
 * A worker of the file tools: one request after the other, blocking. The meaning of a request's
 * fields, of DATA and of the facts in DONE, by op:
 *
 *	READ   offset, limit: lines; max_bytes. DATA: the lines or the image; none
 *	       of an image over the limit that BIG_IMAGE lifts. Facts: kind, size, first
 *	       line, lines, next offset, total lines, cut, width << 32 | height or length of the long
 *	       line. text: the MIME type of an image. With RAW offset and limit are bytes, DATA too
 *	WRITE  a: content. Facts: created, bytes, in place, other names
 *	EDIT   a: old, b: new. DATA: the diff. Facts: first line, tolerant, diff is cut, bytes, in place
 *	PATCH  a: the patch. DATA: the lines that name what changed
 *	LS     limit. DATA: entries, see add_entry(). Facts: count, truncated
 *	GLOB   a: pattern; limit; path: where. DATA: paths, each with a NUL. Facts: count, truncated
 *	GREP   a: pattern, b: glob; limit; offset: lines of context. DATA: lines. Facts: matches, files,
 *	       files searched, truncated, lines cut
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own.h"
#include "init/file.h"
#include "init/fs_ops.h"

enum { RECEIVE_CHUNK = 64 * 1024 };

/* One request, whole, and its answer under construction. */
struct job {
	struct wire_file_request wire;
	struct arena arena;
	struct fs_root root;
	const char *path; /* NULL: none was given */
	const char *a, *b;
	struct buf data;
	struct wire_file_done done;
	struct error err;
};

static const char *text_of(struct arena *arena, struct wire_bytes bytes)
{
	return bytes.len > 0 ? arena_strndup(arena, (const char *)bytes.data, bytes.len) : NULL;
}

static int run_read(struct job *job)
{
	struct fs_read_opts opts = {
		.offset = job->wire.offset,
		.limit = job->wire.limit,
		.max_bytes = (size_t)job->wire.max_bytes,
		.raw = (job->wire.flags & WIRE_FILE_RAW) != 0,
		.max_image =
			(job->wire.flags & WIRE_FILE_BIG_IMAGE) != 0 ? LIMIT_READ_IMAGE_SOURCE : 0,
	};
	struct fs_read_result result = {0};
	int r = fs_read(&job->root, job->path, &opts, &result, &job->err);

	if (r < 0) {
		return r;
	}
	job->data = result.data;
	result.data = (struct buf){0};
	job->done.facts[0] = (uint64_t)result.kind;
	job->done.facts[1] = result.size;
	job->done.facts[2] = result.first_line;
	job->done.facts[3] = result.line_count;
	job->done.facts[4] = result.next_offset;
	job->done.facts[5] = result.total_lines;
	job->done.facts[6] = (uint64_t)result.cut;
	job->done.facts[7] = result.kind == FS_READ_IMAGE
				     ? (uint64_t)result.width << 32 | result.height
				     : result.long_line;
	if (result.mime != NULL) {
		job->done.text.data = (const uint8_t *)result.mime;
		job->done.text.len = strlen(result.mime);
	}
	fs_read_result_finish(&result);
	return 0;
}

static bool wants_sync(const struct job *job)
{
	return (job->wire.flags & WIRE_FILE_NO_SYNC) == 0;
}

static int run_write(struct job *job)
{
	struct fs_write_result result = {0};
	int r = fs_write(&job->root, job->path, job->a, job->wire.a_len, wants_sync(job), &result,
		&job->err);

	job->done.facts[0] = result.created;
	job->done.facts[1] = result.bytes;
	job->done.facts[2] = result.in_place;
	job->done.facts[3] = result.other_names;
	return r;
}

static int run_edit(struct job *job)
{
	struct fs_edit_result result = {0};
	int r = fs_edit(&job->root, job->path, job->a, job->wire.a_len, job->b, job->wire.b_len,
		wants_sync(job), &result, &job->err);

	if (r < 0) {
		return r;
	}
	job->data = result.diff;
	result.diff = (struct buf){0};
	job->done.facts[0] = result.first_line;
	job->done.facts[1] = result.tolerant;
	job->done.facts[2] = result.diff_cut;
	job->done.facts[3] = result.written.bytes;
	job->done.facts[4] = result.written.in_place;
	job->done.facts[5] = result.written.other_names;
	fs_edit_result_finish(&result);
	return 0;
}

static int run_patch(struct job *job)
{
	struct fs_patch_result result = {0};
	int r = fs_patch(&job->root, job->a, job->wire.a_len, wants_sync(job), &job->arena, &result,
		&job->err);

	if (r < 0) {
		return r;
	}
	job->data = result.text;
	result.text = (struct buf){0};
	job->done.facts[0] = result.added.count;
	job->done.facts[1] = result.modified.count;
	job->done.facts[2] = result.deleted.count;
	fs_patch_result_finish(&result);
	return 0;
}

/* "f 0644 12 1700000000 name\0target\0": names may hold anything but a NUL. */
static void add_entry(struct buf *out, const struct fs_entry *e)
{
	buf_addf(out, "%c %04o %" PRIu64 " %" PRId64 " ", e->type, e->mode & 07777U, e->size,
		e->mtime_s);
	buf_add(out, e->name, strlen(e->name) + 1);
	buf_add(out, e->target != NULL ? e->target : "",
		e->target != NULL ? strlen(e->target) + 1 : 1);
}

static int run_ls(struct job *job)
{
	struct fs_list_result result = {0};
	int r = fs_list(&job->root, job->path != NULL ? job->path : ".", (size_t)job->wire.limit,
		&job->arena, &result, &job->err);

	if (r < 0) {
		return r;
	}
	for (size_t i = 0; i < result.count; i++) {
		add_entry(&job->data, &result.entries[i]);
	}
	job->done.facts[0] = result.count;
	job->done.facts[1] = result.truncated;
	return 0;
}

static struct fs_walk_opts walk_opts(const struct job *job)
{
	return (struct fs_walk_opts){
		.path = job->path,
		.no_ignore = (job->wire.flags & WIRE_FILE_NO_IGNORE) != 0,
		.limit = (size_t)job->wire.limit,
	};
}

static int run_glob(struct job *job)
{
	struct fs_walk_opts opts = walk_opts(job);
	struct fs_glob_result result = {0};
	int r = fs_glob(&job->root, job->a, &opts, &job->arena, &result, &job->err);

	if (r < 0) {
		return r;
	}
	for (size_t i = 0; i < result.paths.count; i++) {
		buf_add(&job->data, result.paths.items[i], strlen(result.paths.items[i]) + 1);
	}
	job->done.facts[0] = result.paths.count;
	job->done.facts[1] = result.truncated;
	return 0;
}

static int run_grep(struct job *job)
{
	struct fs_grep_opts opts = {
		.walk = walk_opts(job),
		.glob = job->wire.b_len > 0 ? job->b : NULL,
		.literal = (job->wire.flags & WIRE_FILE_LITERAL) != 0,
		.ignore_case = (job->wire.flags & WIRE_FILE_IGNORE_CASE) != 0,
		.context = (unsigned)(job->wire.offset < 20 ? job->wire.offset : 20),
	};
	struct fs_grep_result result = {0};
	int r = fs_grep(&job->root, job->a, &opts, &result, &job->err);

	if (r < 0) {
		return r;
	}
	job->data = result.text;
	result.text = (struct buf){0};
	job->done.facts[0] = result.matches;
	job->done.facts[1] = result.files;
	job->done.facts[2] = result.files_searched;
	job->done.facts[3] = result.truncated;
	job->done.facts[4] = result.lines_cut;
	fs_grep_result_finish(&result);
	return 0;
}

typedef int (*run_fn)(struct job *job);
static const struct {
	run_fn run;
	bool needs_path, text_bodies; /* text: a NUL in a or b is refused */
} ops[WIRE_FILE_OP_END_] = {
	[WIRE_FILE_READ] = {run_read, true, false},
	[WIRE_FILE_WRITE] = {run_write, true, false},
	[WIRE_FILE_EDIT] = {run_edit, true, false},
	[WIRE_FILE_PATCH] = {run_patch, false, false},
	[WIRE_FILE_LS] = {run_ls, false, false},
	[WIRE_FILE_GLOB] = {run_glob, false, true},
	[WIRE_FILE_GREP] = {run_grep, false, true},
};

static int check_job(struct job *job)
{
	if (ops[job->wire.op].needs_path && job->path == NULL) {
		return error_plain(&job->err, EINVAL, "a path is needed");
	}
	if (ops[job->wire.op].text_bodies &&
		(strlen(job->a) != job->wire.a_len || strlen(job->b) != job->wire.b_len)) {
		return error_plain(&job->err, EINVAL, "the pattern contains a NUL character");
	}
	return 0;
}

/* body: a and b one after the other, with a NUL behind each. */
static void job_run(struct job *job)
{
	_cleanup_close_ int root_fd = FD_NONE;
	int r;

	job->root.path = text_of(&job->arena, job->wire.root);
	/* For commands HOME is the workdir. A patch that names home means somebody's own, which is not
	 * in here: it must not end up in the workspace. */
	job->root.home = job->wire.op == WIRE_FILE_PATCH ? "/root" : job->root.path;
	job->root.workspace_only = (job->wire.flags & WIRE_FILE_BENEATH) != 0;
	job->path = text_of(&job->arena, job->wire.path);
	root_fd = open(job->root.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0) {
		r = error_set(&job->err, errno, "cannot open the workspace '%s'", job->root.path);
	} else {
		job->root.fd = root_fd;
		r = check_job(job);
	}
	if (r == 0) {
		r = ops[job->wire.op].run(job);
	}
	if (r == 0 && job->data.len > WIRE_FILE_MAX_DATA) {
		r = error_plain(&job->err, EFBIG, "the answer is over %d MiB",
			WIRE_FILE_MAX_DATA / (1024 * 1024));
	}
	if (r < 0) {
		job->done = (struct wire_file_done){
			.errnum = (uint32_t)-r,
			.text = {(const uint8_t *)job->err.text, strlen(job->err.text)},
		};
		buf_clear(&job->data);
	}
}

static bool write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return false;
		}
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* Until in holds a whole frame. false: the parent is gone, or speaks nonsense. */
static bool read_frame(int fd, struct buf *in, struct frame_header *ret)
{
	struct error err;

	for (;;) {
		int r = frame_peek((const uint8_t *)in->data, in->len, ret, &err);
		char *room;
		ssize_t n;

		if (r != 0) {
			return r > 0;
		}
		room = buf_reserve(in, RECEIVE_CHUNK);
		n = recv(fd, room, RECEIVE_CHUNK, 0);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return false;
		}
		buf_commit(in, (size_t)n);
	}
}

static bool read_bodies(int fd, struct buf *in, struct job *job, struct buf *body)
{
	size_t want = (size_t)job->wire.a_len + job->wire.b_len;
	struct frame_header header;

	while (body->len < want) {
		if (!read_frame(fd, in, &header) || header.length > want - body->len) {
			return false;
		}
		buf_add(body, in->data + FRAME_HEADER_SIZE, header.length);
		buf_consume(in, FRAME_HEADER_SIZE + header.length);
	}
	return true;
}

static bool serve_one(int fd, struct buf *in, struct buf *request)
{
	_cleanup_buf_ struct buf body = {0}, second = {0}, out = {0};
	struct job job = {0};
	struct frame_header header;
	bool alive;

	if (!read_frame(fd, in, &header)) {
		return false;
	}
	/* What the request's texts point into must stay where it is while more is read. */
	buf_clear(request);
	buf_add(request, in->data + FRAME_HEADER_SIZE, header.length);
	buf_consume(in, FRAME_HEADER_SIZE + header.length);
	if (frame_get_file_request(
		    (struct wire_bytes){(const uint8_t *)request->data, request->len}, &job.wire,
		    &job.err) < 0 ||
		!read_bodies(fd, in, &job, &body)) {
		return false;
	}
	buf_add(&second, body.data != NULL ? body.data + job.wire.a_len : "", job.wire.b_len);
	if (body.data != NULL) {
		body.data[job.wire.a_len] = '\0';
	}
	job.a = body.data != NULL ? body.data : "";
	job.b = second.data != NULL ? second.data : "";
	job_run(&job);
	frame_add_file_bytes(&out, FRAME_FILE_DATA, header.stream, job.data.data, job.data.len);
	frame_add_file_done(&out, header.stream, &job.done);
	buf_finish(&job.data);
	arena_finish(&job.arena);
	alive = write_all(fd, out.data, out.len);
	return alive;
}

_Noreturn void file_worker_run(int fd)
{
	_cleanup_buf_ struct buf in = {0}, request = {0};
	sigset_t none;

	/* Nothing of PID 1's stays open here but the socket: neither the stream nor any pipe. */
	if (fd != 3) {
		if (dup3(fd, 3, O_CLOEXEC) < 0) {
			_exit(1);
		}
	}
	(void)syscall(SYS_close_range, 4U, ~0U, 0U); /* musl 1.2.3 has no wrapper */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "creel-files");
	while (serve_one(3, &in, &request)) {
	}
	_exit(0);
}
