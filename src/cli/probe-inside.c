/* SPDX-License-Identifier: MIT */
/* Comparing what a process in the sandbox sees with what was decided. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fnv.h"
#include "base/mountinfo.h"
#include "base/num.h"
#include "base/own.h"
#include "cli/probe.h"

#define FROM "inside"

struct inside {
	struct probe *probe;
	const struct sandbox_spec *spec;
	const struct probe_look *look;
	struct arena arena;
};

static void add(struct inside *in, const char *check, const char *decided, const char *found)
{
	probe_add(in->probe, check, FROM, decided, found, strcmp(decided, found) == 0);
}

/* --- /proc/self/status --- */

/* The value behind "Name:\t", blanks as they are. */
static const char *status_field(struct inside *in, const char *name)
{
	const char *text = probe_section(in->look, "status");
	size_t len = strlen(name);

	while (*text != '\0') {
		size_t line = strcspn(text, "\n");

		if (strncmp(text, name, len) == 0 && text[len] == ':') {
			text += len + 1;
			text += strspn(text, " \t");
			return arena_strndup(&in->arena, text, strcspn(text, "\n"));
		}
		text += line + (text[line] == '\n' ? 1 : 0);
	}
	return "";
}

/* Real, effective, saved and that of the file system: all four. */
static void check_id(struct inside *in, const char *check, const char *field, uint32_t id)
{
	add(in, check, arena_printf(&in->arena, "%u\t%u\t%u\t%u", id, id, id, id),
		status_field(in, field));
}

static void check_user(struct inside *in)
{
	const char *user = in->spec->user, *colon = user != NULL ? strchr(user, ':') : NULL;
	uint32_t uid, gid;

	/* A name is the image's to translate. */
	if (colon != NULL &&
		num_parse_u32(arena_strndup(&in->arena, user, (size_t)(colon - user)), 0,
			UINT32_MAX - 1, &uid) == 0 &&
		num_parse_u32(colon + 1, 0, UINT32_MAX - 1, &gid) == 0) {
		check_id(in, "user", "Uid", uid);
		check_id(in, "group", "Gid", gid);
	}
}

static bool drops_all(const struct sandbox_spec *spec)
{
	for (size_t i = 0; i < spec->cap_drop.count; i++) {
		if (strcasecmp(spec->cap_drop.items[i], "ALL") == 0) {
			return true;
		}
	}
	return spec->backend == BACKEND_NATIVE;
}

/* A profile of somebody's own may let anything through. */
static bool has_own_profile(const struct sandbox_spec *spec)
{
	for (size_t i = 0; i < spec->security_opt.count; i++) {
		if (strncmp(spec->security_opt.items[i], "seccomp", strlen("seccomp")) == 0) {
			return true;
		}
	}
	return false;
}

/* Within a container processes may trace each other: debuggers are let through there. */
static bool may_pass(const struct sandbox_spec *spec, const char *name, size_t len)
{
	return spec->backend == BACKEND_DOCKER && len == strlen("ptrace") &&
	       strncmp(name, "ptrace", len) == 0;
}

/* A filter that is there may still be another one. */
static void check_calls(struct inside *in)
{
	_cleanup_buf_ struct buf through = {0};
	const char *text = probe_section(in->look, "calls");

	if (has_own_profile(in->spec)) {
		return;
	}
	for (; *text != '\0'; text += strcspn(text, "\n") + 1) {
		size_t len = strcspn(text, " \n");
		uint64_t number = text[len] == ' ' ? num_leading_u64(text + len + 1) : 0;

		if (number != EPERM && !may_pass(in->spec, text, len)) {
			buf_addf(&through, "%s%.*s", through.len > 0 ? " " : "", (int)len, text);
		}
	}
	add(in, "refused system calls that were let through", "none",
		through.len > 0 ? through.data : "none");
}

static void check_privileges(struct inside *in)
{
	static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};

	for (size_t i = 0; i < ARRAY_SIZE(sets) && drops_all(in->spec); i++) {
		add(in, arena_printf(&in->arena, "capabilities %s", sets[i]), "0000000000000000",
			status_field(in, sets[i]));
	}
	add(in, "no new privileges", "1", status_field(in, "NoNewPrivs"));
	if (!in->spec->allow_missing[LAYER_SECCOMP]) {
		add(in, "seccomp mode", "2", status_field(in, "Seccomp"));
		check_calls(in);
	}
}

/* --- namespaces --- */

