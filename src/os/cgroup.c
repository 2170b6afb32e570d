/* SPDX-License-Identifier: MIT */
/* Makes, fills and removes control groups. */
#include "os/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/num.h"
#include "os/sys.h"

enum { CPU_PERIOD_US = 100000 };

static const char *const controller_names[CGROUP_COUNT_] = {
	[CGROUP_MEMORY] = "memory", [CGROUP_CPU] = "cpu", [CGROUP_PIDS] = "pids"};

/* false when it does not fit: a name that was cut must not be used. */
_printf_(3, 4) static bool format(char *ret, size_t size, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(ret, size, fmt, args);
	va_end(args);
	return n >= 0 && (size_t)n < size;
}

static bool copy_slice(char *ret, size_t size, const char *from, const char *to)
{
	size_t len = (size_t)(to - from);

	if (len >= size) {
		return false;
	}
	memcpy(ret, from, len);
	ret[len] = '\0';
	return true;
}

/* Is word one of the blank- or comma-separated words of text? */
static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	while (*text != '\0') {
		size_t n = strcspn(text, " ,\n");

		if (n == len && memcmp(text, word, n) == 0) {
			return true;
		}
		text += n + (text[n] != '\0' ? 1 : 0);
	}
	return false;
}

/* The path of this process in the hierarchy of a controller ("" is version 2's), from the lines
 * "number:controllers:path" of /proc/self/cgroup. */
static bool own_path(const char *lines, const char *controller, char ret[PATH_MAX])
{
	while (*lines != '\0') {
		size_t n = strcspn(lines, "\n");
		const char *names = memchr(lines, ':', n);
		const char *path = names != NULL ? strchr(names + 1, ':') : NULL;

		if (path != NULL && path < lines + n) {
			char list[256];

			if (copy_slice(list, sizeof(list), names + 1, path) &&
				(*controller == '\0' ? *list == '\0'
						     : has_word(list, controller))) {
				return copy_slice(ret, PATH_MAX, path + 1, lines + n);
			}
		}
		lines += n + (lines[n] == '\n' ? 1 : 0);
	}
	return false;
}

static bool is_there(const char *root, const char *hierarchy, const char *own, char ret[PATH_MAX])
{
	/* Seen from another control group namespace, a path leads out of ours. */
	return own[0] == '/' && strstr(own, "/..") == NULL &&
	       format(ret, PATH_MAX, "%s%s%s", root, hierarchy, own) && access(ret, F_OK) == 0;
}

bool cgroup_find(
	const char *root, const char *lines, enum cgroup_controller controller, char ret[PATH_MAX])
{
	const char *name = controller_names[controller];
	char own[PATH_MAX], hierarchy[16];

	(void)format(hierarchy, sizeof(hierarchy), "/%s", name);
	if (own_path(lines, name, own)) {
		return is_there(root, hierarchy, own, ret);
	}
	return own_path(lines, "", own) && is_there(root, "", own, ret);
}

static void read_in(const char *dir, const char *file, char *ret, size_t size)
{
	char path[PATH_MAX + 64];

	ret[0] = '\0';
	if (format(path, sizeof(path), "%s/%s", dir, file)) {
		(void)sys_read_file(AT_FDCWD, path, ret, size);
	}
}

static int write_in(const char *dir, const char *file, const char *text)
{
	char path[PATH_MAX + 64];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	return sys_write_file(AT_FDCWD, path, text, strlen(text));
}

static void probe_v1(struct cgroup_host *host, const char *lines)
{
	for (int i = 0; i < CGROUP_COUNT_; i++) {
		char own[PATH_MAX];

		host->available[i] =
			own_path(lines, controller_names[i], own) &&
			format(host->parent[i], PATH_MAX, CGROUP_ROOT "/%s%s", controller_names[i],
				strcmp(own, "/") == 0 ? "" : own) &&
			access(host->parent[i], W_OK) == 0;
		if (host->available[i]) {
			host->version = 1;
		}
	}
}

/* The controllers that a group made in dir would have. */
static void probe_v2_dir(struct cgroup_host *host, const char *dir)
{
	char enabled[256];

	read_in(dir, "cgroup.subtree_control", enabled, sizeof(enabled));
	for (int i = 0; i < CGROUP_COUNT_; i++) {
		host->available[i] = has_word(enabled, controller_names[i]);
		(void)format(host->parent[i], PATH_MAX, "%s", dir);
	}
}

