/* SPDX-License-Identifier: MIT */
#include "backend/docker/seccomp.h"

#include <string.h>

#include "base/buf.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "docker-seccomp.h"

#define OPTION "seccomp="

/*
 * Set-user-id files are made by package managers alone: as root, in a root that can be written. Anywhere
 * else such a file could only be one in the workspace, where it is one on the host too.
 */
static bool installs_programs(const struct sandbox_spec *spec)
{
	const char *user = spec->user != NULL ? spec->user : "0";
	size_t len = strcspn(user, ":");
	bool root = (len == 1 && user[0] == '0') || (len == 4 && strncmp(user, "root", 4) == 0);

	return root && !spec->read_only_root;
}

static void add_all(struct buf *out, const char *const *pieces, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		buf_add_str(out, pieces[i]);
	}
}

static void add_profile(struct buf *out, bool installs)
{
	add_all(out, docker_seccomp, ARRAY_SIZE(docker_seccomp));
	if (installs) {
		add_all(out, docker_seccomp_installs, ARRAY_SIZE(docker_seccomp_installs));
	} else {
		add_all(out, docker_seccomp_read_only, ARRAY_SIZE(docker_seccomp_read_only));
	}
}

char *docker_seccomp_option(const struct sandbox_spec *spec)
{
	_cleanup_buf_ struct buf out = {0};

	buf_add_str(&out, OPTION);
	add_profile(&out, installs_programs(spec));
	return xstrdup(out.data);
}
