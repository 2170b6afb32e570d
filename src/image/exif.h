/* SPDX-License-Identifier: MIT */
/* How a picture was held: the orientation tag of EXIF (CIPA DC-008, tag 0x0112 of TIFF 6.0). */
#ifndef IMAGE_EXIF_H
#define IMAGE_EXIF_H

#include <stddef.h>
#include <stdint.h>

/* 1 to 8; 1 when the file, of the given MIME type, says nothing or nonsense. */
unsigned exif_orientation(const uint8_t *data, size_t len, const char *mime);

#endif
