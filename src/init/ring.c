/* SPDX-License-Identifier: MIT */
/* The newest bytes of an endless output. */
#include "init/ring.h"

#include <assert.h>
#include <sys/mman.h>

void ring_init(struct ring *ring, size_t size)
{
	*ring = (struct ring){.size = size};
}

void ring_finish(struct ring *ring)
{
	if (ring->data != NULL) {
		(void)munmap(ring->data, ring->size);
	}
	ring->data = NULL;
	ring->first = ring->end;
}

static int spans_at(const struct ring *ring, uint64_t offset, size_t len, struct iovec spans[2])
{
	size_t at = (size_t)(offset % ring->size);
	size_t head = ring->size - at;

	if (len <= head) {
		spans[0] = (struct iovec){ring->data + at, len};
		return 1;
	}
	spans[0] = (struct iovec){ring->data + at, head};
	spans[1] = (struct iovec){ring->data, len - head};
	return 2;
}

int ring_write_spans(struct ring *ring, size_t max, struct iovec spans[2])
{
	assert(max > 0 && max <= ring->size);
	if (ring->data == NULL) {
		void *data = mmap(NULL, ring->size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (data == MAP_FAILED) {
			return 0;
		}
		ring->data = data;
	}
	return spans_at(ring, ring->end, max, spans);
}

void ring_commit(struct ring *ring, size_t len)
{
	assert(len <= ring->size);
	ring->end += len;
	if (ring->end - ring->first > ring->size) {
		ring->first = ring->end - ring->size;
	}
}

int ring_read_spans(const struct ring *ring, uint64_t offset, size_t len, struct iovec spans[2])
{
	assert(offset >= ring->first && offset <= ring->end && len <= ring->end - offset);
	return spans_at(ring, offset, len, spans);
}
