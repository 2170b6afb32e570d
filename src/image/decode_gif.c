/* SPDX-License-Identifier: MIT */
/* The first frame of a GIF by giflib, on its canvas. */
#include <errno.h>
#include <gif_lib.h>
#include <string.h>

#include "base/own.h"
#include "image/pixels.h"

struct source {
	const uint8_t *data;
	size_t len;
};

static int read_source(GifFileType *gif, GifByteType *ret, int want)
{
	struct source *source = gif->UserData;
	size_t n = want > 0 && (size_t)want < source->len ? (size_t)want : source->len;

	(void)memcpy(ret, source->data, n);
	source->data += n;
	source->len -= n;
	return (int)n;
}

static int damaged(const GifFileType *gif, struct error *err)
{
	const char *why = GifErrorString(gif->Error);

	return error_plain(err, EBADMSG, "the GIF image cannot be decoded: %s",
		why != NULL ? why : "it is damaged");
}

/* Over an extension; the transparent colour is in a graphic control. */
static int pass_extension(GifFileType *gif, int *ret_transparent)
{
	GifByteType *block = NULL;
	int code = 0, r = DGifGetExtension(gif, &code, &block);

	while (r == GIF_OK && block != NULL) {
		GraphicsControlBlock control;

		if (code == GRAPHICS_EXT_FUNC_CODE &&
			DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK) {
			*ret_transparent = control.TransparentColor;
		}
		r = DGifGetExtensionNext(gif, &block);
	}
	return r;
}

/* To the next frame. 1: there is one. 0: the file ends. */
static int next_frame(GifFileType *gif, int *ret_transparent, struct error *err)
{
	GifRecordType type = UNDEFINED_RECORD_TYPE;

	*ret_transparent = NO_TRANSPARENT_COLOR;
	while (DGifGetRecordType(gif, &type) == GIF_OK) {
		if (type == IMAGE_DESC_RECORD_TYPE) {
			return 1;
		}
		if (type == TERMINATE_RECORD_TYPE) {
			return 0;
		}
		if (pass_extension(gif, ret_transparent) != GIF_OK) {
			break;
		}
	}
	return damaged(gif, err);
}

struct frame {
	const ColorMapObject *colours;
	int transparent;
	struct pixels *canvas;
	uint32_t left;
};

static void put_row(const struct frame *frame, const GifByteType *row, uint32_t width, uint32_t y)
{
	for (uint32_t x = 0; x < width && frame->left + x < frame->canvas->width; x++) {
		uint8_t *p = frame->canvas->rgba +
			     ((size_t)y * frame->canvas->width + frame->left + x) * 4;
		const GifColorType *colour;

		if (row[x] == frame->transparent || row[x] >= frame->colours->ColorCount) {
			continue;
		}
		colour = &frame->colours->Colors[row[x]];
		p[0] = colour->Red;
		p[1] = colour->Green;
		p[2] = colour->Blue;
		p[3] = 255;
	}
}

/* Rows come in four passes when they are interlaced. */
static int read_rows(GifFileType *gif, const struct frame *frame, struct error *err)
{
	static const uint32_t starts[] = {0, 4, 2, 1}, steps[] = {8, 8, 4, 2};
	uint32_t width = (uint32_t)gif->Image.Width, height = (uint32_t)gif->Image.Height;
	_cleanup_free_ GifByteType *row = calloc(1, width);
	size_t passes = gif->Image.Interlace ? 4 : 1;

	if (row == NULL) {
		return error_plain(err, ENOMEM, "no memory for a row of %u pixels", width);
	}
	for (size_t pass = 0; pass < passes; pass++) {
		uint32_t step = gif->Image.Interlace ? steps[pass] : 1;

		for (uint32_t y = starts[pass]; y < height; y += step) {
			uint32_t at = (uint32_t)gif->Image.Top + y;

			if (DGifGetLine(gif, row, gif->Image.Width) != GIF_OK) {
				return damaged(gif, err);
			}
			if (at < frame->canvas->height) {
				put_row(frame, row, width, at);
			}
		}
	}
	return 0;
}

static int decode_first(GifFileType *gif, struct decoded *ret, struct error *err)
{
	struct frame frame = {.canvas = &ret->pixels};
	struct error ignored;
	int unused, r = next_frame(gif, &frame.transparent, err);

	if (r <= 0) {
		return r < 0 ? r : error_plain(err, EBADMSG, "the GIF image has no frame");
	}
	if (DGifGetImageDesc(gif) != GIF_OK) {
		return damaged(gif, err);
	}
	frame.colours = gif->Image.ColorMap != NULL ? gif->Image.ColorMap : gif->SColorMap;
	if (frame.colours == NULL || gif->Image.Width <= 0 || gif->Image.Height <= 0) {
		return error_plain(err, EBADMSG, "the GIF image has no pixels or no colours");
	}
	ret->width = (uint32_t)(gif->SWidth > 0 ? gif->SWidth : gif->Image.Width);
	ret->height = (uint32_t)(gif->SHeight > 0 ? gif->SHeight : gif->Image.Height);
	frame.left = (uint32_t)gif->Image.Left;
	r = pixels_alloc(ret->width, ret->height, &ret->pixels, err);
	r = r < 0 ? r : read_rows(gif, &frame, err);
	if (r == 0) {
		ret->animated = next_frame(gif, &unused, &ignored) > 0;
	}
	return r;
}

int decode_gif(
	const uint8_t *data, size_t len, uint32_t side, struct decoded *ret, struct error *err)
{
	struct source source = {data, len};
	int code = 0, r;
	GifFileType *gif = DGifOpen(&source, read_source, &code);

	(void)side;
	if (gif == NULL) {
		return error_plain(err, EBADMSG, "the GIF image cannot be decoded: bad header");
	}
	r = decode_first(gif, ret, err);
	(void)DGifCloseFile(gif, &code);
	return r;
}
