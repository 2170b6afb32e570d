/* SPDX-License-Identifier: MIT */
/* Inline directives in any message. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "policy/directive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena a = {0};
	const char *text = arena_strndup(&a, (const char *)data, size);
	struct directives d, again;

	directives_parse(&a, text, &d);
	assert(strlen(d.cleaned) <= strlen(text));
	assert(d.level == NULL || elevated_level(d.level) == d.level);
	assert(!d.effective || *d.cleaned == '\0');
	/* What is left holds no directive that was not already hidden inside a word. */
	directives_parse(&a, d.cleaned, &again);
	assert(strlen(again.cleaned) <= strlen(d.cleaned));
	return 0;
}
