/* SPDX-License-Identifier: MIT */
/* The newest bytes of an endless output, addressed by how many came before them. */
#ifndef INIT_RING_H
#define INIT_RING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * Invariants: first <= end, end - first <= size. The byte of offset o is data[o % size]. Memory is
 * mapped when the first byte comes, so that a silent process costs none, and pages are touched as
 * output grows. Zeroed is valid: empty, of size 0.
 */
struct ring {
	uint8_t *data;
	size_t size;
	uint64_t first, end;
};

void ring_init(struct ring *ring, size_t size);
void ring_finish(struct ring *ring); /* gives the memory back; first and end stay as they are */

/* Where the next bytes go: one or two spans of at most max bytes (max <= size). They overwrite the
 * oldest. 0 when there is no memory. Returns the number of spans. */
int ring_write_spans(struct ring *ring, size_t max, struct iovec spans[2]);
void ring_commit(struct ring *ring, size_t len);

/* The bytes [offset, offset + len), which must lie in [first, end). Returns the number of spans. */
int ring_read_spans(const struct ring *ring, uint64_t offset, size_t len, struct iovec spans[2]);

#endif
