/* SPDX-License-Identifier: MIT */
/* Gathers what a plan needs to know about the host. A few dozen stats, no more: it is on the path of
 * every start. */
#include "backend/native/facts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/num.h"
#include "base/own.h"
#include "base/path.h"
#include "os/sys.h"

/* The first count numbers of a text, blanks or points between them. */
static bool read_numbers(const char *text, uint32_t *ret, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char digits[16];
		size_t len;

		text += strspn(text, " \t.");
		len = strspn(text, "0123456789");
		if (len >= sizeof(digits)) {
			return false;
		}
		memcpy(digits, text, len);
		digits[len] = '\0';
		if (num_parse_u32(digits, 0, UINT32_MAX, &ret[i]) < 0) {
			return false;
		}
		text += len;
	}
	return true;
}

static const char *const root_names[] = {
	"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32"};

/* Of the host's /etc: what programs need to run and which tells nothing about the host's users. */
static const char *const etc_names[] = {"etc/ssl/certs", "etc/ca-certificates", "etc/alternatives",
	"etc/ld.so.cache", "etc/localtime"};

static const char *read_link(struct arena *arena, int dir_fd, const char *name)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(dir_fd, name, text, sizeof(text) - 1);

	return n > 0 ? arena_strndup(arena, text, (size_t)n) : NULL;
}

/* false: not there, or of a kind that has no place in a sandbox. */
static bool look(struct arena *arena, int dir_fd, const char *name, struct plan_entry *ret)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		return false;
	}
	*ret = (struct plan_entry){.name = name};
	if (S_ISDIR(st.st_mode)) {
		ret->kind = ENTRY_DIRECTORY;
	} else if (S_ISLNK(st.st_mode)) {
		ret->kind = ENTRY_SYMLINK;
		ret->link = read_link(arena, dir_fd, name);
		return ret->link != NULL;
	} else if (S_ISREG(st.st_mode)) {
		ret->kind = ENTRY_FILE;
	} else {
		return false;
	}
	return true;
}

static size_t look_all(struct arena *arena, int root_fd, const char *const *names, size_t count,
	const struct plan_entry **ret)
{
	struct plan_entry *entries = arena_calloc(arena, count, sizeof(*entries));
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		found += look(arena, root_fd, names[i], &entries[found]) ? 1 : 0;
	}
	*ret = entries;
	return found;
}

/* A link out of what the sandbox has would dangle or, for another directory, mislead. */
static void keep_usr_links(const struct plan_entry *all, size_t *count)
{
	struct plan_entry *entries = (struct plan_entry *)(uintptr_t)all;
	size_t kept = 0;

	for (size_t i = 0; i < *count; i++) {
		if (entries[i].kind != ENTRY_SYMLINK || strncmp(entries[i].link, "/usr/", 5) == 0) {
			entries[kept++] = entries[i];
		}
	}
	*count = kept;
}

static bool is_own_name(const char *name)
{
	static const char *const own[] = {".", "..", "proc", "sys", "dev", "tmp", "run"};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		if (strcmp(own[i], name) == 0) {
			return true;
		}
	}
	return false;
}

static int list_image(
	const char *root, struct arena *arena, struct native_facts *facts, struct error *err)
{
	enum { MAX_ENTRIES = PLAN_MAX_SOURCES / 4 };
	struct plan_entry *entries = arena_calloc(arena, MAX_ENTRIES, sizeof(*entries));
	DIR *dir = opendir(root);
	const struct dirent *item;
	int r = 0;

	if (dir == NULL) {
		return error_set(
			err, errno, "cannot read agents.defaults.sandbox.native.root '%s'", root);
	}
	while (r == 0 && (item = readdir(dir)) != NULL) {
		if (is_own_name(item->d_name)) {
			continue;
		}
		if (facts->root_count == MAX_ENTRIES) {
			r = error_plain(err, E2BIG,
				"agents.defaults.sandbox.native.root '%s' has more than %d entries at its "
				"top: is it an unpacked image",
				root, MAX_ENTRIES);
		} else if (look(arena, dirfd(dir), arena_strdup(arena, item->d_name),
				   &entries[facts->root_count])) {
			facts->root_count++;
		}
	}
	(void)closedir(dir);
	facts->root = entries;
	return r;
}

static int collect_root(const struct sandbox_spec *spec, struct arena *arena,
	struct native_facts *facts, struct error *err)
{
	_cleanup_close_ int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (root_fd < 0) {
		return error_set(err, errno, "cannot open /");
	}
	if (fstatat(root_fd, "proc/self", &st, AT_SYMLINK_NOFOLLOW) < 0) {
		return error_plain(err, ENOENT,
			"/proc is not mounted here, and a sandbox cannot be made without it; mount it "
			"(mount -t proc proc /proc)");
	}
	if (spec->native_root != NULL) {
		return list_image(spec->native_root, arena, facts, err);
	}
	facts->root_count =
		look_all(arena, root_fd, root_names, ARRAY_SIZE(root_names), &facts->root);
	facts->etc_count = look_all(arena, root_fd, etc_names, ARRAY_SIZE(etc_names), &facts->etc);
	keep_usr_links(facts->etc, &facts->etc_count);
	return 0;
}

bool facts_is_privileged(void)
{
	uint32_t range[3]; /* inside, outside, count */
	char map[128];

	if (geteuid() != 0 || !sys_has_capability(CAP_SYS_ADMIN) ||
		!sys_has_capability(CAP_SETUID) || !sys_has_capability(CAP_SETGID)) {
		return false;
	}
	/* Root of a user namespace that is not the first: there is nothing that it could map us to,
	 * and its own id is an ordinary one on the host. */
	return sys_read_file(AT_FDCWD, "/proc/self/uid_map", map, sizeof(map)) > 0 &&
	       read_numbers(map, range, ARRAY_SIZE(range)) && range[1] == 0 &&
	       range[2] == UINT32_MAX;
}

