/* SPDX-License-Identifier: MIT */
/* Characters, blanks and typography for tolerant matching. */
#include "init/edit_text.h"

#include <string.h>

#include "base/macro.h"

size_t text_next(const char *text, size_t len, uint32_t *ret_point)
{
	const uint8_t *p = (const uint8_t *)text;
	uint8_t low = 0x80, high = 0xbf;
	uint32_t point = p[0];
	size_t need, i;

	if (point < 0x80) {
		*ret_point = point;
		return 1;
	}
	*ret_point = TEXT_INVALID;
	if (point < 0xc2 || point > 0xf4) {
		return 1;
	}
	need = point < 0xe0 ? 2 : point < 0xf0 ? 3 : 4;
	/* The second byte excludes overlong forms, surrogates and what is above U+10FFFF. */
	if (point == 0xe0) {
		low = 0xa0;
	} else if (point == 0xed) {
		high = 0x9f;
	} else if (point == 0xf0) {
		low = 0x90;
	} else if (point == 0xf4) {
		high = 0x8f;
	}
	point &= 0xffU >> (need + 1);
	for (i = 1; i < need; i++) {
		if (i >= len || p[i] < low || p[i] > high) {
			return i;
		}
		point = point << 6 | (p[i] & 0x3fU);
		low = 0x80;
		high = 0xbf;
	}
	*ret_point = point;
	return need;
}

bool text_is_space(uint32_t point)
{
	return point == ' ' || (point >= '\t' && point <= '\r') || point == 0xa0 ||
	       point == 0x1680 || (point >= 0x2000 && point <= 0x200a) || point == 0x2028 ||
	       point == 0x2029 || point == 0x202f || point == 0x205f || point == 0x3000 ||
	       point == 0xfeff;
}

char text_fold(uint32_t point)
{
	if (point >= 0x2018 && point <= 0x201b) {
		return '\'';
	}
	if (point >= 0x201c && point <= 0x201f) {
		return '"';
	}
	if ((point >= 0x2010 && point <= 0x2015) || point == 0x2212) {
		return '-';
	}
	if (point == 0xa0 || (point >= 0x2002 && point <= 0x200a) || point == 0x202f ||
		point == 0x205f || point == 0x3000) {
		return ' ';
	}
	return '\0';
}

struct span text_trim_end(struct span text)
{
	while (text.len > 0) {
		size_t at = text.len - 1;
		uint32_t point;

		while (at > 0 && text.len - at < 4 && ((uint8_t)text.data[at] & 0xc0) == 0x80) {
			at--;
		}
		if (text_next(text.data + at, text.len - at, &point) != text.len - at ||
			!text_is_space(point)) {
			break;
		}
		text.len = at;
	}
	return text;
}

struct span text_trim(struct span text)
{
	while (text.len > 0) {
		uint32_t point;
		size_t n = text_next(text.data, text.len, &point);

		if (!text_is_space(point)) {
			break;
		}
		text.data += n;
		text.len -= n;
	}
	return text_trim_end(text);
}

/* The next character folded; bytes that are not UTF-8 stand for themselves. */
static uint32_t next_folded(struct span *text)
{
	uint32_t point;
	size_t n = text_next(text->data, text->len, &point);
	char fold = text_fold(point);

	if (point == TEXT_INVALID) {
		point = 0x80000000U | (uint8_t)text->data[0];
		n = 1;
	}
	text->data += n;
	text->len -= n;
	return fold != '\0' ? (uint32_t)fold : point;
}

bool text_equal_folded(struct span a, struct span b)
{
	while (a.len > 0 && b.len > 0) {
		if (next_folded(&a) != next_folded(&b)) {
			return false;
		}
	}
	return a.len == b.len;
}

bool text_next_line(struct span *rest, bool strip_cr, struct span *ret_line)
{
	const char *end;

	if (rest->len == 0) {
		return false;
	}
	end = memchr(rest->data, '\n', rest->len);
	*ret_line = (struct span){rest->data, end != NULL ? (size_t)(end - rest->data) : rest->len};
	rest->data += ret_line->len + (end != NULL);
	rest->len -= ret_line->len + (end != NULL);
	if (strip_cr && ret_line->len > 0 && ret_line->data[ret_line->len - 1] == '\r') {
		ret_line->len--;
	}
	return true;
}

bool text_is_crlf(struct span text)
{
	const char *end = text.len > 0 ? memchr(text.data, '\n', text.len) : NULL;

	return end != NULL && end > text.data && end[-1] == '\r';
}

size_t text_count_char(struct span text, char c)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), low = ones * 0x7f;
	size_t count = 0;

	/* Eight bytes at a time: lines are counted in files of a gigabyte. */
	for (; text.len >= 8; text.data += 8, text.len -= 8) {
		uint64_t word;

		memcpy(&word, text.data, 8);
		word ^= ones * (uint8_t)c;
		word = ~(((word & low) + low) | word | low);
		count += (word >> 7) * ones >> 56;
	}
	for (size_t i = 0; i < text.len; i++) {
		count += text.data[i] == c;
	}
	return count;
}

void text_add_quoted(struct buf *out, struct span text)
{
	text = text_trim(text);
	buf_add_char(out, '\'');
	buf_add_escaped(out, text.len > 0 ? text.data : "", text.len, 120);
	buf_add_char(out, '\'');
}

unsigned text_likeness(struct span a, struct span b)
{
	size_t most, least, front = 0, back = 0;

	a = text_trim(a);
	b = text_trim(b);
	most = a.len > b.len ? a.len : b.len;
	least = a.len < b.len ? a.len : b.len;
	if (text_equal_folded(a, b)) {
		return 100;
	}
	while (front < least && a.data[front] == b.data[front]) {
		front++;
	}
	while (back < least - front && a.data[a.len - 1 - back] == b.data[b.len - 1 - back]) {
		back++;
	}
	return (unsigned)((front + back) * 99 / most);
}
