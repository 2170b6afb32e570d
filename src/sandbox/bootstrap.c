/* SPDX-License-Identifier: MIT */
/* Bootstrap files: what an agent reads first. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "os/sys.h"
#include "sandbox/content.h"
#include "sandbox/copy.h"

static const char *const names[] = {"AGENTS.md", "SOUL.md", "TOOLS.md", "IDENTITY.md", "USER.md",
	"BOOTSTRAP.md", "HEARTBEAT.md"};

static bool is_there(const struct copy_dir *dir, const char *name)
{
	return faccessat(dir->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A missing or an unfit one is no reason to refuse the sandbox. */
static void seed_one(const struct copy_dir *from, const struct copy_dir *to, const char *name)
{
	_cleanup_close_ int fd = FD_NONE;
	struct error err;

	if (is_there(to, name)) {
		return;
	}
	/* Not waiting for a writer, should it be a FIFO. */
	fd = sys_openat2(from->fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY,
		RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
	if (fd == -ENOENT) {
		return;
	}
	if (fd < 0) {
		log_debug("%s of the agent's workspace is not copied: %s", name, strerror(-fd));
	} else if (copy_file(fd, to, name, LIMIT_BOOTSTRAP_FILE, &err) < 0 && err.num != EEXIST) {
		log_debug("%s of the agent's workspace is not copied: %s", name, err.text);
	}
}

int bootstrap_seed(const struct decision *decision, struct error *err)
{
	_cleanup_copy_dir_ struct copy_dir from = COPY_DIR_NONE;
	_cleanup_copy_dir_ struct copy_dir to = COPY_DIR_NONE;
	const struct sandbox_spec *spec = &decision->spec;
	struct error ignored;

	if (spec->access == ACCESS_RW ||
		json_is_true(config_get(decision->config, "agents.defaults.skipBootstrap")) ||
		copy_dir_open(spec->agent_workspace_dir, &from, &ignored) < 0) {
		return 0;
	}
	if (copy_dir_open(spec->workspace_dir, &to, err) < 0) {
		return -err->num;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		seed_one(&from, &to, names[i]);
	}
	return 0;
}
