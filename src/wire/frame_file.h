/* SPDX-License-Identifier: MIT */
/*
 * The frames of the file tools (docs/PROTOCOL.md). One stream per request, its number chosen like a
 * process's:
 *
 *	gateway: FILE_REQUEST, then FILE_BODY frames with exactly a_len + b_len bytes in all
 *	init:    FILE_DATA frames, then FILE_DONE; nothing comes on the stream after it
 *
 * FILE_ABORT asks for an early end; FILE_DONE still comes. A request whose body is not whole yet is
 * not started. Pure, like wire/frame.h.
 */
#ifndef WIRE_FRAME_FILE_H
#define WIRE_FRAME_FILE_H

#include "wire/frame.h"

enum frame_file_kind {
	FRAME_FILE_REQUEST = 26, /* gateway: struct wire_file_request */
	FRAME_FILE_BODY = 28, /* gateway: bytes, at least one */
	FRAME_FILE_ABORT = 30, /* gateway: empty */
	FRAME_FILE_DATA = 27, /* init: bytes, at least one */
	FRAME_FILE_DONE = 29, /* init: struct wire_file_done */
};

enum wire_file_op {
	WIRE_FILE_READ = 1,
	WIRE_FILE_WRITE,
	WIRE_FILE_EDIT,
	WIRE_FILE_PATCH,
	WIRE_FILE_LS,
	WIRE_FILE_GLOB,
	WIRE_FILE_GREP,
	WIRE_FILE_OP_END_,
};

enum wire_file_flag {
	WIRE_FILE_BENEATH = 1, /* nothing outside root is reached, by .. or by a link */
	WIRE_FILE_NO_IGNORE = 2, /* glob, grep: look into what .gitignore names, too */
	WIRE_FILE_IGNORE_CASE = 4, /* grep */
	WIRE_FILE_LITERAL = 8, /* grep: the pattern is a text, not an expression */
	WIRE_FILE_NO_SYNC = 16, /* write, edit, patch: without fsync */
	WIRE_FILE_RAW = 32, /* read: bytes, not lines */
	WIRE_FILE_BIG_IMAGE = 64, /* read: an image that is over LIMIT_READ_IMAGE, too */
	WIRE_FILE_FLAGS_ = 127,
};

enum {
	WIRE_FILE_MAX_PATH = 4096, /* PATH_MAX; a path has no NUL */
	WIRE_FILE_MAX_BODY = 16 * 1024 * 1024,
	/* All the DATA of one request: LIMIT_READ_IMAGE_SOURCE is the most that a tool asks for. */
	WIRE_FILE_MAX_DATA = 32 * 1024 * 1024,
	WIRE_FILE_FACTS = 8,
};

/* What offset, limit, max_bytes and the two bodies mean depends on op: see src/init/file.c. */
struct wire_file_request {
	uint32_t op, flags;
	uint64_t offset, limit, max_bytes;
	struct wire_bytes root; /* absolute: where relative paths start, and what BENEATH means */
	struct wire_bytes path;
	uint32_t a_len, b_len; /* together at most WIRE_FILE_MAX_BODY */
};

struct wire_file_done {
	uint32_t errnum; /* 0: done */
	struct wire_bytes text; /* errnum: one sentence; else a notice, may be empty */
	uint64_t facts[WIRE_FILE_FACTS]; /* by op; unused ones are 0 */
};

/* -E2BIG: a path or the bodies are over their limit; nothing is appended then. */
int frame_add_file_request(struct buf *out, uint32_t stream,
	const struct wire_file_request *request, struct error *err);
int frame_get_file_request(
	struct wire_bytes payload, struct wire_file_request *ret, struct error *err);
/* As many frames of kind FILE_BODY or FILE_DATA as len bytes need, none for 0. */
void frame_add_file_bytes(
	struct buf *out, enum frame_file_kind kind, uint32_t stream, const void *data, size_t len);
/* At least one byte. */
int frame_get_file_bytes(struct wire_bytes payload, struct wire_bytes *ret, struct error *err);
void frame_add_file_done(struct buf *out, uint32_t stream, const struct wire_file_done *done);
int frame_get_file_done(struct wire_bytes payload, struct wire_file_done *ret, struct error *err);

#endif
