/* SPDX-License-Identifier: MIT */
/* The decoders of forwarded connections: the first byte chooses one. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/frame_connect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_closed closed;
	struct wire_bytes bytes;
	struct error err;
	uint32_t credit;
	uint16_t port;

	if (size == 0) {
		return 0;
	}
	bytes = (struct wire_bytes){data + 1, size - 1};
	switch (data[0] % 4) {
	case 0:
		assert(frame_get_connect(bytes, &port, &err) < 0 || port > 0);
		break;
	case 1:
		(void)frame_get_conn_bytes(bytes, &bytes, &err);
		break;
	case 2:
		assert(frame_get_conn_credit(bytes, &credit, &err) < 0 ||
			credit <= WIRE_CONN_WINDOW);
		break;
	default:
		assert(frame_get_conn_closed(bytes, &closed, &err) < 0 ||
			closed.text.len <= WIRE_MAX_TEXT);
		break;
	}
	return 0;
}
