/* SPDX-License-Identifier: MIT */
#include "sandbox/instance.h"

#include <string.h>

#include "base/hash.h"
#include "base/path.h"
#include "sandbox/binds.h"

/* 64 bits of a hash: enough for the instances that one host has. */
enum { INSTANCE_LENGTH = 16 };

const char *sandbox_instance(struct arena *a, const struct config *config)
{
	char hex[HASH_HEX_SIZE];
	struct error ignored;
	bool missing;
	char *path;

	if (bind_canonical(a, config->state_dir, &path, &missing, &ignored) < 0) {
		path = path_normalize(a, config->state_dir);
	}
	hash_sha256_hex(path, strlen(path), hex);
	return arena_strndup(a, hex, INSTANCE_LENGTH);
}
