/* SPDX-License-Identifier: MIT */
/* The patch engine on any patch and any file. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "init/patch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One byte says where the file ends and the patch starts. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena arena = {0};
	struct patch_hunk *hunks;
	struct error err;
	struct span text;

	if (size < 1) {
		return 0;
	}
	text = (struct span){(const char *)data + 1, (size - 1) * data[0] / 256};
	if (patch_parse((struct span){text.data + text.len, size - 1 - text.len}, &arena, &hunks,
		    &err) < 0) {
		return 0;
	}
	for (const struct patch_hunk *hunk = hunks; hunk != NULL; hunk = hunk->next) {
		_cleanup_buf_ struct buf out = {0};

		assert(strlen(hunk->path) > 0);
		if (hunk->action == PATCH_ADD) {
			patch_added_text(hunk, &out);
		} else if (hunk->action == PATCH_UPDATE &&
			   patch_apply(hunk, "f", text, &out, &err) == 0) {
			assert(out.len == 0 || out.data[out.len - 1] == '\n');
		}
	}
	return 0;
}
