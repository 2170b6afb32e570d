/* SPDX-License-Identifier: MIT */
/* Bind entries from any bytes: what is accepted is absolute, normal and clear of the sandbox's own. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/path.h"
#include "policy/bind.h"
#include "sandbox/binds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_source(struct arena *a, const char *source)
{
	struct strv homes = {0}, list = {0};
	bool contains;
	const char *blocked;

	strv_add(&homes, a, "/home/u");
	bind_blocked_list(a, &homes, "/home/u/.openclaw", &list);
	blocked = bind_blocked(a, source, &list, NULL, &contains);
	if (path_is_below(source, "/etc") || path_is_below(source, "/home/u/.ssh") ||
		path_is_below("/proc", source)) {
		assert(blocked != NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena a = {0};
	const char *entry = arena_strndup(&a, (const char *)data, size);
	struct bind_parts parts = {0};
	enum bind_fault fault = bind_parse(&a, entry, &parts);

	assert(bind_fault_text(fault) != NULL);
	if (fault != BIND_OK && fault != BIND_TARGET_RESERVED) {
		return 0;
	}
	assert(strcmp(path_normalize(&a, parts.source), parts.source) == 0);
	assert(strcmp(path_normalize(&a, parts.target), parts.target) == 0);
	assert(strchr(parts.source, ':') == NULL && strchr(parts.target, ':') == NULL);
	assert(!path_is_below(parts.target, "/proc") && !path_is_below(parts.target, "/run/creel"));
	check_source(&a, parts.source);
	return 0;
}
