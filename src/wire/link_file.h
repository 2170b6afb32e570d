/* SPDX-License-Identifier: MIT */
/* Requests of the file tools on a link. */
#ifndef WIRE_LINK_FILE_H
#define WIRE_LINK_FILE_H

#include "wire/frame_file.h"
#include "wire/link.h"

/* data: a piece of the answer, in order, valid during the call. Exactly one of done and lost ends the
 * request. A callback may call any link function but link_free() and link_pump(). */
struct link_file_ops {
	void (*data)(void *arg, const uint8_t *data, size_t len);
	void (*done)(void *arg, const struct wire_file_done *done);
	void (*lost)(void *arg, const struct error *why);
};

/*
 * Queue a request; a and b are its bodies, copied (request->a_len and b_len are filled in from them).
 * -ENOTCONN before the link is ready, -E2BIG over a limit of wire/frame_file.h. Answers may be as
 * long as WIRE_FILE_MAX_DATA; a peer that sends more ends the link.
 */
int link_file_call(struct link *link, const struct wire_file_request *request, struct wire_bytes a,
	struct wire_bytes b, const struct link_file_ops *ops, void *arg, uint32_t *ret_stream,
	struct error *err);

/* Ask for an early end. done still comes. */
void link_file_abort(struct link *link, uint32_t stream);
/* The caller is gone: no callback comes any more, the request is aborted. */
void link_file_forget(struct link *link, uint32_t stream);

#endif
