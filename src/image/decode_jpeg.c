/* SPDX-License-Identifier: MIT */
/* JPEG by TurboJPEG, which scales by eighths while it decodes. */
#include <errno.h>
#include <limits.h>
#include <turbojpeg.h>

#include "base/limits.h"
#include "image/pixels.h"

static void close_turbo(const tjhandle *handle)
{
	if (*handle != NULL) {
		(void)tjDestroy(*handle);
	}
}

static int damaged(tjhandle handle, struct error *err)
{
	return error_plain(
		err, EBADMSG, "the JPEG image cannot be decoded: %.200s", tjGetErrorStr2(handle));
}

/* The smallest of the library's scales that leaves at least the size that is wanted. */
static void choose_scale(uint32_t side, int *width, int *height)
{
	uint32_t want_width = (uint32_t)*width, want_height = (uint32_t)*height;
	int count = 0, best_width = *width, best_height = *height;
	const tjscalingfactor *factors = tjGetScalingFactors(&count);

	pixels_fit(side, &want_width, &want_height);
	for (int i = 0; factors != NULL && i < count; i++) {
		int w = TJSCALED(*width, factors[i]), h = TJSCALED(*height, factors[i]);

		if (w >= (int)want_width && h >= (int)want_height && w <= best_width &&
			h <= best_height) {
			best_width = w;
			best_height = h;
		}
	}
	*width = best_width;
	*height = best_height;
}

/* As Adobe writes it: inverted, so that the product is what remains of white. */
static void from_cmyk(const struct pixels *pixels)
{
	size_t count = (size_t)pixels->width * pixels->height;
	uint8_t *p = pixels->rgba;

	for (size_t i = 0; i < count; i++, p += 4) {
		for (int c = 0; c < 3; c++) {
			p[c] = (uint8_t)(p[c] * p[3] / 255);
		}
		p[3] = 255;
	}
}

int decode_jpeg(
	const uint8_t *data, size_t len, uint32_t side, struct decoded *ret, struct error *err)
{
	_cleanup_(close_turbo) tjhandle handle = tjInitDecompress();
	int width = 0, height = 0, sampling, space, r;
	bool cmyk;

	if (handle == NULL) {
		return error_plain(err, ENOMEM, "no memory for a JPEG decoder");
	}
	if (tjDecompressHeader3(handle, data, len, &width, &height, &sampling, &space) < 0) {
		return damaged(handle, err);
	}
	/* A file of tables alone is a success that says nothing. */
	if (width <= 0 || height <= 0) {
		return error_plain(err, EBADMSG, "the JPEG image has no pixels");
	}
	if ((int64_t)width * height > LIMIT_IMAGE_PIXELS_JPEG) {
		return error_plain(err, EFBIG,
			"the image has %dx%d pixels, and %d million can be decoded", width, height,
			LIMIT_IMAGE_PIXELS_JPEG / (1024 * 1024));
	}
	ret->width = (uint32_t)width;
	ret->height = (uint32_t)height;
	choose_scale(side, &width, &height);
	r = pixels_alloc((uint32_t)width, (uint32_t)height, &ret->pixels, err);
	if (r < 0) {
		return r;
	}
	cmyk = space == TJCS_CMYK || space == TJCS_YCCK;
	/* A warning is a file that ends early: what there is of it is shown, as viewers do. */
	if (tjDecompress2(handle, data, len, ret->pixels.rgba, width, 0, height,
		    cmyk ? TJPF_CMYK : TJPF_RGBA, TJFLAG_LIMITSCANS) < 0 &&
		tjGetErrorCode(handle) != TJERR_WARNING) {
		return damaged(handle, err);
	}
	if (cmyk) {
		from_cmyk(&ret->pixels);
	}
	return 0;
}
