/* SPDX-License-Identifier: MIT */
/* Any .gitignore with any path. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/own.h"
#include "init/ignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A path, a NUL, the rules. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_free_ char *path = xstrndup((const char *)data, size);
	size_t n = strlen(path);
	struct ignore rules;

	if (n == size) {
		return 0;
	}
	ignore_parse((const char *)data + n + 1, size - n - 1, &arena, &rules);
	(void)ignore_match(&rules, path, true);
	(void)ignore_match(&rules, path, false);
	return 0;
}