static int check_workspace(
	const struct sandbox_spec *spec, struct native_facts *facts, struct error *err)
{
	const struct spec_mount *mount = NULL;
	struct statvfs fs;
	struct stat st;

	facts->owner_uid = facts->caller_uid;
	facts->owner_gid = facts->caller_gid;
	for (size_t i = 0; mount == NULL && i < spec->mount_count; i++) {
		mount = spec->mounts[i].kind == MOUNT_WORKSPACE ? &spec->mounts[i] : NULL;
	}
	if (mount == NULL) {
		return 0;
	}
	if (strlen(mount->source) >= PATH_MAX) {
		return error_plain(err, ENAMETOOLONG,
			"the path of the workspace has %zu bytes, and the kernel takes %d; use a shorter one",
			strlen(mount->source), PATH_MAX - 1);
	}
	if (stat(mount->source, &st) < 0) {
		facts->missing_workspace = errno == ENOENT ? mount->source : NULL;
		return errno == ENOENT
			       ? 0
			       : error_set(err, errno, "cannot use workspace '%s'", mount->source);
	}
	if (!S_ISDIR(st.st_mode)) {
		return error_plain(
			err, ENOTDIR, "workspace '%s' is not a directory", mount->source);
	}
	if (!mount->read_only && statvfs(mount->source, &fs) == 0 && (fs.f_flag & ST_RDONLY) != 0) {
		return error_plain(err, EROFS,
			"workspace '%s' is on a read-only file system and is to be written; choose "
			"another one, or set workspaceAccess to ro",
			mount->source);
	}
	facts->owner_uid = st.st_uid;
	facts->owner_gid = st.st_gid;
	return 0;
}

/* Since commit 21d1c5e386bc ("Reimplement RLIMIT_NPROC on top of ucounts"). */
bool facts_nproc_per_namespace(void)
{
	struct utsname name;
	uint32_t version[2];

	return uname(&name) == 0 && read_numbers(name.release, version, ARRAY_SIZE(version)) &&
	       (version[0] > 5 || (version[0] == 5 && version[1] >= 14));
}

static const char *choose_staging(void)
{
	static const char *const candidates[] = {"/tmp", "/sys", "/mnt", "/var", "/usr"};
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(candidates); i++) {
		if (lstat(candidates[i], &st) == 0 && S_ISDIR(st.st_mode)) {
			return candidates[i];
		}
	}
	return "/";
}

int facts_collect(const struct sandbox_spec *spec, const char *init_path, struct arena *arena,
	struct native_facts *ret, struct error *err)
{
	struct native_facts facts = {
		.privileged = facts_is_privileged(),
		.caller_uid = geteuid(),
		.caller_gid = getegid(),
		.landlock_abi = sys_landlock_abi(),
		.seccomp = sys_has_seccomp(),
		.last_capability = sys_last_capability(),
		.staging = choose_staging(),
		.init_path = init_path,
	};
	struct rlimit nofile = {.rlim_max = 1024};
	struct rlimit sigpending = {.rlim_max = 1024};
	int r;

	(void)getrlimit(RLIMIT_NOFILE, &nofile);
	facts.nofile_hard = nofile.rlim_max;
	(void)getrlimit(RLIMIT_SIGPENDING, &sigpending);
	facts.sigpending_hard = sigpending.rlim_max;
	if (!facts.privileged && facts.caller_uid == 0 && sys_has_capability(CAP_SETUID)) {
		char map[128];
		uint32_t range[2]; /* inside, outside */

		/* Root in the first user namespace, but without what it takes to be somebody else. */
		if (sys_read_file(AT_FDCWD, "/proc/self/uid_map", map, sizeof(map)) > 0 &&
			read_numbers(map, range, ARRAY_SIZE(range)) && range[1] == 0) {
			return error_plain(err, EPERM,
				"root without CAP_SYS_ADMIN cannot start a sandbox under an unprivileged "
				"uid; run creel as an ordinary user");
		}
	}
	facts.nproc_per_namespace = facts_nproc_per_namespace();
	if (spec->memory > 0 || spec->cpu_millis > 0 || !facts.nproc_per_namespace) {
		cgroup_probe(&facts.cgroups);
	}
	r = check_workspace(spec, &facts, err);
	if (r == 0) {
		r = collect_root(spec, arena, &facts, err);
	}
	if (r == 0) {
		*ret = facts;
	}
	return r;
}

static bool sysctl_is(const char *path, const char *value)
{
	char text[32];

	return sys_read_file(AT_FDCWD, path, text, sizeof(text)) >= 0 && strcmp(text, value) == 0;
}

void facts_explain_clone(int num, char *ret, size_t size)
{
	const char *why = "the kernel or a container's seccomp profile refuses them";

	if (sysctl_is("/proc/sys/user/max_user_namespaces", "0")) {
		why = "they are switched off; run sysctl user.max_user_namespaces=10000";
	} else if (sysctl_is("/proc/sys/kernel/unprivileged_userns_clone", "0")) {
		why = "they are for root only; run sysctl kernel.unprivileged_userns_clone=1";
	} else if (num == EINVAL || num == ENOSYS) {
		why = "the kernel was built without one of them (CONFIG_USER_NS and kin), or is older "
		      "than Linux 5.11";
	} else if (num == ENOSPC || num == EUSERS) {
		why = "the limit on their number is reached; raise the sysctls user.max_*_namespaces";
	} else if (num == EAGAIN) {
		why = "the limit on processes of this user is reached";
	}
	(void)snprintf(ret, size, "%s", why);
}