static void check_namespaces(struct inside *in)
{
	/* An engine leaves the last two with the host, unless it is configured otherwise. */
	static const char *const names[] = {"mnt", "pid", "net", "ipc", "uts", "user", "cgroup"};
	size_t count = in->spec->backend == BACKEND_NATIVE ? ARRAY_SIZE(names) : 5;
	const char *text = probe_section(in->look, "namespaces");

	for (size_t i = 0; i < count; i++) {
		char target[64];
		ssize_t n = readlink(arena_printf(&in->arena, "/proc/self/ns/%s", names[i]), target,
			sizeof(target) - 1);
		bool own;

		target[n > 0 ? n : 0] = '\0';
		own = strstr(text, arena_printf(&in->arena, "%s:[", names[i])) != NULL &&
		      strstr(text, target) == NULL;
		add(in, arena_printf(&in->arena, "namespace %s", names[i]), "its own",
			own ? "its own" : "the host's");
	}
}

/* --- mounts --- */

struct mount {
	const char *target, *type;
	bool read_only;
};

/* One line of mountinfo, proc(5): the fifth field is the place, the sixth its options, behind " - "
 * stands the type. */
static bool parse_mount(struct arena *arena, char *line, struct mount *ret)
{
	char *dash = strstr(line, " - "), *save = NULL, *field = NULL;
	const char *options;

	if (dash == NULL) {
		return false;
	}
	*dash = '\0';
	ret->type = arena_strndup(arena, dash + 3, strcspn(dash + 3, " "));
	for (int i = 0; i < 5; i++) {
		field = strtok_r(i == 0 ? line : NULL, " ", &save);
	}
	options = strtok_r(NULL, " ", &save);
	if (field == NULL || options == NULL) {
		return false;
	}
	mountinfo_unescape(field);
	ret->target = field;
	ret->read_only =
		strncmp(options, "ro", 2) == 0 && (options[2] == ',' || options[2] == '\0');
	return true;
}

struct mounts {
	struct mount *items;
	size_t count;
};

static void read_mounts(struct inside *in, struct mounts *ret)
{
	char *text = arena_strdup(&in->arena, probe_section(in->look, "mounts")), *save = NULL;
	size_t lines = 1;

	for (const char *c = text; *c != '\0'; c++) {
		lines += *c == '\n' ? 1 : 0;
	}
	*ret = (struct mounts){.items = arena_calloc(&in->arena, lines, sizeof(*ret->items))};
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
		line = strtok_r(NULL, "\n", &save)) {
		ret->count += parse_mount(&in->arena, line, &ret->items[ret->count]) ? 1 : 0;
	}
}

/* What is on top there. */
static const struct mount *mount_at(const struct mounts *mounts, const char *target)
{
	for (size_t i = mounts->count; i > 0; i--) {
		if (strcmp(mounts->items[i - 1].target, target) == 0) {
			return &mounts->items[i - 1];
		}
	}
	return NULL;
}

static void check_mount(
	struct inside *in, const struct mounts *mounts, const char *target, bool read_only)
{
	const struct mount *mount = mount_at(mounts, target);

	add(in, arena_printf(&in->arena, "mount %s", target), read_only ? "read-only" : "writable",
		mount == NULL      ? "not there"
		: mount->read_only ? "read-only"
				   : "writable");
}

static bool is_decided(const struct sandbox_spec *spec, const struct mount *mount)
{
	for (size_t i = 0; i < spec->mount_count; i++) {
		if (strcmp(spec->mounts[i].target, mount->target) == 0) {
			return true;
		}
	}
	return strcmp(mount->target, "/") == 0;
}

/* A place where what is written reaches the host's disk or devices. What the kernel makes for itself, and
 * memory, is neither; of the host's device nodes there are those that are the same for everybody. */
static bool reaches_host(const struct mount *mount)
{
	static const char *const harmless[] = {"proc", "sysfs", "devpts", "devtmpfs", "tmpfs",
		"mqueue", "cgroup", "cgroup2", "ramfs"};

	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++) {
		if (strcmp(mount->type, harmless[i]) == 0) {
			return false;
		}
	}
	return true;
}

