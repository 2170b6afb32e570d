/* SPDX-License-Identifier: MIT */
/* The decoders of the file tools' frames: the first byte chooses one. */
#include <stddef.h>
#include <stdint.h>

#include "wire/frame_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_file_request request;
	struct wire_file_done done;
	struct wire_bytes bytes;
	struct error err;

	if (size == 0) {
		return 0;
	}
	bytes = (struct wire_bytes){data + 1, size - 1};
	if ((data[0] & 1) == 0) {
		(void)frame_get_file_request(bytes, &request, &err);
	} else {
		(void)frame_get_file_done(bytes, &done, &err);
	}
	return 0;
}
