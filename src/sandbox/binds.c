/* SPDX-License-Identifier: MIT */
/* Bind sources against the blocked list and the allowed roots. */
#include "sandbox/binds.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/macro.h"
#include "base/path.h"
#include "policy/bind.h"
#include "policy/text.h"

/* Host secrets, the kernel's interfaces, and engine state: any of them is the host. */
static const char *const blocked_paths[] = {
	"/etc",
	"/private/etc",
	"/proc",
	"/sys",
	"/dev",
	"/root",
	"/boot",
	"/run",
	"/var/run",
	"/private/var/run",
	"/var/lib/docker",
	"/var/lib/containers",
	"/var/lib/containerd",
	"/var/spool/cron",
};

/* Below each home: what signs in elsewhere, or holds this program's own state. */
static const char *const blocked_in_home[] = {
	".ssh",
	".aws",
	".gnupg",
	".docker",
	".kube",
	".config",
	".netrc",
	".npmrc",
	".npm",
	".cargo",
	".git-credentials",
	".env",
	".creel",
	".openclaw",
	".clawdbot",
	".verso",
	".equabot",
};

/* Whoever can write to one of these is root on the host, wherever the socket lies. */
static const char *const engine_sockets[] = {
	"docker.sock",
	"podman.sock",
	"containerd.sock",
	"crio.sock",
};

/* A blocked path that holds the workspace itself (/root, the state directory) says nothing about what
 * lies in that workspace; one that lies inside the workspace (a home with its .ssh) still counts. */
static bool overlaps(
	const char *source, const char *blocked, const char *workspace, bool *ret_contains)
{
	if (workspace != NULL && path_is_below(workspace, blocked)) {
		return false;
	}
	*ret_contains = path_is_below(blocked, source);
	return *ret_contains || path_is_below(source, blocked);
}

static void add_home_blocked(struct arena *a, struct strv *list, const char *home)
{
	for (size_t i = 0; i < ARRAY_SIZE(blocked_in_home); i++) {
		strv_add_ref(list, a, path_join(a, home, blocked_in_home[i]));
	}
}

static const char *first_overlap(
	const struct strv *list, const char *source, const char *workspace, bool *ret_contains)
{
	for (size_t i = 0; i < list->count; i++) {
		if (overlaps(source, list->items[i], workspace, ret_contains)) {
			return list->items[i];
		}
	}
	return NULL;
}

/* "/home/alice" of "/home/alice/x/y"; NULL for anything that is not below a user's home. */
static const char *other_home(struct arena *a, const char *source)
{
	size_t len;

	if (strncmp(source, "/home/", 6) != 0) {
		return NULL;
	}
	len = strcspn(source + 6, "/");
	return len > 0 ? arena_strndup(a, source, 6 + len) : NULL;
}

static const char *engine_socket(const char *source)
{
	const char *name = path_basename(source);

	for (size_t i = 0; i < ARRAY_SIZE(engine_sockets); i++) {
		if (strcmp(name, engine_sockets[i]) == 0) {
			return engine_sockets[i];
		}
	}
	return NULL;
}

void bind_blocked_list(
	struct arena *a, const struct strv *homes, const char *state_dir, struct strv *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(blocked_paths); i++) {
		strv_add_ref(ret, a, blocked_paths[i]);
	}
	for (size_t i = 0; i < homes->count; i++) {
		add_home_blocked(a, ret, homes->items[i]);
	}
	strv_add_ref(ret, a, state_dir);
}

const char *bind_blocked(struct arena *a, const char *source, const struct strv *blocked,
	const char *workspace, bool *ret_contains)
{
	const char *found, *home = other_home(a, source);
	struct strv others = {0};

	*ret_contains = false;
	if (strcmp(source, "/") == 0) {
		return "/";
	}
	found = first_overlap(blocked, source, workspace, ret_contains);
	if (found == NULL && strcmp(source, "/home") == 0) {
		*ret_contains = true;
		found = "/home";
	}
	if (found == NULL && home != NULL) {
		add_home_blocked(a, &others, home);
		found = first_overlap(&others, source, workspace, ret_contains);
	}
	return found != NULL || workspace != NULL ? found : engine_socket(source);
}

/* What the checks of one decision share. */
struct checker {
	struct arena *arena;
	struct decision *decision;
	struct strv homes;
	struct strv blocked; /* as written and canonical */
	struct strv roots, canonical_roots;
};

