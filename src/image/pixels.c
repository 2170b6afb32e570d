/* SPDX-License-Identifier: MIT */
/* Scaling and turning. */
#include "image/pixels.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/own.h"

enum { CHANNELS = 4, ALPHA = 3, OPAQUE = 255 };

void pixels_finish(struct pixels *pixels)
{
	free(pixels->rgba);
	*pixels = (struct pixels){0};
}

int pixels_alloc(uint32_t width, uint32_t height, struct pixels *ret, struct error *err)
{
	uint64_t count = (uint64_t)width * height;
	uint8_t *rgba;

	if (count == 0) {
		return error_plain(err, EBADMSG, "the image has no pixels");
	}
	if (count > LIMIT_IMAGE_PIXELS) {
		return error_plain(err, EFBIG,
			"the image has %ux%u pixels, and %d million can be decoded", width, height,
			LIMIT_IMAGE_PIXELS / (1024 * 1024));
	}
	rgba = calloc(count, CHANNELS);
	if (rgba == NULL) {
		return error_plain(err, ENOMEM, "no memory for %ux%u pixels", width, height);
	}
	*ret = (struct pixels){.width = width, .height = height, .rgba = rgba};
	return 0;
}

void pixels_fit(uint32_t side, uint32_t *width, uint32_t *height)
{
	uint32_t longer = *width > *height ? *width : *height;
	uint32_t *sides[] = {width, height};

	if (longer <= side) {
		return;
	}
	for (size_t i = 0; i < 2; i++) {
		uint64_t fitted = ((uint64_t)*sides[i] * side + longer / 2) / longer;

		*sides[i] = fitted > 0 ? (uint32_t)fitted : 1;
	}
}

/*
 * A row of sums. A source pixel is as many units wide as the result has pixels, a pixel of the result
 * as many as the source has: so every overlap is a whole number. The largest sum is the source's
 * pixels times 255 * 255, below 2^44.
 */
static void add_row(uint64_t *sums, const uint8_t *row, uint32_t from, uint32_t to, uint64_t weight)
{
	uint32_t left = from;

	for (uint32_t x = 0; x < from; x++, row += CHANNELS) {
		for (uint32_t units = to; units > 0;) {
			uint32_t part = units < left ? units : left;
			uint64_t alpha = weight * part * row[ALPHA];

			for (int c = 0; c < ALPHA; c++) {
				sums[c] += alpha * row[c];
			}
			sums[ALPHA] += alpha;
			units -= part;
			left -= part;
			if (left == 0) {
				left = from;
				sums += CHANNELS;
			}
		}
	}
}

static void put_row(uint8_t *row, const uint64_t *sums, uint32_t width, uint64_t area)
{
	for (uint32_t x = 0; x < width; x++, row += CHANNELS, sums += CHANNELS) {
		uint64_t alpha = sums[ALPHA];

		for (int c = 0; c < ALPHA && alpha > 0; c++) {
			row[c] = (uint8_t)((sums[c] + alpha / 2) / alpha);
		}
		row[ALPHA] = (uint8_t)((alpha + area / 2) / area);
	}
}

static void scale_rows(const struct pixels *from, const struct pixels *to, uint64_t *sums)
{
	size_t sums_size = (size_t)to->width * CHANNELS * sizeof(*sums);
	uint32_t left = from->height, y_to = 0;

	for (uint32_t y = 0; y < from->height; y++) {
		const uint8_t *row = from->rgba + (size_t)y * from->width * CHANNELS;

		for (uint32_t units = to->height; units > 0;) {
			uint32_t part = units < left ? units : left;

			add_row(sums, row, from->width, to->width, part);
			units -= part;
			left -= part;
			if (left > 0) {
				continue;
			}
			put_row(to->rgba + (size_t)y_to * to->width * CHANNELS, sums, to->width,
				(uint64_t)from->width * from->height);
			(void)memset(sums, 0, sums_size);
			left = from->height;
			y_to++;
		}
	}
}

int pixels_scale(const struct pixels *from, uint32_t width, uint32_t height, struct pixels *ret,
	struct error *err)
{
	_cleanup_free_ uint64_t *sums = calloc((size_t)width * CHANNELS, sizeof(*sums));
	struct pixels to = {0};
	int r = pixels_alloc(width, height, &to, err);

	if (r == 0 && sums == NULL) {
		pixels_finish(&to);
		r = error_plain(err, ENOMEM, "no memory for a row of %u pixels", width);
	}
	if (r == 0) {
		scale_rows(from, &to, sums);
		*ret = to;
	}
	return r;
}

/* Where the pixel of the upright picture is in the one that was stored: TIFF 6.0, Orientation. */
static size_t stored_index(
	const struct pixels *stored, unsigned orientation, uint32_t x, uint32_t y)
{
	uint32_t right = stored->width - 1, bottom = stored->height - 1;
	uint32_t sx = orientation >= 5 ? y : x;
	uint32_t sy = orientation >= 5 ? x : y;

	/* 2 mirrored, 3 turned by 180, 4 flipped, 5 transposed, 6 turned right, 7 transverse, 8 left */
	if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8) {
		sx = right - sx;
	}
	if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7) {
		sy = bottom - sy;
	}
	return ((size_t)sy * stored->width + sx) * CHANNELS;
}

int pixels_orient(struct pixels *pixels, unsigned orientation, struct error *err)
{
	struct pixels turned = {0};
	uint8_t *at;
	bool swaps = orientation >= 5;
	int r;

	if (orientation < 2 || orientation > 8) {
		return 0;
	}
	r = pixels_alloc(swaps ? pixels->height : pixels->width,
		swaps ? pixels->width : pixels->height, &turned, err);
	if (r < 0) {
		return r;
	}
	at = turned.rgba;
	for (uint32_t y = 0; y < turned.height; y++) {
		for (uint32_t x = 0; x < turned.width; x++, at += CHANNELS) {
			(void)memcpy(at, pixels->rgba + stored_index(pixels, orientation, x, y),
				CHANNELS);
		}
	}
	pixels_finish(pixels);
	*pixels = turned;
	return 0;
}

bool pixels_are_opaque(const struct pixels *pixels)
{
	size_t count = (size_t)pixels->width * pixels->height;

	for (size_t i = 0; i < count; i++) {
		if (pixels->rgba[i * CHANNELS + ALPHA] != OPAQUE) {
			return false;
		}
	}
	return true;
}
