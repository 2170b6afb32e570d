/* SPDX-License-Identifier: MIT */
/* The parts of a plan that are made of text: /etc, tmpfs entries, limit names. */
#include "backend/native/plan-internal.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "base/macro.h"
#include "base/num.h"

enum { TMPFS_BYTES = 512 << 20 };

static void add_file(struct plan *plan, const char *target, const char *content)
{
	struct plan_step *step = plan_add(plan, STEP_FILE, target);

	step->source = content;
	step->mode = 0644;
}

static const char *passwd_text(const struct plan *plan, const struct sandbox_spec *spec)
{
	if (plan->inside_uid == 0) {
		return arena_printf(plan->arena,
			"root:x:0:%u:root:%s:/bin/sh\n"
			"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
			plan->inside_gid, spec->workdir);
	}
	return arena_printf(plan->arena,
		"root:x:0:0:root:/root:/usr/sbin/nologin\n"
		"sandbox:x:%u:%u:sandbox:%s:/bin/sh\n"
		"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
		plan->inside_uid, plan->inside_gid, spec->workdir);
}

static const char *group_text(const struct plan *plan)
{
	if (plan->inside_gid == 0) {
		return "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n";
	}
	return arena_printf(plan->arena, "root:x:0:\ntty:x:5:\nsandbox:x:%u:\nnogroup:x:65534:\n",
		plan->inside_gid);
}

static const char *hosts_text(const struct plan *plan, const struct sandbox_spec *spec)
{
	const char *text =
		"127.0.0.1\tlocalhost sandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n";

	/* "name:address", the way engines take them; the address may hold colons itself. */
	for (size_t i = 0; i < spec->extra_hosts.count; i++) {
		const char *entry = spec->extra_hosts.items[i];
		const char *colon = strchr(entry, ':');

		if (colon != NULL) {
			text = arena_printf(plan->arena, "%s%s\t%.*s\n", text, colon + 1,
				(int)(colon - entry), entry);
		}
	}
	return text;
}

static const char *resolv_text(const struct plan *plan, const struct sandbox_spec *spec)
{
	const char *text = "";

	for (size_t i = 0; i < spec->dns.count; i++) {
		text = arena_printf(plan->arena, "%snameserver %s\n", text, spec->dns.items[i]);
	}
	return text;
}

void plan_add_etc(
	struct plan *plan, const struct sandbox_spec *spec, const struct native_facts *facts)
{
	plan_add(plan, STEP_DIR, "etc")->mode = 0755;
	plan_add(plan, STEP_DIR, "etc/ssl")->mode = 0755;
	add_file(plan, "etc/passwd", passwd_text(plan, spec));
	add_file(plan, "etc/group", group_text(plan));
	add_file(plan, "etc/hosts", hosts_text(plan, spec));
	add_file(plan, "etc/hostname", "sandbox\n");
	add_file(plan, "etc/resolv.conf", resolv_text(plan, spec));
	add_file(plan, "etc/nsswitch.conf",
		"passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\n"
		"protocols: files\nservices: files\n");
	add_file(plan, "etc/profile",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nexport PATH\n");
	for (size_t i = 0; i < facts->etc_count; i++) {
		const struct plan_entry *entry = &facts->etc[i];
		struct plan_step *step;

		if (entry->kind == ENTRY_SYMLINK) {
			plan_add(plan, STEP_SYMLINK, entry->name)->source = entry->link;
			continue;
		}
		step = plan_add(plan, STEP_BIND, entry->name);
		step->source = arena_printf(plan->arena, "/%s", entry->name);
		step->attr = ATTR_READ_ONLY | ATTR_NO_EXEC;
		step->attr |= entry->kind == ENTRY_DIRECTORY ? ATTR_DIRECTORY : 0;
	}
}

static int bad_tmpfs(struct error *err, const char *entry, const char *why)
{
	return error_plain(
		err, EINVAL, "agents.defaults.sandbox.docker.tmpfs entry '%s': %s", entry, why);
}

static int parse_mode(const char *text, uint32_t *ret)
{
	uint32_t mode = 0;

	if (*text == '\0' || strlen(text) > 5) {
		return -EINVAL;
	}
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '7') {
			return -EINVAL;
		}
		mode = mode * 8 + (uint32_t)(*text - '0');
	}
	*ret = mode & 07777;
	return 0;
}

static int apply_tmpfs_option(
	const char *entry, const char *option, struct plan_step *step, struct error *err)
{
	static const char *const implied[] = {"rw", "exec", "nosuid", "nodev"};

	if (strncmp(option, "size=", 5) == 0) {
		if (num_parse_size(option + 5, &step->size) < 0 || step->size <= 0) {
			return bad_tmpfs(err, entry, "size is a number of bytes, as in size=64m");
		}
		return 0;
	}
	if (strncmp(option, "mode=", 5) == 0) {
		return parse_mode(option + 5, &step->mode) == 0
			       ? 0
			       : bad_tmpfs(err, entry, "mode is octal, as in mode=1777");
	}
	if (strcmp(option, "noexec") == 0) {
		step->attr |= ATTR_NO_EXEC;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(implied); i++) {
		if (strcmp(option, implied[i]) == 0) {
			return 0;
		}
	}
	return bad_tmpfs(err, entry, "the native backend knows the options size, mode and noexec");
}

