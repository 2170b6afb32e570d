/* SPDX-License-Identifier: MIT */
/*
 * Workspaces of somebody else's. A container's user may read and write what the workspace's owner may; when
 * docker.user names another one, the engine would show the files as they are, and the user could not even open
 * a directory of mode 0700. As root the tree is mounted once more, with owner and user exchanged (idmapped,
 * mount_setattr(2)), and that mount is bound into the container: what the owner owns is the user's in there, and
 * what the user writes is the owner's on the disk.
 */
#ifndef DOCKER_OWNED_H
#define DOCKER_OWNED_H

#include "base/arena.h"
#include "base/error.h"
#include "policy/spec.h"

/*
 * Mount what needs it below dir (made with mode 0700 when it is missing) and put those places into *ret, a copy of
 * spec with memory from the arena. Nothing needs it when docker.user is not given by numbers, is the owner
 * already, or when we are not root or in a container. A file system that cannot is an error that says what to do. What was mounted there
 * before is replaced.
 */
int owned_mount(const struct sandbox_spec *spec, const char *dir, struct arena *arena,
	struct sandbox_spec *ret, struct error *err);
/* Take the mounts and the directory away; neither has to be there. */
void owned_unmount(const char *dir);

#endif