/* The innermost allowed root that holds a path; NULL: none. */
static const char *root_of(const char *path, const struct strv *roots)
{
	const char *found = NULL;

	for (size_t i = 0; i < roots->count; i++) {
		if (path_is_below(path, roots->items[i]) &&
			(found == NULL || strlen(roots->items[i]) > strlen(found))) {
			found = roots->items[i];
		}
	}
	return found;
}

static int add_canonical(struct checker *c, struct strv *list, const char *path, struct error *err)
{
	char *canonical = NULL;
	bool missing;
	int r = bind_canonical(c->arena, path, &canonical, &missing, err);

	if (r < 0) {
		return r;
	}
	strv_add_ref(list, c->arena, canonical);
	return 0;
}

static int add_home(struct checker *c, const char *home, struct error *err)
{
	/* "/" is some service account's home; everything would lie in it. */
	if (home == NULL || !path_is_absolute(home) ||
		strcmp(path_normalize(c->arena, home), "/") == 0) {
		return 0;
	}
	strv_add_ref(&c->homes, c->arena, path_normalize(c->arena, home));
	return add_canonical(c, &c->homes, home, err);
}

/* Where a blocked path is a link (/var/lib/docker on a larger disk), the place it leads to is as
 * secret as its name. One that cannot be looked at cannot be bound either. */
static void add_blocked(struct checker *c)
{
	size_t count;

	bind_blocked_list(c->arena, &c->homes, c->decision->config->state_dir, &c->blocked);
	count = c->blocked.count;
	for (size_t i = 0; i < count; i++) {
		struct error ignored;
		char *canonical;
		bool missing;

		if (bind_canonical(c->arena, c->blocked.items[i], &canonical, &missing, &ignored) ==
				0 &&
			!missing && !strv_contains(&c->blocked, canonical) &&
			strcmp(canonical, "/") != 0) {
			strv_add_ref(&c->blocked, c->arena, canonical);
		}
	}
}

static int checker_init(struct checker *c, struct decision *d, struct error *err)
{
	const struct passwd *pw = getpwuid(getuid());
	int r;

	*c = (struct checker){.arena = &d->arena, .decision = d};
	r = add_home(c, d->config->home, err);
	if (r == 0 && pw != NULL) {
		r = add_home(c, pw->pw_dir, err);
	}
	return r;
}

/* Directories of the system in which no workspace lies, other than below /root and /run, where people
 * and services have theirs, and in memory. */
static const char *system_dir_above(const char *path)
{
	if (path_is_below(path, "/dev/shm")) {
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(blocked_paths); i++) {
		const char *dir = blocked_paths[i];

		if (path_is_below(path, dir) && strcmp(dir, "/root") != 0 &&
			strcmp(dir, "/run") != 0 && strcmp(dir, "/var/run") != 0) {
			return dir;
		}
	}
	return NULL;
}

/* A directory of keys in a home, or below one; or a directory that holds some among other things. */
static bool is_secret_in(struct arena *a, const char *path, const char *home)
{
	static const char *const keys[] = {".ssh", ".aws", ".gnupg", ".docker", ".kube"};
	struct strv own = {0};

	if (home == NULL || (strcmp(home, "/") != 0 && !path_is_below(path, home))) {
		return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (path_is_below(path, path_join(a, home, keys[i]))) {
			return true;
		}
	}
	add_home_blocked(a, &own, home);
	return strv_contains(&own, path);
}

/* The state directory holds tokens; what lies below it is where workspaces are by default. */
static bool is_secret(const struct checker *c, const char *path)
{
	for (size_t i = 0; i < c->homes.count; i++) {
		if (is_secret_in(c->arena, path, c->homes.items[i])) {
			return true;
		}
	}
	return strcmp(path, c->decision->config->state_dir) == 0 ||
	       is_secret_in(c->arena, path, "/root") ||
	       is_secret_in(c->arena, path, other_home(c->arena, path));
}

/* In words, or NULL: why this canonical path can be no workspace. */
static const char *workspace_fault(const struct checker *c, const char *path)
{
	const char *state_dir = c->decision->config->state_dir, *dir;

	for (size_t i = 0; i < ARRAY_SIZE(blocked_paths); i++) {
		bool is_home = strcmp(blocked_paths[i], "/root") == 0 && strcmp(path, "/root") == 0;

		if (path_is_below(blocked_paths[i], path) && !is_home) {
			return arena_printf(c->arena, "is or contains the system directory '%s'",
				blocked_paths[i]);
		}
	}
	if (is_secret(c, path)) {
		return "is a place of keys or of this program's own state";
	}
	dir = path_is_below(path, state_dir) ? NULL : system_dir_above(path);
	return dir != NULL ? arena_printf(c->arena, "lies in the system directory '%s'", dir)
			   : NULL;
}

