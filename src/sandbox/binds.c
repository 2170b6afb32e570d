/* SPDX-License-Identifier: MIT */
/* Bind sources against the blocked list and the allowed roots. */
#include "sandbox/binds.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* The kernel's own limit for links in one lookup (path_resolution(7)). */
enum { LINKS_MAX = 40 };

struct walk {
	struct arena *arena;
	char *rest; /* what is still to be walked */
	const char *done; /* canonical so far */
	int links;
	bool missing;
};

/* Put a link's target in front of the rest. */
static void follow(struct walk *w, const char *target)
{
	if (path_is_absolute(target)) {
		w->done = "/";
	}
	w->rest = arena_printf(w->arena, "%s/%s", target, w->rest);
}

static int read_link(const char *path, char target[PATH_MAX])
{
	ssize_t len = readlink(path, target, PATH_MAX - 1);

	if (len < 0) {
		return -errno;
	}
	target[len] = '\0';
	return 0;
}

/* One component: gone into, followed, or found missing. */
static int step(struct walk *w, const char *name)
{
	char target[PATH_MAX];
	char *next = path_normalize(w->arena, path_join(w->arena, w->done, name));
	int r;

	if (w->missing || strcmp(name, "..") == 0 || strcmp(name, ".") == 0) {
		w->done = next;
		return 0;
	}
	r = read_link(next, target);
	if (r == 0 && ++w->links <= LINKS_MAX) {
		follow(w, target);
		return 0;
	}
	w->done = next;
	if (r == -EINVAL) {
		return 0;
	}
	if (r == 0 || r == -ENOENT || r == -ENOTDIR || r == -ELOOP) {
		w->missing = true;
		return 0;
	}
	return r;
}

int bind_canonical(
	struct arena *a, const char *path, char **ret, bool *ret_missing, struct error *err)
{
	struct walk w = {.arena = a, .rest = arena_strdup(a, path), .done = "/"};
	struct stat st;

	for (;;) {
		char *name = w.rest + strspn(w.rest, "/");
		size_t len = strcspn(name, "/");
		int r;

		if (len == 0) {
			break;
		}
		w.rest = name[len] == '/' ? name + len + 1 : name + len;
		r = step(&w, arena_strndup(a, name, len));
		if (r < 0) {
			return error_set(err, -r, "cannot look at '%s'", w.done);
		}
	}
	*ret = arena_strdup(a, w.done);
	/* A file in the middle shows only here: "file.txt/x". */
	*ret_missing = w.missing || lstat(*ret, &st) < 0;
	return 0;
}

static bool overlaps(const char *source, const char *blocked, bool *ret_contains)
{
	if (path_is_below(blocked, source)) {
		*ret_contains = true;
		return true;
	}
	*ret_contains = false;
	return path_is_below(source, blocked);
}

static const char *blocked_below_home(
	struct arena *a, const char *source, const char *home, bool *ret_contains)
{
	for (size_t i = 0; i < ARRAY_SIZE(blocked_in_home); i++) {
		const char *path = path_join(a, home, blocked_in_home[i]);

		if (overlaps(source, path, ret_contains)) {
			return path;
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

const char *bind_blocked(struct arena *a, const char *source, const struct strv *homes,
	const char *state_dir, bool *ret_contains)
{
	const char *found = NULL, *home;

	*ret_contains = false;
	if (strcmp(source, "/") == 0) {
		return "/";
	}
	for (size_t i = 0; i < ARRAY_SIZE(blocked_paths); i++) {
		if (overlaps(source, blocked_paths[i], ret_contains)) {
			return blocked_paths[i];
		}
	}
	if (strcmp(source, "/home") == 0) {
		*ret_contains = true;
		return "/home";
	}
	for (size_t i = 0; i < homes->count && found == NULL; i++) {
		found = blocked_below_home(a, source, homes->items[i], ret_contains);
	}
	home = other_home(a, source);
	if (found == NULL && home != NULL) {
		found = blocked_below_home(a, source, home, ret_contains);
	}
	if (found == NULL && overlaps(source, state_dir, ret_contains)) {
		found = state_dir;
	}
	if (found == NULL) {
		found = engine_socket(source);
	}
	return found;
}

int bind_check_workspace(struct arena *a, const char *path, struct error *err)
{
	char *canonical;
	bool missing;
	int r = bind_canonical(a, path, &canonical, &missing, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(blocked_paths); i++) {
		bool is_home =
			strcmp(blocked_paths[i], "/root") == 0 && strcmp(canonical, "/root") == 0;

		if (path_is_below(blocked_paths[i], canonical) && !is_home) {
			return error_plain(err, EINVAL,
				"the workspace '%s' is or contains the system directory '%s'; a "
				"sandbox never gets that, choose a directory of its own",
				canonical, blocked_paths[i]);
		}
	}
	return r;
}

/* What the checks of one decision share. */
struct checker {
	struct arena *arena;
	struct decision *decision;
	struct strv homes;
	struct strv roots, canonical_roots;
};

static bool inside(const char *path, const struct strv *roots)
{
	for (size_t i = 0; i < roots->count; i++) {
		if (path_is_below(path, roots->items[i])) {
			return true;
		}
	}
	return false;
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

static int checker_init(struct checker *c, struct decision *d, struct error *err)
{
	const struct passwd *pw = getpwuid(getuid());
	const char *const roots[] = {d->spec.workspace_dir, d->spec.agent_workspace_dir};
	int r;

	*c = (struct checker){.arena = &d->arena, .decision = d};
	r = add_home(c, d->config->home, err);
	if (r == 0 && pw != NULL) {
		r = add_home(c, pw->pw_dir, err);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(roots); i++) {
		strv_add_ref(&c->roots, c->arena, roots[i]);
		strv_add_ref(&c->canonical_roots, c->arena, roots[i]);
		r = add_canonical(c, &c->canonical_roots, roots[i], err);
	}
	return r;
}

static int reject(
	struct error *err, const struct bind_entry *bind, const char *reason, const char *hint)
{
	return error_plain(err, EINVAL, "bind '%s' is rejected: %s (%s)%s%s", bind->raw, reason,
		bind->key, *hint != '\0' ? "; " : "", hint);
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
	const char *canonical, struct error *err)
{
	bool contains;
	const char *blocked = bind_blocked(
		c->arena, source, &c->homes, c->decision->config->state_dir, &contains);

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
	bool in_roots = inside(source, &c->roots) && inside(canonical, &c->canonical_roots);

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
	char *canonical;
	bool missing, excepted, exempt;
	struct error unreadable;
	int r = bind_canonical(c->arena, source, &canonical, &missing, &unreadable);

	if (r < 0) {
		/* A place that may not be looked at is most often one that is blocked by its name. */
		r = check_blocked(c, bind, source, source, err);
		return r < 0 ? r : reject(err, bind, unreadable.text, "");
	}
	excepted = let_through(c, canonical);
	/* What is mounted anyway may be mounted again; what counts is where the path really leads. */
	exempt = inside(canonical, &c->canonical_roots);
	if (!excepted && !exempt) {
		/* As written first, but a workspace's own place below a blocked directory is not
		 * what the person has to be told about. */
		r = inside(source, &c->roots) ? 0 : check_blocked(c, bind, source, canonical, err);
		if (r == 0) {
			r = check_blocked(c, bind, canonical, canonical, err);
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
	return r < 0 ? r : check_source(c, bind, parts.source, mount, err);
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
	r = checker_init(&c, decision, err);
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
