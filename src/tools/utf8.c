/* SPDX-License-Identifier: MIT */
/* UTF-8: decode, clean, count, cut. */
#include "tools/utf8.h"

#include <stdint.h>
#include <string.h>

#include "base/macro.h"

enum { BAD = -1, CUT = -2 };

/* Bytes of the sequence that starts here, from its first byte; 0: no first byte. */
static size_t sequence_len(uint8_t first)
{
	if (first < 0x80) {
		return 1;
	}
	if (first >= 0xc2 && first <= 0xdf) {
		return 2;
	}
	if (first >= 0xe0 && first <= 0xef) {
		return 3;
	}
	return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* One code point (RFC 3629), its length in *ret_len. BAD: *ret_len bytes are to be replaced. CUT:
 * the data ends inside a sequence that is right so far. Surrogates decode, so that they can be
 * dropped as one. */
static int32_t decode(const uint8_t *data, size_t len, size_t *ret_len)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t need = sequence_len(data[0]);
	uint32_t point;

	*ret_len = 1;
	if (need <= 1) {
		return need == 1 ? (int32_t)data[0] : BAD;
	}
	point = data[0] & (0xffU >> (need + 1));
	for (size_t i = 1; i < need; i++) {
		if (i >= len) {
			*ret_len = len;
			return CUT;
		}
		if ((data[i] & 0xc0) != 0x80) {
			*ret_len = i;
			return BAD;
		}
		point = point << 6 | (data[i] & 0x3fU);
	}
	*ret_len = need;
	if (point < least[need] || point > 0x10ffff) {
		return BAD;
	}
	return (int32_t)point;
}

/* General category Cf of Unicode 15, and Cs. */
static const struct {
	int32_t first, last;
} hidden[] = {
	{0x00ad, 0x00ad},
	{0x0600, 0x0605},
	{0x061c, 0x061c},
	{0x06dd, 0x06dd},
	{0x070f, 0x070f},
	{0x0890, 0x0891},
	{0x08e2, 0x08e2},
	{0x180e, 0x180e},
	{0x200b, 0x200f},
	{0x202a, 0x202e},
	{0x2060, 0x2064},
	{0x2066, 0x206f},
	{0xd800, 0xdfff},
	{0xfeff, 0xfeff},
	{0xfff9, 0xfffb},
	{0x110bd, 0x110bd},
	{0x110cd, 0x110cd},
	{0x13430, 0x1343f},
	{0x1bca0, 0x1bca3},
	{0x1d173, 0x1d17a},
	{0xe0001, 0xe0001},
	{0xe0020, 0xe007f},
};

static bool is_hidden(int32_t point)
{
	if (point < 0xa0) {
		return (point < 0x20 && point != '\t' && point != '\n' && point != '\r') ||
		       point >= 0x7f;
	}
	for (size_t i = 0; i < ARRAY_SIZE(hidden) && point >= hidden[i].first; i++) {
		if (point <= hidden[i].last) {
			return true;
		}
	}
	return false;
}

/* How many bytes from the start need no look: printable ASCII and line ends. */
static size_t plain_run(const uint8_t *data, size_t len)
{
	size_t i = 0;

	while (i < len && ((data[i] >= 0x20 && data[i] < 0x7f) || data[i] == '\n' ||
				  data[i] == '\t' || data[i] == '\r')) {
		i++;
	}
	return i;
}

void utf8_clean(struct buf *out, const char *data, size_t len)
{
	const uint8_t *bytes = (const uint8_t *)data;
	size_t pos = 0;

	while (pos < len && pos < 3 && (bytes[pos] & 0xc0) == 0x80) {
		pos++;
	}
	while (pos < len) {
		size_t used = plain_run(bytes + pos, len - pos);
		int32_t point;

		if (used > 0) {
			buf_add(out, data + pos, used);
			pos += used;
			continue;
		}
		point = decode(bytes + pos, len - pos, &used);
		if (point == CUT) {
			return;
		}
		if (point == BAD) {
			buf_add_str(out, "\xef\xbf\xbd");
		} else if (!is_hidden(point)) {
			buf_add(out, data + pos, used);
		}
		pos += used;
	}
}

size_t utf8_count(const char *text, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i++) {
		count += ((uint8_t)text[i] & 0xc0) != 0x80;
	}
	return count;
}

size_t utf8_tail_offset(const char *text, size_t len, size_t max)
{
	size_t count = 0;

	for (size_t i = len; i > 0; i--) {
		if (((uint8_t)text[i - 1] & 0xc0) == 0x80) {
			continue;
		}
		if (++count == max) {
			return i - 1;
		}
	}
	return max == 0 ? len : 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

const char *utf8_trim(const char *text, size_t len, size_t *ret_len)
{
	while (len > 0 && is_blank(text[len - 1])) {
		len--;
	}
	while (len > 0 && is_blank(*text)) {
		text++;
		len--;
	}
	*ret_len = len;
	return text;
}

bool utf8_is_valid(const char *text, size_t len)
{
	const uint8_t *bytes = (const uint8_t *)text;
	size_t pos = 0;

	while (pos < len) {
		size_t used;
		int32_t point = decode(bytes + pos, len - pos, &used);

		if (point < 0 || (point >= 0xd800 && point <= 0xdfff)) {
			return false;
		}
		pos += used;
	}
	return true;
}

size_t utf8_count_lines(const char *text, size_t len)
{
	const char *end = text + len;
	size_t lines = 0;

	if (len == 0) {
		return 0;
	}
	for (const char *p = text; p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL;
		p++) {
		lines++;
	}
	return lines + (text[len - 1] != '\n');
}
