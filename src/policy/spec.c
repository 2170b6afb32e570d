/* SPDX-License-Identifier: MIT */
/* The names of the enumerations, as configuration and output write them. */
#include "policy/spec.h"

#include <string.h>

#include "base/macro.h"
#include "policy/decide.h"

const char *backend_kind_name(enum backend_kind kind)
{
	static const char *const names[] = {
		[BACKEND_AUTO] = "auto",
		[BACKEND_DOCKER] = "docker",
		[BACKEND_NATIVE] = "native",
		[BACKEND_HOST] = "host",
	};
	_Static_assert(ARRAY_SIZE(names) == BACKEND_COUNT_, "every backend has a name");

	return names[kind];
}

const char *spec_seccomp(const struct sandbox_spec *spec)
{
	static const char option[] = "seccomp=";

	for (size_t i = 0; i < spec->security_opt.count; i++) {
		const char *item = spec->security_opt.items[i];

		if (strncmp(item, option, sizeof(option) - 1) == 0) {
			return item + sizeof(option) - 1;
		}
	}
	return "creel's own list";
}

const char *workspace_access_name(enum workspace_access access)
{
	static const char *const names[] = {
		[ACCESS_NONE] = "none",
		[ACCESS_RO] = "ro",
		[ACCESS_RW] = "rw",
	};
	_Static_assert(ARRAY_SIZE(names) == ACCESS_COUNT_, "every access has a name");

	return names[access];
}

const char *sandbox_mode_name(enum sandbox_mode mode)
{
	static const char *const names[] = {
		[MODE_OFF] = "off",
		[MODE_NON_MAIN] = "non-main",
		[MODE_ALL] = "all",
	};
	_Static_assert(ARRAY_SIZE(names) == MODE_COUNT_, "every mode has a name");

	return names[mode];
}

const char *sandbox_scope_name(enum sandbox_scope scope)
{
	static const char *const names[] = {
		[SCOPE_SESSION] = "session",
		[SCOPE_AGENT] = "agent",
		[SCOPE_SHARED] = "shared",
	};
	_Static_assert(ARRAY_SIZE(names) == SCOPE_COUNT_, "every scope has a name");

	return names[scope];
}

const char *spec_dangerous(const struct sandbox_spec *spec, struct arena *arena)
{
	const char *all = NULL;

	for (size_t i = 0; i < spec->mount_count; i++) {
		if (spec->mounts[i].dangerous) {
			all = all == NULL
				      ? arena_strdup(arena, spec->mounts[i].source)
				      : arena_printf(arena, "%s\n%s", all, spec->mounts[i].source);
		}
	}
	return all;
}
