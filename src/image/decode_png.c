/* SPDX-License-Identifier: MIT */
/* PNG by libpng's simplified interface: all depths and palettes come as sRGB with alpha. */
#include <errno.h>
#include <png.h>
#include <string.h>

#include "image/pixels.h"

int decode_png(
	const uint8_t *data, size_t len, uint32_t side, struct decoded *ret, struct error *err)
{
	png_image image = {.version = PNG_IMAGE_VERSION};
	int r;

	(void)side;
	if (png_image_begin_read_from_memory(&image, data, len) == 0) {
		return error_plain(
			err, EBADMSG, "the PNG image cannot be decoded: %s", image.message);
	}
	image.format = PNG_FORMAT_RGBA;
	ret->width = image.width;
	ret->height = image.height;
	r = pixels_alloc(image.width, image.height, &ret->pixels, err);
	if (r == 0 && png_image_finish_read(&image, NULL, ret->pixels.rgba, 0, NULL) == 0) {
		r = error_plain(err, EBADMSG, "the PNG image cannot be decoded: %s", image.message);
	}
	png_image_free(&image);
	return r;
}
