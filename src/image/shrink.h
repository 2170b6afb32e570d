/* SPDX-License-Identifier: MIT */
/*
 * An image made small enough: decoded by the libraries that Debian keeps (libjpeg-turbo, libpng,
 * libwebp, giflib), scaled, encoded again. It runs in creel-image alone, see image/worker.c: these
 * libraries have had memory errors before, and the files come from anybody.
 *
 * Pixels are kept upright: EXIF orientation is applied, since what is written has no EXIF. Other
 * metadata goes, colour profiles of JPEG and WebP too. Of an animation the first frame is taken.
 */
#ifndef IMAGE_SHRINK_H
#define IMAGE_SHRINK_H

#include "image/message.h"

/*
 * JPEG stays JPEG and WebP stays WebP, with less quality until it fits; GIF becomes PNG; a PNG that
 * does not fit becomes JPEG, or WebP when parts of it are transparent. Sides never grow.
 * -EBADMSG: not an image, or a damaged one; -EFBIG: more pixels than base/limits.h allows; -ENOMEM.
 */
int image_shrink(const void *data, size_t len, const struct image_bounds *bounds,
	struct image_shrunk *ret, struct error *err);

#endif