/* Is this directory one of the new root's own tmpfs, and not of a tree that is mounted there? */
static bool is_in_new_root(const char *target, const struct native_facts *facts)
{
	static const char *const others[] = {"dev", "proc", "sys", "etc"};
	size_t len = strcspn(target, "/");

	for (size_t i = 0; i < facts->root_count; i++) {
		if (strlen(facts->root[i].name) == len &&
			memcmp(facts->root[i].name, target, len) == 0) {
			return false;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		if (strlen(others[i]) == len && memcmp(others[i], target, len) == 0) {
			return false;
		}
	}
	return true;
}

static bool has_dir(const struct plan *plan, const char *target)
{
	for (size_t i = 0; i < plan->step_count; i++) {
		const struct plan_step *step = &plan->steps[i];

		if ((step->kind == STEP_DIR || step->kind == STEP_SCRATCH) &&
			strcmp(step->target, target) == 0) {
			return true;
		}
	}
	return false;
}

/* Turn the last step into a scratch directory, with the directories above it made before. */
static void make_scratch(struct plan *plan)
{
	struct plan_step last = plan->steps[--plan->step_count];

	for (const char *c = strchr(last.target, '/'); c != NULL; c = strchr(c + 1, '/')) {
		const char *parent =
			arena_strndup(plan->arena, last.target, (size_t)(c - last.target));

		if (!has_dir(plan, parent)) {
			plan_add(plan, STEP_DIR, parent)->mode = 0755;
		}
	}
	last.kind = STEP_SCRATCH;
	last.size = 0;
	last.attr &= ~(unsigned)ATTR_CHOSEN;
	*plan_add(plan, STEP_SCRATCH, last.target) = last;
}

static int add_one_tmpfs(
	struct plan *plan, const char *entry, const struct native_facts *facts, struct error *err)
{
	const char *colon = strchr(entry, ':');
	size_t len = colon != NULL ? (size_t)(colon - entry) : strlen(entry);
	const char *path = arena_strndup(plan->arena, entry, len);
	const char *rest = colon != NULL ? colon + 1 : "";
	struct plan_step *step;

	if (path[0] != '/' || path[1] == '\0') {
		return bad_tmpfs(err, entry, "the path must be absolute and below /");
	}
	step = plan_add(plan, STEP_TMPFS, plan_relative(path));
	step->attr = ATTR_CHOSEN | ATTR_DIRECTORY;
	step->key = "agents.defaults.sandbox.docker.tmpfs";
	step->mode = strcmp(path, "/run") == 0 ? 0755 : 01777;
	while (*rest != '\0') {
		size_t n = strcspn(rest, ",");
		const char *option = arena_strndup(plan->arena, rest, n);
		int r = n > 0 ? apply_tmpfs_option(entry, option, step, err) : 0;

		if (r < 0) {
			return r;
		}
		rest += n + (rest[n] == ',' ? 1 : 0);
	}
	if (step->size > 0) {
		return 0;
	}
	step->size = TMPFS_BYTES;
	if (is_in_new_root(step->target, facts)) {
		make_scratch(plan);
	}
	return 0;
}

int plan_add_tmpfs(struct plan *plan, const struct sandbox_spec *spec,
	const struct native_facts *facts, struct error *err)
{
	for (size_t i = 0; i < spec->tmpfs.count; i++) {
		int r = add_one_tmpfs(plan, spec->tmpfs.items[i], facts, err);

		if (r < 0) {
			return r;
		}
	}
	return 0;
}

int plan_rlimit_by_name(const char *name)
{
	static const struct {
		const char *name;
		int resource;
	} limits[] = {
		{"as", RLIMIT_AS},
		{"core", RLIMIT_CORE},
		{"cpu", RLIMIT_CPU},
		{"data", RLIMIT_DATA},
		{"fsize", RLIMIT_FSIZE},
		{"locks", RLIMIT_LOCKS},
		{"memlock", RLIMIT_MEMLOCK},
		{"msgqueue", RLIMIT_MSGQUEUE},
		{"nice", RLIMIT_NICE},
		{"nofile", RLIMIT_NOFILE},
		{"nproc", RLIMIT_NPROC},
		{"rss", RLIMIT_RSS},
		{"rtprio", RLIMIT_RTPRIO},
		{"rttime", RLIMIT_RTTIME},
		{"sigpending", RLIMIT_SIGPENDING},
		{"stack", RLIMIT_STACK},
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		if (strcmp(limits[i].name, name) == 0) {
			return limits[i].resource;
		}
	}
	return -EINVAL;
}
