/* SPDX-License-Identifier: MIT */
/* Image signatures and dimensions: PNG (ISO 15948), JPEG (T.81 B.1), GIF89a, WebP (RFC 9649). */
#include "base/image_type.h"

#include <stdbool.h>
#include <string.h>

static bool has(const uint8_t *data, size_t len, size_t at, const char *text)
{
	size_t n = strlen(text);

	return at + n <= len && memcmp(data + at, text, n) == 0;
}

const char *image_type_mime(const uint8_t *data, size_t len)
{
	if (has(data, len, 0, "\x89PNG\r\n\x1a\n")) {
		return "image/png";
	}
	if (has(data, len, 0, "\xff\xd8\xff")) {
		return "image/jpeg";
	}
	if (has(data, len, 0, "GIF87a") || has(data, len, 0, "GIF89a")) {
		return "image/gif";
	}
	if (has(data, len, 0, "RIFF") && has(data, len, 8, "WEBP")) {
		return "image/webp";
	}
	return NULL;
}

static uint32_t be16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t le16(const uint8_t *p)
{
	return (uint32_t)p[1] << 8 | p[0];
}

static uint32_t le24(const uint8_t *p)
{
	return (uint32_t)p[2] << 16 | le16(p);
}

/* The frame header: any SOF marker, C0..CF but DHT (C4), JPG (C8) and DAC (CC). */
static void jpeg_size(const uint8_t *p, size_t len, uint32_t *ret_width, uint32_t *ret_height)
{
	size_t at = 2;

	while (at + 9 <= len && p[at] == 0xff) {
		uint8_t marker = p[at + 1];

		if (marker == 0xff) {
			at++; /* fill byte */
		} else if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
			at += 2; /* without a length */
		} else if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 &&
			   marker != 0xcc) {
			*ret_height = be16(p + at + 5);
			*ret_width = be16(p + at + 7);
			return;
		} else {
			at += 2 + be16(p + at + 2);
		}
	}
}

static void webp_size(const uint8_t *p, size_t len, uint32_t *ret_width, uint32_t *ret_height)
{
	if (len < 30) {
		return;
	}
	if (has(p, len, 12, "VP8X")) {
		*ret_width = le24(p + 24) + 1;
		*ret_height = le24(p + 27) + 1;
	} else if (has(p, len, 12, "VP8 ") && has(p, len, 23, "\x9d\x01\x2a")) {
		*ret_width = le16(p + 26) & 0x3fff;
		*ret_height = le16(p + 28) & 0x3fff;
	} else if (has(p, len, 12, "VP8L") && p[20] == 0x2f) {
		uint32_t bits = le16(p + 21) | le16(p + 23) << 16;

		*ret_width = (bits & 0x3fff) + 1;
		*ret_height = (bits >> 14 & 0x3fff) + 1;
	}
}

void image_type_size(const uint8_t *data, size_t len, uint32_t *ret_width, uint32_t *ret_height)
{
	const char *mime = image_type_mime(data, len);

	*ret_width = *ret_height = 0;
	if (mime == NULL) {
		return;
	}
	switch (mime[6]) {
	case 'p':
		if (has(data, len, 12, "IHDR") && len >= 24) {
			*ret_width = be16(data + 16) << 16 | be16(data + 18);
			*ret_height = be16(data + 20) << 16 | be16(data + 22);
		}
		break;
	case 'g':
		if (len >= 10) {
			*ret_width = le16(data + 6);
			*ret_height = le16(data + 8);
		}
		break;
	case 'j':
		jpeg_size(data, len, ret_width, ret_height);
		break;
	default:
		webp_size(data, len, ret_width, ret_height);
		break;
	}
}
