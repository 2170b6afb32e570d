/* SPDX-License-Identifier: MIT */
/* A buffer that forgets its beginning. */
#include "tools/output.h"

#include <string.h>

#include "tools/utf8.h"

void output_init(struct output *out, size_t max)
{
	*out = (struct output){.max = max};
}

void output_finish(struct output *out)
{
	buf_finish(&out->kept);
}

static void drop(struct output *out, size_t len)
{
	const char *p = out->kept.data;
	const char *end = p + len;

	while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		out->dropped_lines++;
		p++;
	}
	out->dropped += len;
	buf_consume(&out->kept, len);
}

void output_skip_to(struct output *out, uint64_t end)
{
	if (end > out->end) {
		out->missing += end - out->end;
		out->end = end;
	}
}

void output_add(struct output *out, uint64_t offset, const void *data, size_t len)
{
	const char *bytes = data;

	if (offset < out->end) {
		uint64_t known = out->end - offset;

		if (known >= len) {
			return;
		}
		bytes += known;
		len -= (size_t)known;
		offset = out->end;
	}
	out->missing += offset - out->end;
	out->end = offset + len;
	buf_add(&out->kept, bytes, len);
	/* Half as much again is let in before the beginning goes, so that the cost of moving the rest
	 * stays a small multiple of the bytes that come. */
	if (out->kept.len > out->max + out->max / 2) {
		drop(out, out->kept.len - out->max);
	}
}

uint64_t output_position(const struct output *out)
{
	return out->dropped + out->kept.len;
}

const char *output_from(
	const struct output *out, uint64_t position, size_t *ret_len, uint64_t *ret_lost)
{
	uint64_t skip = position > out->dropped ? position - out->dropped : 0;

	*ret_lost = position < out->dropped ? out->dropped - position : 0;
	if (out->kept.data == NULL || skip >= out->kept.len) {
		*ret_len = 0;
		return "";
	}
	*ret_len = out->kept.len - (size_t)skip;
	return out->kept.data + skip;
}

void output_text(const struct output *out, size_t max_chars, struct buf *ret, size_t *ret_total)
{
	_cleanup_buf_ struct buf clean = {0};
	const char *text;
	size_t len, cut;

	*ret_total = 0;
	if (out->kept.len == 0) {
		return;
	}
	utf8_clean(&clean, out->kept.data, out->kept.len);
	text = utf8_trim(clean.data != NULL ? clean.data : "", clean.len, &len);
	*ret_total = utf8_count(text, len);
	cut = *ret_total > max_chars ? utf8_tail_offset(text, len, max_chars) : 0;
	buf_add(ret, text + cut, len - cut);
}

uint64_t output_lines(const struct output *out)
{
	return out->dropped_lines +
	       utf8_count_lines(out->kept.data != NULL ? out->kept.data : "", out->kept.len);
}
