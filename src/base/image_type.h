/* SPDX-License-Identifier: MIT */
/* Which image is it, by its first bytes, and how large. */
#ifndef BASE_IMAGE_TYPE_H
#define BASE_IMAGE_TYPE_H

#include <stddef.h>
#include <stdint.h>

/* The MIME type of a PNG, JPEG, GIF or WebP file by its start (16 bytes are enough), or NULL. */
const char *image_type_mime(const uint8_t *data, size_t len);

/* Width and height from as much of the file as is given; both 0 when they cannot be told. */
void image_type_size(const uint8_t *data, size_t len, uint32_t *ret_width, uint32_t *ret_height);

#endif