static int check_workspace(const struct checker *c, const char *path, struct error *err)
{
	const char *fault;
	char *canonical;
	bool missing;
	int r = bind_canonical(c->arena, path, &canonical, &missing, err);

	if (r < 0) {
		return r;
	}
	fault = workspace_fault(c, canonical);
	return fault == NULL ? 0
			     : error_plain(err, EINVAL,
				       "the workspace '%s' %s; a sandbox never gets that, choose a "
				       "directory of its own",
				       canonical, fault);
}

int bind_check_workspace(struct decision *decision, const char *path, struct error *err)
{
	struct checker c = {.arena = &decision->arena, .decision = decision};
	int r = add_home(&c, decision->config->home, err);

	/* Not the passwd file's home too: looking that up takes longer than all the rest. */
	return r < 0 ? r : check_workspace(&c, path, err);
}

/* A directory that may never be a workspace makes nothing below it any better. */
static int add_root(struct checker *c, const char *root, struct error *err)
{
	struct error unsafe;

	if (check_workspace(c, root, &unsafe) < 0) {
		return 0;
	}
	strv_add_ref(&c->roots, c->arena, root);
	strv_add_ref(&c->canonical_roots, c->arena, root);
	return add_canonical(c, &c->canonical_roots, root, err);
}

/* An error holds about a thousand bytes, and the key must be among them. */
enum { SHOWN_ENTRY_MAX = 200, SHOWN_REASON_MAX = 440 };

static int reject(
	struct error *err, const struct bind_entry *bind, const char *reason, const char *hint)
{
	return error_plain(err, EINVAL, "bind '%.*s%s' is rejected: %.*s (%s)%s%s", SHOWN_ENTRY_MAX,
		bind->raw, strlen(bind->raw) > SHOWN_ENTRY_MAX ? "..." : "", SHOWN_REASON_MAX,
		reason, bind->key, *hint != '\0' ? "; " : "", hint);
}

/* An entry of dangerouslyAllowBindSources names one path exactly. /var/run is an old name of /run on
 * every current system, and people write it; no other link is followed on the entry's side, or whoever
 * can plant one could widen it. */
static bool let_through(const struct checker *c, const char *canonical)
{
	const struct strv *list = &c->decision->allow_bind_sources;

	for (size_t i = 0; i < list->count; i++) {
		const char *path = text_trim(c->arena, list->items[i]);

		if (!path_is_absolute(path)) {
			continue;
		}
		path = path_normalize(c->arena, path);
		if (strcmp(path, canonical) == 0) {
			return true;
		}
		if (strncmp(path, "/var/run/", 9) == 0 && strncmp(canonical, "/run/", 5) == 0 &&
			strcmp(path + 9, canonical + 5) == 0) {
			return true;
		}
	}
	return false;
}

static int check_blocked(struct checker *c, const struct bind_entry *bind, const char *source,
	const char *canonical, const char *workspace, struct error *err)
{
	bool contains;
	const char *blocked = bind_blocked(c->arena, source, &c->blocked, workspace, &contains);

	if (blocked == NULL) {
		return 0;
	}
	return reject(err, bind,
		arena_printf(c->arena, "%s %s: the source '%s' %s the blocked path \"%s\"",
			contains ? "contains blocked" : "blocked", blocked, source,
			contains ? "is or contains" : "is below", blocked),
		arena_printf(c->arena,
			"only docker.dangerouslyAllowBindSources: [\"%s\"] lets exactly "
			"this path through",
			canonical));
}

static int check_place(struct checker *c, const struct bind_entry *bind, const char *source,
	const char *canonical, bool missing, bool excepted, struct error *err)
{
	bool in_roots = root_of(source, &c->roots) != NULL &&
			root_of(canonical, &c->canonical_roots) != NULL;

	if (missing) {
		return reject(err, bind,
			arena_printf(c->arena, "missing: the source '%s' does not exist", source),
			"create it or take the entry out");
	}
	if (!in_roots && !excepted && !c->decision->allow_external_binds) {
		return reject(err, bind,
			arena_printf(c->arena,
				"outside allowed roots: the source '%s' is in neither '%s' "
				"nor '%s'",
				canonical, c->decision->spec.workspace_dir,
				c->decision->spec.agent_workspace_dir),
			"docker.dangerouslyAllowExternalBindSources lifts this");
	}
	return 0;
}

