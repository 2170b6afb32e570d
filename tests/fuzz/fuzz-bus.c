/* SPDX-License-Identifier: MIT */
/* Packets from a front that was taken over: what is accepted is within the limits and encodes again. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bus/bus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct buf again = {0};
	struct bus_message message;
	struct error err;

	if (bus_decode((struct wire_bytes){data, size}, &message, &err) == 0) {
		assert(bus_encode(&again, &message, &err) == 0);
		assert(again.len == size && memcmp(again.data, data, size) == 0);
	}
	return 0;
}