/*
 * A group with processes, as ours is, cannot hand controllers to groups below it (cgroups(7), no
 * internal processes): so look upwards for the nearest one that is writable and does.
 */
static void probe_v2(struct cgroup_host *host, const char *root, const char *own)
{
	char dir[PATH_MAX];
	size_t root_len = strlen(root);

	if (!format(dir, sizeof(dir), "%s%s", root, strcmp(own, "/") == 0 ? "" : own)) {
		return;
	}
	for (;;) {
		char *slash;

		if (access(dir, W_OK) == 0) {
			probe_v2_dir(host, dir);
			if (host->available[CGROUP_MEMORY] || host->available[CGROUP_CPU] ||
				host->available[CGROUP_PIDS]) {
				host->version = 2;
				return;
			}
		}
		slash = strrchr(dir, '/');
		if (strlen(dir) <= root_len || slash == NULL) {
			return;
		}
		*slash = '\0';
	}
}

static bool is_cgroup2(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

void cgroup_probe(struct cgroup_host *ret)
{
	char lines[8192];
	char own[PATH_MAX];

	(void)memset(ret, 0, sizeof(*ret));
	if (sys_read_file(AT_FDCWD, "/proc/self/cgroup", lines, sizeof(lines)) <= 0) {
		return;
	}
	/* A hybrid host has both; then version 1 has the controllers. */
	probe_v1(ret, lines);
	if (ret->version == 0 && is_cgroup2(CGROUP_ROOT) && own_path(lines, "", own)) {
		probe_v2(ret, CGROUP_ROOT, own);
	}
}

static int write_number(const char *dir, const char *file, int64_t value, struct error *err)
{
	char text[32];
	int r;

	(void)snprintf(text, sizeof(text), "%" PRId64, value);
	r = write_in(dir, file, value < 0 ? "max" : text);
	return r < 0 ? error_set(err, -r, "cannot set '%s' of control group '%s' to %s", file, dir,
			       text)
		     : 0;
}

static int64_t total_memory(const struct cgroup_limits *limits)
{
	/* Twice the memory when nothing is said, as container engines do. */
	if (limits->memory_swap == 0) {
		return limits->memory > INT64_MAX / 2 ? -1 : limits->memory * 2;
	}
	return limits->memory_swap;
}

static int limit_memory(const struct cgroup_host *host, const char *dir,
	const struct cgroup_limits *limits, struct error *err)
{
	int64_t total = total_memory(limits);
	char path[PATH_MAX + 64];
	int r;

	r = write_number(dir, host->version == 2 ? "memory.max" : "memory.limit_in_bytes",
		limits->memory, err);
	if (r < 0 || total < 0) {
		return r;
	}
	(void)snprintf(path, sizeof(path), "%s/%s", dir,
		host->version == 2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes");
	/* Kernels without swap accounting: an error only where the configuration asks for it. */
	if (access(path, F_OK) < 0 && limits->memory_swap == 0) {
		return 0;
	}
	if (host->version == 2) {
		return write_number(dir, "memory.swap.max",
			total > limits->memory ? total - limits->memory : 0, err);
	}
	return write_number(dir, "memory.memsw.limit_in_bytes", total, err);
}

static int limit_cpu(
	const struct cgroup_host *host, const char *dir, int64_t millis, struct error *err)
{
	int64_t quota = millis * (CPU_PERIOD_US / 1000);
	char text[64];
	int r;

	if (host->version == 1) {
		r = write_number(dir, "cpu.cfs_period_us", CPU_PERIOD_US, err);
		return r < 0 ? r : write_number(dir, "cpu.cfs_quota_us", quota, err);
	}
	(void)snprintf(text, sizeof(text), "%" PRId64 " %d", quota, CPU_PERIOD_US);
	r = write_in(dir, "cpu.max", text);
	return r < 0 ? error_set(err, -r, "cannot set 'cpu.max' of control group '%s'", dir) : 0;
}

static int apply_limits(const struct cgroup_host *host, int controller, const char *dir,
	const struct cgroup_limits *limits, struct error *err)
{
	if (controller == CGROUP_MEMORY) {
		return limit_memory(host, dir, limits, err);
	}
	if (controller == CGROUP_CPU) {
		return limit_cpu(host, dir, limits->cpu_millis, err);
	}
	return write_number(dir, "pids.max", limits->pids, err);
}

static int create_one(const struct cgroup_host *host, int controller, const char *name,
	struct cgroup *group, struct error *err)
{
	char *path = group->paths[controller];
	int n = snprintf(path, PATH_MAX, "%s/%s", host->parent[controller], name);

	if (n < 0 || n >= PATH_MAX) {
		path[0] = '\0';
		return error_set(err, ENAMETOOLONG, "cannot make a control group in '%s'",
			host->parent[controller]);
	}
	if (mkdir(path, 0755) < 0) {
		int num = errno;

		/* Version 2: the directory is there for the controller before. */
		if (num == EEXIST && host->version == 2) {
			return 0;
		}
		path[0] = '\0';
		return error_set(
			err, num, "cannot make a control group in '%s'", host->parent[controller]);
	}
	return 0;
}

int cgroup_create(const struct cgroup_host *host, const char *name,
	const struct cgroup_limits *limits, struct cgroup *ret, struct error *err)
{
	const bool wanted[CGROUP_COUNT_] = {
		[CGROUP_MEMORY] = limits->memory > 0,
		[CGROUP_CPU] = limits->cpu_millis > 0,
		[CGROUP_PIDS] = limits->pids > 0,
	};
	int r = 0;

	(void)memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < CGROUP_COUNT_ && r == 0; i++) {
		if (!wanted[i] || !host->available[i]) {
			continue;
		}
		r = create_one(host, i, name, ret, err);
		if (r == 0) {
			r = apply_limits(host, i, ret->paths[i], limits, err);
		}
	}
	if (r < 0) {
		cgroup_remove(ret);
	}
	return r;
}

int cgroup_attach(const struct cgroup *group, pid_t pid, struct error *err)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%d", pid);
	for (int i = 0; i < CGROUP_COUNT_; i++) {
		int r = group->paths[i][0] != '\0' ? write_in(group->paths[i], "cgroup.procs", text)
						   : 0;

		if (r < 0) {
			return error_set(err, -r, "cannot move the sandbox into control group '%s'",
				group->paths[i]);
		}
	}
	return 0;
}

