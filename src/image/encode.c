/* SPDX-License-Identifier: MIT */
/* Pixels to files. */
#include <errno.h>
#include <png.h>
#include <stdlib.h>
#include <turbojpeg.h>
#include <webp/encode.h>

#include "base/own.h"
#include "image/pixels.h"

static int keep(const void *data, size_t len, size_t max, struct buf *ret, struct error *err)
{
	if (len > max) {
		return error_plain(err, EOVERFLOW, "the image would have %zu bytes", len);
	}
	buf_clear(ret);
	buf_add(ret, data, len);
	return 0;
}

int encode_jpeg(
	const struct pixels *pixels, int quality, size_t max, struct buf *ret, struct error *err)
{
	tjhandle handle = tjInitCompress();
	unsigned char *data = NULL;
	unsigned long len = 0;
	int r;

	if (handle == NULL) {
		return error_plain(err, ENOMEM, "no memory for a JPEG encoder");
	}
	r = tjCompress2(handle, pixels->rgba, (int)pixels->width, 0, (int)pixels->height, TJPF_RGBX,
		&data, &len, TJSAMP_420, quality, 0);
	if (r < 0) {
		r = error_plain(err, EIO, "the JPEG image cannot be encoded: %.200s",
			tjGetErrorStr2(handle));
	} else {
		r = keep(data, len, max, ret, err);
	}
	tjFree(data);
	(void)tjDestroy(handle);
	return r;
}

/* Three bytes a pixel, without alpha. */
static uint8_t *without_alpha(const struct pixels *pixels)
{
	size_t count = (size_t)pixels->width * pixels->height;
	uint8_t *rgb = malloc(count * 3);

	for (size_t i = 0; rgb != NULL && i < count; i++) {
		rgb[i * 3] = pixels->rgba[i * 4];
		rgb[i * 3 + 1] = pixels->rgba[i * 4 + 1];
		rgb[i * 3 + 2] = pixels->rgba[i * 4 + 2];
	}
	return rgb;
}

int encode_png(
	const struct pixels *pixels, int quality, size_t max, struct buf *ret, struct error *err)
{
	bool opaque = pixels_are_opaque(pixels);
	_cleanup_free_ uint8_t *rgb = opaque ? without_alpha(pixels) : NULL;
	_cleanup_free_ uint8_t *data = NULL;
	png_image image = {.version = PNG_IMAGE_VERSION};
	png_alloc_size_t len;

	(void)quality;
	image.width = pixels->width;
	image.height = pixels->height;
	image.format = opaque ? PNG_FORMAT_RGB : PNG_FORMAT_RGBA;
	len = PNG_IMAGE_PNG_SIZE_MAX(image);
	data = malloc(len);
	if (data == NULL || (opaque && rgb == NULL)) {
		return error_plain(err, ENOMEM, "no memory for a PNG image");
	}
	if (png_image_write_to_memory(
		    &image, data, &len, 0, opaque ? rgb : pixels->rgba, 0, NULL) == 0) {
		return error_plain(err, EIO, "the PNG image cannot be encoded: %s", image.message);
	}
	return keep(data, len, max, ret, err);
}

int encode_webp(
	const struct pixels *pixels, int quality, size_t max, struct buf *ret, struct error *err)
{
	uint8_t *data = NULL;
	size_t len = WebPEncodeRGBA(pixels->rgba, (int)pixels->width, (int)pixels->height,
		(int)(pixels->width * 4), (float)quality, &data);
	int r = len > 0 ? keep(data, len, max, ret, err)
			: error_plain(err, EIO, "the WebP image cannot be encoded");

	WebPFree(data);
	return r;
}
