/* SPDX-License-Identifier: MIT */
/* Any pattern with any path. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/own.h"
#include "init/glob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A pattern, a line feed, a path. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	char *path = strchr(text, '\n');
	struct glob glob;
	struct error err;

	if (path == NULL) {
		return 0;
	}
	*path++ = '\0';
	(void)glob_match(text, path);
	if (glob_compile(text, &arena, &glob, &err) == 0) {
		(void)glob_matches(&glob, path);
	}
	return 0;
}
