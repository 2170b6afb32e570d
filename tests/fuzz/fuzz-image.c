/* SPDX-License-Identifier: MIT */
/* Any bytes as an image, and as what creel-image is asked and answers. */
#include <string.h>

#include "base/image_type.h"
#include "image/shrink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIXELS_MAX = 1 << 20 }; /* the limit of the library would take a second each */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct image_bounds bounds = {64, 16384};
	_cleanup_(image_shrunk_finish) struct image_shrunk image = {0};
	struct image_request request;
	struct image_reply reply;
	uint32_t width, height;
	struct error err;

	if (size >= IMAGE_REQUEST_SIZE) {
		(void)image_request_get(data, &request, &err);
	}
	if (size >= IMAGE_REPLY_SIZE) {
		(void)image_reply_get(data, &bounds, &reply, &err);
	}
	image_type_size(data, size, &width, &height);
	if ((uint64_t)width * height <= PIXELS_MAX) {
		(void)image_shrink(data, size, &bounds, &image, &err);
	}
	return 0;
}