/* "DEVICE INODE PLACE" of what is on top there; false: it could not be looked at. */
static bool place_at(struct inside *in, const char *target, uint64_t *ret_dev, uint64_t *ret_ino)
{
	char *text = arena_strdup(&in->arena, probe_section(in->look, "places")), *save = NULL;
	bool found = false;

	for (char *line = strtok_r(text, "\n", &save); line != NULL;
		line = strtok_r(NULL, "\n", &save)) {
		char *ino = strchr(line, ' ');
		char *place = ino != NULL ? strchr(ino + 1, ' ') : NULL;

		if (place == NULL) {
			continue;
		}
		mountinfo_unescape(++place);
		if (strcmp(place, target) == 0) {
			*ret_dev = num_leading_u64(line);
			*ret_ino = num_leading_u64(ino + 1);
			found = true;
		}
	}
	return found;
}

/* Is it the very directory or file that was decided? Where either side may not look, nobody can say. */
static void check_source(struct inside *in, const struct spec_mount *mount)
{
	struct stat st;
	uint64_t dev, ino;

	if (mount->source == NULL || stat(mount->source, &st) < 0 ||
		!place_at(in, mount->target, &dev, &ino)) {
		return;
	}
	add(in, arena_printf(&in->arena, "source of %s", mount->target), mount->source,
		dev == st.st_dev && ino == st.st_ino ? mount->source : "something else");
}

static void check_others(struct inside *in, const struct mounts *mounts)
{
	_cleanup_buf_ struct buf found = {0};

	for (size_t i = 0; i < mounts->count; i++) {
		const struct mount *mount = &mounts->items[i];

		if (!mount->read_only && reaches_host(mount) && !is_decided(in->spec, mount)) {
			buf_addf(&found, "%s%s", found.len > 0 ? " " : "", mount->target);
		}
	}
	add(in, "other writable mounts", "none", found.len > 0 ? found.data : "none");
}

static void check_mounts(struct inside *in)
{
	struct mounts mounts;

	read_mounts(in, &mounts);
	check_mount(in, &mounts, "/", in->spec->read_only_root);
	check_mount(in, &mounts, "/run/creel/init", true);
	for (size_t i = 0; i < in->spec->mount_count; i++) {
		check_mount(in, &mounts, in->spec->mounts[i].target, in->spec->mounts[i].read_only);
		check_source(in, &in->spec->mounts[i]);
	}
	for (size_t i = 0; i < in->spec->tmpfs.count; i++) {
		const char *item = in->spec->tmpfs.items[i];
		const char *target = arena_strndup(&in->arena, item, strcspn(item, ":"));
		const struct mount *mount = mount_at(&mounts, target);

		add(in, arena_printf(&in->arena, "tmpfs %s", target), "tmpfs",
			mount != NULL ? mount->type : "not there");
	}
	check_others(in, &mounts);
}

/* --- limits --- */

static const struct {
	const char *name, *label;
} limit_labels[] = {
	{"core", "Max core file size"},
	{"cpu", "Max cpu time"},
	{"data", "Max data size"},
	{"fsize", "Max file size"},
	{"memlock", "Max locked memory"},
	{"msgqueue", "Max msgqueue size"},
	{"nofile", "Max open files"},
	{"nproc", "Max processes"},
	{"rss", "Max resident set"},
	{"sigpending", "Max pending signals"},
	{"stack", "Max stack size"},
};

/* "soft:hard" of one line of /proc/self/limits. */
static const char *limit_of(struct inside *in, const char *label)
{
	const char *text = strstr(probe_section(in->look, "limits"), label);
	char soft[32], hard[32];

	if (text == NULL || sscanf(text + strlen(label), "%31s %31s", soft, hard) != 2) {
		return "not there";
	}
	return arena_printf(&in->arena, "%s:%s", soft, hard);
}

static const char *limit_text(struct inside *in, int64_t value)
{
	return value < 0 ? "unlimited" : arena_printf(&in->arena, "%" PRId64, value);
}

static void check_ulimit(struct inside *in, const struct spec_ulimit *limit)
{
	for (size_t i = 0; i < ARRAY_SIZE(limit_labels); i++) {
		int64_t soft = limit->soft >= 0 ? limit->soft : limit->hard;
		int64_t hard = limit->hard >= 0 ? limit->hard : limit->soft;

		if (strcmp(limit_labels[i].name, limit->name) == 0) {
			add(in, arena_printf(&in->arena, "ulimit %s", limit->name),
				arena_printf(&in->arena, "%s:%s", limit_text(in, soft),
					limit_text(in, hard)),
				limit_of(in, limit_labels[i].label));
		}
	}
}