static void remove_one(const char *path)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	/* A process that was reaped may take a moment to leave its group. */
	for (int tries = 0; tries < 1000; tries++) {
		if (rmdir(path) == 0 || errno != EBUSY) {
			return;
		}
		(void)nanosleep(&pause, NULL);
	}
}

void cgroup_remove(struct cgroup *group)
{
	for (int i = 0; i < CGROUP_COUNT_; i++) {
		if (group->paths[i][0] != '\0') {
			remove_one(group->paths[i]);
			group->paths[i][0] = '\0';
		}
	}
}

static void sweep_one(const char *parent, const char *prefix)
{
	DIR *dir = opendir(parent);
	const struct dirent *item;
	size_t len = strlen(prefix);

	if (dir == NULL) {
		return;
	}
	while ((item = readdir(dir)) != NULL) {
		const char *digits_end;
		char digits[16];
		uint32_t pid;

		if (strncmp(item->d_name, prefix, len) != 0) {
			continue;
		}
		digits_end = item->d_name + len + strspn(item->d_name + len, "0123456789");
		if (copy_slice(digits, sizeof(digits), item->d_name + len, digits_end) &&
			num_parse_u32(digits, 1, INT32_MAX, &pid) == 0 && kill((pid_t)pid, 0) < 0 &&
			errno == ESRCH) {
			/* Fails while anything is in it. */
			(void)unlinkat(dirfd(dir), item->d_name, AT_REMOVEDIR);
		}
	}
	(void)closedir(dir);
}

void cgroup_sweep(const struct cgroup_host *host, const char *prefix)
{
	for (int i = 0; i < CGROUP_COUNT_; i++) {
		if (host->available[i]) {
			sweep_one(host->parent[i], prefix);
		}
	}
}
