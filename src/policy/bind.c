/* SPDX-License-Identifier: MIT */
/* Bind entries as text. */
#include "policy/bind.h"

#include <string.h>

#include "base/macro.h"
#include "base/path.h"
#include "policy/text.h"

/* A mount over one of these would replace what keeps the sandbox in, or its way home. */
static const char *const system_targets[] = {"/proc", "/sys", "/dev", "/run/creel"};
static const char *const reserved_targets[] = {"/workspace", "/agent"};

enum { BIND_PARTS_MAX = 3 };

const char *bind_fault_text(enum bind_fault fault)
{
	static const char *const texts[] = {
		[BIND_OK] = "nothing is wrong",
		[BIND_SYNTAX] = "syntax: it is not source:target or source:target:mode",
		[BIND_SOURCE_RELATIVE] =
			"source not absolute: a non-absolute source or a volume name",
		[BIND_TARGET_RELATIVE] = "target not absolute",
		[BIND_BACKSLASH] = "backslash: paths are written with '/'",
		[BIND_MODE] = "mode: only ro, rw, z and Z, with commas between them",
		[BIND_TARGET_SYSTEM] =
			"target: it covers a directory that the sandbox itself is made of",
		[BIND_TARGET_RESERVED] = "reserved target: a reserved container path",
	};
	_Static_assert(ARRAY_SIZE(texts) == BIND_FAULT_COUNT_, "every fault has a text");

	return texts[fault];
}

static bool mode_token(const char *token, size_t len, bool *read_only)
{
	if (len == 2 && memcmp(token, "ro", 2) == 0) {
		*read_only = true;
		return true;
	}
	return (len == 2 && memcmp(token, "rw", 2) == 0) ||
	       (len == 1 && (*token == 'z' || *token == 'Z'));
}

static bool parse_mode(const char *mode, bool *ret_read_only)
{
	bool read_only = false;

	for (;;) {
		size_t len = strcspn(mode, ",");

		if (!mode_token(mode, len, &read_only)) {
			return false;
		}
		if (mode[len] == '\0') {
			break;
		}
		mode += len + 1;
	}
	*ret_read_only = read_only;
	return true;
}

static bool below_any(const char *path, const char *const *dirs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (path_is_below(path, dirs[i])) {
			return true;
		}
	}
	return false;
}

/* "/run" would cover /run/creel, and its mount point would be made in the source. */
static bool is_system_target(const char *target)
{
	return path_is_below("/run/creel", target) ||
	       below_any(target, system_targets, ARRAY_SIZE(system_targets));
}

bool bind_target_is_system(struct arena *a, const char *target)
{
	return path_is_absolute(target) && is_system_target(path_normalize(a, target));
}

static enum bind_fault judge_target(const char *target)
{
	/* What contains one of them is found after the source was judged: that says more. */
	if (strcmp(target, "/") == 0 ||
		below_any(target, system_targets, ARRAY_SIZE(system_targets))) {
		return BIND_TARGET_SYSTEM;
	}
	if (below_any(target, reserved_targets, ARRAY_SIZE(reserved_targets))) {
		return BIND_TARGET_RESERVED;
	}
	return BIND_OK;
}

/* Cut at the colons; 0 when there are more parts than an entry can have. */
static size_t split(char *text, const char *parts[BIND_PARTS_MAX])
{
	size_t count = 0;

	for (char *colon = text; colon != NULL; text = colon) {
		if (count == BIND_PARTS_MAX) {
			return 0;
		}
		parts[count++] = text;
		colon = strchr(text, ':');
		if (colon != NULL) {
			*colon++ = '\0';
		}
	}
	return count;
}

enum bind_fault bind_parse(struct arena *a, const char *entry, struct bind_parts *ret)
{
	const char *parts[BIND_PARTS_MAX] = {NULL, NULL, NULL};
	size_t count = split(text_trim(a, entry), parts);
	bool read_only = false;

	if (count < 2) {
		return BIND_SYNTAX;
	}
	if (!path_is_absolute(parts[0])) {
		return BIND_SOURCE_RELATIVE;
	}
	if (!path_is_absolute(parts[1])) {
		return BIND_TARGET_RELATIVE;
	}
	/* A backslash is a separator to some programs and a letter to others. */
	if (strchr(parts[0], '\\') != NULL || strchr(parts[1], '\\') != NULL) {
		return BIND_BACKSLASH;
	}
	if (parts[2] != NULL && !parse_mode(parts[2], &read_only)) {
		return BIND_MODE;
	}
	ret->source = path_normalize(a, parts[0]);
	ret->target = path_normalize(a, parts[1]);
	ret->read_only = read_only;
	return judge_target(ret->target);
}
