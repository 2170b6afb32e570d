/* SPDX-License-Identifier: MIT */
/* What the file tools share: one request into the sandbox, its answer turned into a result. */
#ifndef TOOLS_FILE_CALL_H
#define TOOLS_FILE_CALL_H

#include "base/strv.h"
#include "tools/internal.h"
#include "wire/link_file.h"

/* The whole answer: data is all DATA bytes. */
struct file_answer {
	struct buf data;
	struct wire_file_done done;
};

typedef void (*file_answer_fn)(struct tool_call *call, struct file_answer *answer);

struct file_call {
	struct file_call *next; /* of struct tool_session, by file_calls; once it was sent */
	struct strv paths; /* normalised: what it touches, see file_call_touch() */
	bool queued, sent;
	struct wire_file_request request; /* as it is sent, when its turn comes */
	struct wire_bytes a, b;
	struct arena arena;
	struct link *link;
	uint32_t stream;
	bool waiting;
	struct tool_call *call;
	const char *shown; /* the path as the caller wrote it */
	struct file_answer answer;
	file_answer_fn answered; /* success; must end the call or start another request */
	void *more; /* the tool's own, from the arena */
	void (*finish_more)(void *file); /* gives back what more holds; may be NULL */
};

/* The call's state from now on. */
struct file_call *file_call_new(struct tool_call *call, file_answer_fn answered);

/*
 * Send request; path may be NULL. root and the BENEATH flag are filled in from the decision. Failures
 * of the operation end the call with its text; a lost sandbox too.
 */
struct file_bodies {
	const char *a, *b;
	size_t a_len, b_len;
};
int file_call_send(struct file_call *file, struct wire_file_request *request, const char *path,
	const struct file_bodies *bodies, struct error *err);

/* Besides path: calls that touch the same file run one after the other when one of them writes
 * (contract D24). To be called before file_call_send(). */
void file_call_touch(struct file_call *file, const char *path);

void file_call_abort(struct tool_call *call);

#endif
