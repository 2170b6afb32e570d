/* SPDX-License-Identifier: MIT */
/* Which image is it, by its first bytes, and how large. */
#ifndef INIT_FS_IMAGE_H
#define INIT_FS_IMAGE_H

#include <stddef.h>
#include <stdint.h>

/* The MIME type of a PNG, JPEG, GIF or WebP file by its start (16 bytes are enough), or NULL. */
const char *fs_image_mime(const uint8_t *data, size_t len);

/* Width and height from as much of the file as is given; both 0 when they cannot be told. */
void fs_image_size(const uint8_t *data, size_t len, uint32_t *ret_width, uint32_t *ret_height);

#endif
