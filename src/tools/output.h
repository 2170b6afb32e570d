/* SPDX-License-Identifier: MIT */
/* The end of a process's output, with what is known of the part that was let go. */
#ifndef TOOLS_OUTPUT_H
#define TOOLS_OUTPUT_H

#include "base/buf.h"

/*
 * Bytes [first, end) of the stream are kept, the last max of it at least once so much came. Offsets
 * count from the first byte that the process wrote. missing bytes were lost before they came here;
 * gaps are not kept apart: data on both sides of one stands together.
 */
struct output {
	struct buf kept;
	size_t max;
	uint64_t end; /* of the stream, bytes lost on the way counted */
	uint64_t missing; /* lost on the way, in all */
	uint64_t dropped; /* let go here */
	uint64_t dropped_lines;
};

void output_init(struct output *out, size_t max);
void output_finish(struct output *out);
/* offset: of data in the stream. Data before the end that is known already is skipped. */
void output_add(struct output *out, uint64_t offset, const void *data, size_t len);
/* The process wrote up to here, as its end says: what did not come is missing. */
void output_skip_to(struct output *out, uint64_t end);

/* What is kept from position on, where positions count the bytes that came here (missing ones not):
 * 0..output_position(). *ret_lost: bytes before it that are gone. */
uint64_t output_position(const struct output *out);
const char *output_from(
	const struct output *out, uint64_t position, size_t *ret_len, uint64_t *ret_lost);

/* All that is kept as clean text, blanks trimmed, cut to the last max characters. *ret_total: the
 * characters before the cut. */
void output_text(const struct output *out, size_t max_chars, struct buf *ret, size_t *ret_total);

/* Lines that came here, kept or not. */
uint64_t output_lines(const struct output *out);

#endif