/* One more where a control group, which is to be first, counts the same. */
static void check_pids(struct inside *in)
{
	int64_t limit = in->spec->pids_limit;
	const char *alone = arena_printf(&in->arena, "%" PRId64 ":%" PRId64, limit, limit);
	const char *behind = arena_printf(&in->arena, "%" PRId64 ":%" PRId64, limit + 1, limit + 1);
	const char *found = limit_of(in, "Max processes");

	for (size_t i = 0; i < in->spec->ulimit_count; i++) {
		if (strcmp(in->spec->ulimits[i].name, "nproc") == 0) {
			return; /* compared as such */
		}
	}
	if (in->spec->backend == BACKEND_NATIVE && limit > 0) {
		add(in, "pids limit", alone, strcmp(found, behind) == 0 ? alone : found);
	}
}

/* --- the rest --- */

static void check_network(struct inside *in)
{
	const char *text = probe_section(in->look, "network");
	_cleanup_buf_ struct buf found = {0};

	if (strcmp(in->spec->network, "none") != 0) {
		return;
	}
	while (*text != '\0') {
		size_t line = strcspn(text, "\n"), blank = strspn(text, " ");
		const char *colon = memchr(text, ':', line);

		if (colon != NULL) {
			buf_addf(&found, "%s%.*s", found.len > 0 ? " " : "",
				(int)(colon - text - (ptrdiff_t)blank), text + blank);
		}
		text += line + (text[line] == '\n' ? 1 : 0);
	}
	add(in, "network interfaces", "lo", found.len > 0 ? found.data : "");
}

static bool has_line(const char *text, const char *line, size_t len)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		if (n == len && strncmp(text, line, len) == 0) {
			return true;
		}
		text += n + (text[n] == '\n' ? 1 : 0);
	}
	return false;
}

/* The line "NAME=NUMBER" of a variable. */
static const char *variable_in(const char *text, const char *name, size_t len)
{
	while (*text != '\0' && (strncmp(text, name, len) != 0 || text[len] != '=')) {
		text += strcspn(text, "\n");
		text += *text == '\n' ? 1 : 0;
	}
	return *text != '\0' ? text + len : NULL;
}

/* Values are compared, and not shown: both begin with '='. */
static bool has_value(const char *found, const char *decided)
{
	char number[32];

	(void)snprintf(number, sizeof(number), "=%016" PRIx64 "\n",
		fnv_hash(decided[0] == '=' ? decided + 1 : decided));
	return strncmp(found, number, strlen(number)) == 0;
}

static void check_environment(struct inside *in, const struct strv *env)
{
	const char *text = probe_section(in->look, "environment");
	_cleanup_buf_ struct buf given = {0}, missing = {0}, more = {0}, other = {0};
	const char *found;

	for (size_t i = 0; i < env->count; i++) {
		size_t len = strcspn(env->items[i], "=");

		buf_addf(&given, "%.*s\n", (int)len, env->items[i]);
		found = variable_in(text, env->items[i], len);
		if (found == NULL) {
			buf_addf(&missing, " %.*s", (int)len, env->items[i]);
		} else if (!has_value(found, env->items[i] + len)) {
			buf_addf(&other, " %.*s", (int)len, env->items[i]);
		}
	}
	while (*text != '\0') {
		size_t n = strcspn(text, "\n"), len = strcspn(text, "=\n");

		if (given.len == 0 || !has_line(given.data, text, len)) {
			buf_addf(&more, " %.*s", (int)len, text);
		}
		text += n + (text[n] == '\n' ? 1 : 0);
	}
	add(in, "variables that are missing", "none", missing.len > 0 ? missing.data + 1 : "none");
	add(in, "variables with other values", "none", other.len > 0 ? other.data + 1 : "none");
	add(in, "other variables", "none", more.len > 0 ? more.data + 1 : "none");
}

void probe_inside(struct probe *probe, const struct sandbox_spec *spec,
	const struct probe_look *look, const struct strv *env)
{
	struct inside in = {.probe = probe, .spec = spec, .look = look};

	check_user(&in);
	check_privileges(&in);
	check_namespaces(&in);
	check_mounts(&in);
	for (size_t i = 0; i < spec->ulimit_count; i++) {
		check_ulimit(&in, &spec->ulimits[i]);
	}
	check_pids(&in);
	check_network(&in);
	check_environment(&in, env);
	add(&in, "open descriptors", "0\n1\n2\n", probe_section(look, "descriptors"));
	add(&in, "working directory", spec->workdir, probe_section(look, "workdir"));
	arena_finish(&in.arena);
}
