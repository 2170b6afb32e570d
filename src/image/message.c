/* SPDX-License-Identifier: MIT */
/* The two messages, laid out and checked. */
#include "image/message.h"

#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/macro.h"

enum { MAGIC = 0x314d4943 /* "CIM1" */ };

/* By their number in a reply. */
static const char *const types[] = {"image/jpeg", "image/png", "image/webp"};

void image_shrunk_finish(struct image_shrunk *image)
{
	buf_finish(&image->data);
	*image = (struct image_shrunk){0};
}

static uint32_t get_u32(const uint8_t **at)
{
	const uint8_t *p = *at;

	*at += 4;
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

void image_request_add(struct buf *out, const struct image_request *request)
{
	buf_add_u32le(out, MAGIC);
	buf_add_u32le(out, request->bounds.side);
	buf_add_u32le(out, request->bounds.bytes);
	buf_add_u32le(out, request->len);
}

int image_request_get(const uint8_t *data, struct image_request *ret, struct error *err)
{
	uint32_t magic = get_u32(&data);
	struct image_request request;

	request.bounds.side = get_u32(&data);
	request.bounds.bytes = get_u32(&data);
	request.len = get_u32(&data);
	if (magic != MAGIC || request.bounds.side == 0 || request.bounds.bytes == 0 ||
		request.len == 0 || request.len > LIMIT_READ_IMAGE_SOURCE) {
		return error_plain(err, EPROTO, "this is no request for an image");
	}
	*ret = request;
	return 0;
}

static uint32_t type_number(const char *mime)
{
	uint32_t i = 0;

	while (mime != NULL && i < ARRAY_SIZE(types) && strcmp(types[i], mime) != 0) {
		i++;
	}
	return i;
}

void image_reply_add(struct buf *out, const struct image_reply *reply)
{
	buf_add_u32le(out, MAGIC);
	buf_add_u32le(out, reply->errnum);
	buf_add_u32le(out, reply->width);
	buf_add_u32le(out, reply->height);
	buf_add_u32le(out, reply->source_width);
	buf_add_u32le(out, reply->source_height);
	buf_add_u32le(out, reply->animated);
	buf_add_u32le(out, type_number(reply->mime));
	buf_add_u32le(out, reply->len);
}

static bool is_within(const struct image_reply *reply, const struct image_bounds *bounds)
{
	if (reply->errnum != 0) {
		return reply->len <= IMAGE_TEXT_MAX;
	}
	return reply->mime != NULL && reply->len > 0 && reply->len <= bounds->bytes &&
	       reply->width > 0 && reply->width <= bounds->side && reply->height > 0 &&
	       reply->height <= bounds->side && reply->source_width >= reply->width &&
	       reply->source_height >= reply->height;
}

int image_reply_get(const uint8_t *data, const struct image_bounds *bounds, struct image_reply *ret,
	struct error *err)
{
	uint32_t magic = get_u32(&data), type;
	struct image_reply reply = {0};

	reply.errnum = get_u32(&data);
	reply.width = get_u32(&data);
	reply.height = get_u32(&data);
	reply.source_width = get_u32(&data);
	reply.source_height = get_u32(&data);
	reply.animated = get_u32(&data) != 0;
	type = get_u32(&data);
	reply.len = get_u32(&data);
	if (reply.errnum == 0 && type < ARRAY_SIZE(types)) {
		reply.mime = types[type];
	}
	if (magic != MAGIC || !is_within(&reply, bounds)) {
		return error_plain(err, EPROTO, "creel-image gave no answer that can be used");
	}
	*ret = reply;
	return 0;
}
