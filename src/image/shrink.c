/* SPDX-License-Identifier: MIT */
/* Which decoder, which encoder, how small. */
#include "image/shrink.h"

#include <errno.h>
#include <string.h>

#include "base/image_type.h"
#include "base/macro.h"
#include "image/exif.h"
#include "image/pixels.h"

enum {
	/* Each step of size is three quarters of the one before. */
	SIZE_STEPS = 12,
	SIZE_STEP_NUM = 3,
	SIZE_STEP_DEN = 4,
	QUALITY_NONE = 0,
};

/* 85 is where JPEG's losses begin to be seen side by side; below 35 text is not readable. */
static const int qualities[] = {85, 75, 65, 50, 35};
static const int quality_none[] = {QUALITY_NONE};

struct encoder {
	const char *mime;
	encode_fn encode;
	const int *qualities;
	size_t count;
};
static const struct encoder as_jpeg = {"image/jpeg", encode_jpeg, qualities, ARRAY_SIZE(qualities)};
static const struct encoder as_webp = {"image/webp", encode_webp, qualities, ARRAY_SIZE(qualities)};
static const struct encoder as_png = {"image/png", encode_png, quality_none, 1};

static const struct format {
	const char *mime;
	decode_fn decode;
	const struct encoder *encoder;
} formats[] = {
	{"image/jpeg", decode_jpeg, &as_jpeg},
	{"image/png", decode_png, &as_png},
	{"image/gif", decode_gif, &as_png},
	{"image/webp", decode_webp, &as_webp},
};

static int encode_best(const struct pixels *pixels, const struct encoder *encoder, size_t max,
	struct image_shrunk *ret, struct error *err)
{
	int r = -EOVERFLOW;

	for (size_t i = 0; i < encoder->count && r == -EOVERFLOW; i++) {
		r = encoder->encode(pixels, encoder->qualities[i], max, &ret->data, err);
	}
	if (r == 0) {
		ret->mime = encoder->mime;
		ret->width = pixels->width;
		ret->height = pixels->height;
	}
	return r;
}

/* In the format that it has, else in one with losses. */
static int encode_size(const struct pixels *pixels, const struct encoder *encoder, size_t max,
	struct image_shrunk *ret, struct error *err)
{
	int r = encode_best(pixels, encoder, max, ret, err);

	if (r == -EOVERFLOW && encoder == &as_png) {
		r = encode_best(
			pixels, pixels_are_opaque(pixels) ? &as_jpeg : &as_webp, max, ret, err);
	}
	return r;
}

static int encode_any(const struct pixels *pixels, const struct encoder *encoder,
	const struct image_bounds *bounds, struct image_shrunk *ret, struct error *err)
{
	uint32_t side = bounds->side;
	int r = -EOVERFLOW;

	for (int i = 0; i < SIZE_STEPS && side > 0 && r == -EOVERFLOW; i++) {
		_cleanup_pixels_ struct pixels scaled = {0};
		uint32_t width = pixels->width, height = pixels->height;

		pixels_fit(side, &width, &height);
		r = pixels_scale(pixels, width, height, &scaled, err);
		if (r == 0) {
			r = encode_size(&scaled, encoder, bounds->bytes, ret, err);
		}
		side = (width > height ? width : height) * SIZE_STEP_NUM / SIZE_STEP_DEN;
	}
	return r;
}

static void decoded_finish(struct decoded *decoded)
{
	pixels_finish(&decoded->pixels);
}

static int scale_in_place(struct pixels *pixels, uint32_t side, struct error *err)
{
	_cleanup_pixels_ struct pixels small = {0};
	uint32_t width = pixels->width, height = pixels->height;
	int r;

	pixels_fit(side, &width, &height);
	r = pixels_scale(pixels, width, height, &small, err);
	if (r == 0) {
		pixels_finish(pixels);
		*pixels = small;
		small = (struct pixels){0};
	}
	return r;
}

static const struct format *find_format(const void *data, size_t len)
{
	const char *mime = image_type_mime(data, len);

	for (size_t i = 0; mime != NULL && i < ARRAY_SIZE(formats); i++) {
		if (strcmp(mime, formats[i].mime) == 0) {
			return &formats[i];
		}
	}
	return NULL;
}

int image_shrink(const void *data, size_t len, const struct image_bounds *bounds,
	struct image_shrunk *ret, struct error *err)
{
	_cleanup_(decoded_finish) struct decoded decoded = {0};
	_cleanup_(image_shrunk_finish) struct image_shrunk shrunk = {0};
	const struct format *format = find_format(data, len);
	unsigned orientation;
	int r;

	if (format == NULL) {
		return error_plain(err, EBADMSG, "this is no JPEG, PNG, GIF or WebP image");
	}
	r = format->decode(data, len, bounds->side, &decoded, err);
	/* Small first, then turned: turning jumps through memory. */
	r = r < 0 ? r : scale_in_place(&decoded.pixels, bounds->side, err);
	orientation = exif_orientation(data, len, format->mime);
	r = r < 0 ? r : pixels_orient(&decoded.pixels, orientation, err);
	r = r < 0 ? r : encode_any(&decoded.pixels, format->encoder, bounds, &shrunk, err);
	if (r < 0) {
		return r;
	}
	shrunk.animated = decoded.animated;
	shrunk.source_width = orientation >= 5 ? decoded.height : decoded.width;
	shrunk.source_height = orientation >= 5 ? decoded.width : decoded.height;
	*ret = shrunk;
	shrunk = (struct image_shrunk){0};
	return 0;
}
