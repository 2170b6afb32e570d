/* SPDX-License-Identifier: MIT */
/* Where each format keeps its EXIF block, and the one tag of it that matters here. */
#include "image/exif.h"

#include <string.h>

enum { UPRIGHT = 1, ORIENTATION_LAST = 8, TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3 };

/* A part of the file; every access is checked against its end. */
struct block {
	const uint8_t *data;
	size_t len;
	int big_endian;
};

/* 0 behind the end, which is no value that is looked for. */
static uint32_t get(const struct block *block, size_t at, unsigned bytes)
{
	uint32_t value = 0;

	if (at > block->len || block->len - at < bytes) {
		return 0;
	}
	for (unsigned i = 0; i < bytes; i++) {
		unsigned from = block->big_endian ? i : bytes - 1 - i;

		value = value << 8 | block->data[at + from];
	}
	return value;
}

static unsigned tiff_orientation(struct block tiff)
{
	size_t at;
	uint32_t count;

	if (tiff.len < 8) {
		return UPRIGHT;
	}
	tiff.big_endian = tiff.data[0] == 'M';
	at = get(&tiff, 4, 4);
	count = get(&tiff, at, 2);
	for (uint32_t i = 0; i < count && at < tiff.len; i++) {
		size_t entry = at + 2 + (size_t)i * 12;
		uint32_t value = get(&tiff, entry + 8, 2);

		if (get(&tiff, entry, 2) == TAG_ORIENTATION) {
			return get(&tiff, entry + 2, 2) == TYPE_SHORT && value >= UPRIGHT &&
					       value <= ORIENTATION_LAST
				       ? value
				       : UPRIGHT;
		}
	}
	return UPRIGHT;
}

/* APP1 segments that begin with "Exif\0\0", before the first scan. */
static unsigned jpeg_orientation(struct block file)
{
	size_t at = 2;

	file.big_endian = 1;
	while (at + 4 <= file.len && file.data[at] == 0xff && file.data[at + 1] != 0xda) {
		size_t len = get(&file, at + 2, 2);

		if (file.data[at + 1] == 0xe1 && len >= 8 && len <= file.len - at - 2 &&
			memcmp(file.data + at + 4, "Exif\0\0", 6) == 0) {
			return tiff_orientation((struct block){file.data + at + 10, len - 8, 0});
		}
		at += 2 + len;
	}
	return UPRIGHT;
}

/* A list of chunks: name, length, data; which of them is EXIF, and how the list is laid out. */
struct chunk_list {
	const char *exif;
	size_t first, name_at, length_at, head, trailer;
	int big_endian, even;
};
static const struct chunk_list png_chunks = {"eXIf", 8, 4, 0, 8, 4, 1, 0};
static const struct chunk_list webp_chunks = {"EXIF", 12, 0, 4, 8, 0, 0, 1};

static unsigned chunk_orientation(struct block file, const struct chunk_list *list)
{
	size_t at = list->first;

	file.big_endian = list->big_endian;
	while (at + list->head <= file.len) {
		size_t len = get(&file, at + list->length_at, 4);
		size_t room = file.len - at - list->head;

		if (len > room) {
			break;
		}
		if (memcmp(file.data + at + list->name_at, list->exif, 4) == 0) {
			struct block exif = {file.data + at + list->head, len, 0};

			/* Some writers of WebP leave JPEG's prefix on. */
			if (len > 6 && memcmp(exif.data, "Exif\0\0", 6) == 0) {
				exif.data += 6;
				exif.len -= 6;
			}
			return tiff_orientation(exif);
		}
		at += list->head + len + list->trailer + (list->even ? len & 1 : 0);
	}
	return UPRIGHT;
}

unsigned exif_orientation(const uint8_t *data, size_t len, const char *mime)
{
	struct block file = {data, len, 0};

	if (strcmp(mime, "image/jpeg") == 0) {
		return jpeg_orientation(file);
	}
	if (strcmp(mime, "image/png") == 0) {
		return chunk_orientation(file, &png_chunks);
	}
	if (strcmp(mime, "image/webp") == 0) {
		return chunk_orientation(file, &webp_chunks);
	}
	return UPRIGHT;
}
