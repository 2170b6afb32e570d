/* SPDX-License-Identifier: MIT */
/* The edit engine on any file, old text and new text. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "init/edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Two bytes say where the file and the old text end. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct edit_request request = {.name = "f"};
	struct edit_result ret;
	struct error err;
	const char *text = (const char *)data + 2;
	size_t a, b;
	int r;

	if (size < 2) {
		return 0;
	}
	size -= 2;
	a = size * data[0] / 256;
	b = a + (size - a) * data[1] / 256;
	request.text = (struct span){text, a};
	request.old = (struct span){text + a, b - a};
	request.new = (struct span){text + b, size - b};
	r = edit_apply(&request, &ret, &err);
	if (r == 0) {
		size_t front = 0, back = 0;

		while (front < a && front < ret.text.len && ret.text.data[front] == text[front]) {
			front++;
		}
		while (back < a && back < ret.text.len &&
			ret.text.data[ret.text.len - 1 - back] == text[a - 1 - back]) {
			back++;
		}
		/* What is not the passage is the file's, from both sides: at most the new text, with
		 * "\r\n" for each "\n", is in between. */
		assert(front + back + 2 * request.new.len >= ret.text.len);
		assert(ret.first_line > 0 && ret.diff.len > 0);
		edit_result_finish(&ret);
	}
	return 0;
}
