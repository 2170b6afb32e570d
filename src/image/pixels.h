/* SPDX-License-Identifier: MIT */
/* Pixels in memory, and what is done with them between a decoder and an encoder. */
#ifndef IMAGE_PIXELS_H
#define IMAGE_PIXELS_H

#include "image/shrink.h"

/* Rows from top to bottom without padding, 4 bytes a pixel: red, green, blue, alpha, not
 * premultiplied. */
struct pixels {
	uint32_t width, height; /* each at least 1, together at most LIMIT_IMAGE_PIXELS */
	uint8_t *rgba; /* owned */
};
void pixels_finish(struct pixels *pixels);
#define _cleanup_pixels_ _cleanup_(pixels_finish)

/* Zeroed, which is transparent. -EFBIG over the limit, -EBADMSG without a pixel, -ENOMEM. */
int pixels_alloc(uint32_t width, uint32_t height, struct pixels *ret, struct error *err);

/* The size that fits into a square, with the same shape; never 0, never larger than the source. */
void pixels_fit(uint32_t side, uint32_t *width, uint32_t *height);

/* The mean of what each new pixel covers, weighted by alpha. Neither side may grow. */
int pixels_scale(const struct pixels *from, uint32_t width, uint32_t height, struct pixels *ret,
	struct error *err);

/* EXIF orientation 1 to 8, applied in place; another value does nothing. */
int pixels_orient(struct pixels *pixels, unsigned orientation, struct error *err);

bool pixels_are_opaque(const struct pixels *pixels);

/* A decoder's result. */
struct decoded {
	struct pixels pixels; /* owned; may be scaled already, to no less than what was asked for */
	uint32_t width, height; /* of the file */
	bool animated;
};

/* side: what the result will be scaled to at most, so that a decoder may scale on its way. */
typedef int (*decode_fn)(
	const uint8_t *data, size_t len, uint32_t side, struct decoded *ret, struct error *err);
int decode_jpeg(
	const uint8_t *data, size_t len, uint32_t side, struct decoded *ret, struct error *err);
int decode_png(
	const uint8_t *data, size_t len, uint32_t side, struct decoded *ret, struct error *err);
int decode_gif(
	const uint8_t *data, size_t len, uint32_t side, struct decoded *ret, struct error *err);
int decode_webp(
	const uint8_t *data, size_t len, uint32_t side, struct decoded *ret, struct error *err);

/* quality from 1 to 100; PNG has none. -EOVERFLOW: it would be over max bytes. */
typedef int (*encode_fn)(
	const struct pixels *pixels, int quality, size_t max, struct buf *ret, struct error *err);
int encode_jpeg(
	const struct pixels *pixels, int quality, size_t max, struct buf *ret, struct error *err);
int encode_png(
	const struct pixels *pixels, int quality, size_t max, struct buf *ret, struct error *err);
int encode_webp(
	const struct pixels *pixels, int quality, size_t max, struct buf *ret, struct error *err);

#endif