static int check_source(struct checker *c, const struct bind_entry *bind, const char *source,
	struct spec_mount *mount, struct error *err)
{
	const char *workspace;
	char *canonical;
	bool missing, excepted;
	struct error unreadable;
	int r = bind_canonical(c->arena, source, &canonical, &missing, &unreadable);

	if (r < 0) {
		/* A place that may not be looked at is most often one that is blocked by its name. */
		r = check_blocked(c, bind, source, source, NULL, err);
		return r < 0 ? r : reject(err, bind, unreadable.text, "");
	}
	excepted = let_through(c, canonical);
	/* What is mounted anyway may be mounted again; what counts is where the path really leads. */
	workspace = root_of(canonical, &c->canonical_roots);
	if (!excepted) {
		/* As written first, but a workspace's own place below a blocked directory is not
		 * what the person has to be told about. */
		if (workspace == NULL && root_of(source, &c->roots) == NULL) {
			r = check_blocked(c, bind, source, canonical, NULL, err);
		}
		if (r == 0) {
			r = check_blocked(c, bind, canonical, canonical, workspace, err);
		}
	}
	if (r == 0) {
		r = check_place(c, bind, source, canonical, missing, excepted, err);
	}
	if (r < 0) {
		return r;
	}
	mount->source = canonical;
	mount->dangerous = excepted;
	return 0;
}

static struct spec_mount *find_mount(
	struct spec_mount *mounts, size_t count, const struct bind_entry *bind)
{
	for (size_t i = 0; i < count; i++) {
		if (mounts[i].kind == MOUNT_BIND && mounts[i].key == bind->key) {
			return &mounts[i];
		}
	}
	return NULL;
}

static int check_target(const struct checker *c, const struct bind_entry *bind,
	const struct spec_mount *mount, struct error *err)
{
	const struct sandbox_spec *spec = &c->decision->spec;

	for (size_t i = 0; i < spec->mount_count && &spec->mounts[i] != mount; i++) {
		if (spec->mounts[i].kind == MOUNT_BIND &&
			strcmp(spec->mounts[i].target, mount->target) == 0) {
			return reject(err, bind, "duplicate target: an earlier bind has the same",
				spec->mounts[i].raw);
		}
	}
	return 0;
}

static int check_bind(struct checker *c, const struct bind_entry *bind, struct spec_mount *mounts,
	struct error *err)
{
	struct bind_parts parts;
	enum bind_fault fault = bind_parse(c->arena, bind->raw, &parts);
	struct spec_mount *mount;
	int r;

	if (fault == BIND_TARGET_RESERVED && c->decision->allow_reserved_targets) {
		fault = BIND_OK;
	}
	if (fault != BIND_OK) {
		return reject(err, bind, bind_fault_text(fault),
			fault == BIND_TARGET_RESERVED
				? "docker.dangerouslyAllowReservedContainerTargets lifts this"
				: "");
	}
	mount = find_mount(mounts, c->decision->spec.mount_count, bind);
	if (mount == NULL) {
		return reject(err, bind, "it is not among the mounts of this decision", "");
	}
	r = check_target(c, bind, mount, err);
	if (r == 0) {
		r = check_source(c, bind, parts.source, mount, err);
	}
	if (r == 0 && bind_target_is_system(c->arena, mount->target)) {
		r = reject(err, bind, bind_fault_text(BIND_TARGET_SYSTEM), "");
	}
	return r;
}

int binds_resolve(struct decision *decision, struct error *err)
{
	struct sandbox_spec *spec = &decision->spec;
	struct spec_mount *mounts;
	struct checker c;
	int r;

	if (decision->bind_count == 0) {
		return 0;
	}
	if (decision->bind_count > LIMIT_BINDS) {
		return error_plain(err, E2BIG,
			"%zu binds are configured (%s ...); at most %d are made",
			decision->bind_count, decision->binds[0].key, LIMIT_BINDS);
	}
	r = checker_init(&c, decision, err);
	if (r == 0) {
		add_blocked(&c);
		r = add_root(&c, spec->workspace_dir, err);
	}
	if (r == 0) {
		r = add_root(&c, spec->agent_workspace_dir, err);
	}
	if (r < 0) {
		return r;
	}
	/* The decision's array is const to everyone else; here it is completed, in a copy. */
	mounts = arena_calloc(&decision->arena, spec->mount_count, sizeof(*mounts));
	memcpy(mounts, spec->mounts, spec->mount_count * sizeof(*mounts));
	spec->mounts = mounts;
	for (size_t i = 0; i < decision->bind_count; i++) {
		r = check_bind(&c, &decision->binds[i], mounts, err);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}
