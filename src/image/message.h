/* SPDX-License-Identifier: MIT */
/*
 * What creel-image is asked and what it answers, on a socket of its own for each image:
 *
 *	request: magic, longest side, most bytes, length; then the file
 *	reply:   magic, errno, width, height, source width, source height, animated, type, length;
 *	         then the new file, or with an errno one sentence
 *
 * All numbers are 32 bits, little-endian. The replying end has decoded a hostile file: what it
 * says is checked like anything else from outside.
 */
#ifndef IMAGE_MESSAGE_H
#define IMAGE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* Upper bounds of the result; both at least 1. */
struct image_bounds {
	uint32_t side; /* pixels of the longer side */
	uint32_t bytes;
};

struct image_shrunk {
	struct buf data; /* owned: the file */
	const char *mime; /* static text */
	uint32_t width, height;
	uint32_t source_width, source_height; /* upright, as width and height are */
	bool animated; /* the source has more frames than the one that is here */
};
void image_shrunk_finish(struct image_shrunk *image);

enum {
	IMAGE_REQUEST_SIZE = 4 * 4,
	IMAGE_REPLY_SIZE = 9 * 4,
	IMAGE_TEXT_MAX = 1000, /* the sentence of a failure */
};

struct image_request {
	struct image_bounds bounds;
	uint32_t len; /* of the file that follows, at most LIMIT_READ_IMAGE_SOURCE */
};

struct image_reply {
	uint32_t errnum; /* 0: an image follows */
	uint32_t width, height, source_width, source_height;
	bool animated;
	const char *mime; /* static text; NULL with an errnum */
	uint32_t len; /* of what follows */
};

void image_request_add(struct buf *out, const struct image_request *request);
/* IMAGE_REQUEST_SIZE bytes. -EPROTO: not a request, or over a limit. */
int image_request_get(const uint8_t *data, struct image_request *ret, struct error *err);

void image_reply_add(struct buf *out, const struct image_reply *reply);
/* IMAGE_REPLY_SIZE bytes. -EPROTO: not a reply, or not within the bounds that were asked for. */
int image_reply_get(const uint8_t *data, const struct image_bounds *bounds, struct image_reply *ret,
	struct error *err);

#endif
