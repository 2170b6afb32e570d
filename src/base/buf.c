/* SPDX-License-Identifier: MIT */
/* A growing byte buffer with a ceiling. */
#include "base/buf.h"

#include <assert.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { BUF_FIRST_SIZE = 64 };

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_finish(struct buf *b)
{
	free(b->data);
	*b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->overflow = false;
	if (b->data != NULL) {
		b->data[0] = '\0';
	}
}

/* Room for len more bytes and the NUL, or false with overflow set. */
static bool make_room(struct buf *b, size_t len)
{
	size_t max = b->max > 0 ? b->max : SIZE_MAX / 2;
	size_t cap;

	if (b->overflow || len > max - b->len) {
		b->overflow = true;
		return false;
	}
	if (b->data != NULL && b->cap - b->len > len) {
		return true;
	}
	/* Doubling keeps a chain of small appends linear; cap stays below SIZE_MAX because of max. */
	cap = b->cap > BUF_FIRST_SIZE / 2 ? b->cap * 2 : BUF_FIRST_SIZE;
	if (cap <= b->len + len) {
		cap = b->len + len + 1;
	}
	b->data = xreallocarray(b->data, cap, 1);
	b->cap = cap;
	b->data[b->len] = '\0';
	return true;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	if (!make_room(b, len)) {
		return;
	}
	if (len > 0) {
		memcpy(b->data + b->len, data, len);
	}
	buf_commit(b, len);
}

void buf_add_str(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_add_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	buf_vaddf(b, fmt, args);
	va_end(args);
}

void buf_vaddf(struct buf *b, const char *fmt, va_list args)
{
	va_list again;
	int n;

	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0) {
		b->overflow = true; /* the text would pass INT_MAX */
		return;
	}
	if (make_room(b, (size_t)n)) {
		(void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, args);
		b->len += (size_t)n;
	}
}

void buf_add_u8(struct buf *b, uint8_t v)
{
	buf_add(b, &v, sizeof(v));
}

void buf_add_u16le(struct buf *b, uint16_t v)
{
	v = htole16(v);
	buf_add(b, &v, sizeof(v));
}

void buf_add_u32le(struct buf *b, uint32_t v)
{
	v = htole32(v);
	buf_add(b, &v, sizeof(v));
}

void buf_add_u64le(struct buf *b, uint64_t v)
{
	v = htole64(v);
	buf_add(b, &v, sizeof(v));
}

char *buf_reserve(struct buf *b, size_t len)
{
	return make_room(b, len) ? b->data + b->len : NULL;
}

void buf_commit(struct buf *b, size_t len)
{
	assert(b->data != NULL && len < b->cap - b->len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_consume(struct buf *b, size_t len)
{
	assert(len <= b->len);
	if (len == 0) {
		return;
	}
	b->len -= len;
	memmove(b->data, b->data + len, b->len);
	b->data[b->len] = '\0';
}

char *buf_take(struct buf *b)
{
	char *data = b->data != NULL ? b->data : xstrdup("");

	*b = (struct buf){.max = b->max};
	return data;
}

/* The length of the UTF-8 sequence at text, or 0 when it is not one (RFC 3629: no overlong form,
 * no surrogate, nothing above U+10FFFF). */
static size_t utf8_length(const unsigned char *text, size_t len)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t need, i;

	if (text[0] < 0x80) {
		return 1;
	}
	if (text[0] >= 0xc2 && text[0] <= 0xdf) {
		need = 2;
	} else if (text[0] >= 0xe0 && text[0] <= 0xef) {
		need = 3;
	} else if (text[0] >= 0xf0 && text[0] <= 0xf4) {
		need = 4;
	} else {
		return 0;
	}
	if (text[0] == 0xe0) {
		low = 0xa0;
	} else if (text[0] == 0xed) {
		high = 0x9f;
	} else if (text[0] == 0xf0) {
		low = 0x90;
	} else if (text[0] == 0xf4) {
		high = 0x8f;
	}
	if (len < need || text[1] < low || text[1] > high) {
		return 0;
	}
	for (i = 2; i < need; i++) {
		if (text[i] < 0x80 || text[i] > 0xbf) {
			return 0;
		}
	}
	return need;
}

static bool is_printable(const unsigned char *text, size_t len)
{
	if (len == 0) {
		return false;
	}
	if (len == 1) {
		return text[0] >= 0x20 && text[0] != 0x7f;
	}
	/* U+0080..U+009F are control characters too: a terminal may take U+009B for ESC [. */
	return !(text[0] == 0xc2 && text[1] < 0xa0);
}

static void add_escaped(struct buf *b, const char *text, size_t len, size_t limit, char quote)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t end = limit > 0 && limit < len ? limit : len;
	size_t i = 0;

	while (i < end) {
		/* Looks past the cut: a character that starts before it is shown whole. */
		size_t n = utf8_length(p + i, len - i);

		if (is_printable(p + i, n) && text[i] != quote) {
			buf_add(b, p + i, n);
			i += n;
		} else {
			buf_addf(b, "\\x%02x", (unsigned)p[i]);
			i++;
		}
	}
	if (i < len) {
		buf_add_str(b, "...");
	}
}

void buf_add_escaped(struct buf *b, const char *text, size_t len, size_t limit)
{
	add_escaped(b, text, len, limit, '\'');
}

void buf_add_printable(struct buf *b, const char *text, size_t len, size_t limit)
{
	/* NUL is never printable: no byte is the quote. */
	add_escaped(b, text, len, limit, '\0');
}
