/* SPDX-License-Identifier: MIT */
/*
 * Skills: folders of instructions that an agent reads. The copies lie in a workspace that the sandbox may
 * write, so that a process in there could leave a changed skill for the next session to follow. A stamp
 * outside the sandbox tells whether they are still what was copied: it covers the time of each file's last
 * change of state, which no process can set.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"
#include "os/sys.h"
#include "sandbox/content.h"
#include "sandbox/copy.h"

enum {
	STAMP_SIZE = 2 * HASH_HEX_SIZE,
	STAMP_MODE = 0600,
	LISTING_MAX = 64 * 1024 * 1024,
};

#define MARK "SKILL.md"
#define FOLDER "skills"

struct skill {
	const char *name, *path;
};

struct skills {
	struct arena *arena;
	struct skill items[LIMIT_SKILLS];
	size_t count;
};

/* --- which --- */

static void add_skill(struct skills *s, const char *root, const char *name)
{
	const char *path = path_join(s->arena, root, name);
	struct stat st;
	size_t i = 0;

	if (name[0] == '.' || stat(path_join(s->arena, path, MARK), &st) < 0 ||
		!S_ISREG(st.st_mode)) {
		return;
	}
	while (i < s->count && strcmp(s->items[i].name, name) != 0) {
		i++;
	}
	if (i == LIMIT_SKILLS) {
		log_debug("skill '%s' is not copied: there are more than %d", path, LIMIT_SKILLS);
		return;
	}
	s->items[i] = (struct skill){.name = name, .path = path};
	s->count += i == s->count ? 1 : 0;
}

static void add_root(struct skills *s, const char *root)
{
	_cleanup_copy_dir_ struct copy_dir dir = COPY_DIR_NONE;
	struct strv names = {0};
	struct error ignored;

	if (copy_dir_open(root, &dir, &ignored) < 0 ||
		copy_names(s->arena, dir.fd, LIMIT_SKILL_FILES, &names, &ignored) < 0) {
		return;
	}
	for (size_t i = 0; i < names.count; i++) {
		add_skill(s, root, names.items[i]);
	}
}

static int agent_index(const struct decision *d)
{
	for (size_t i = 0; i < d->config->agent_count; i++) {
		const json_t *agent = json_array_get(config_get(d->config, "agents.list"), i);
		const char *id = json_string_value(json_object_get(agent, "id"));

		if (id != NULL && strcasecmp(id, d->agent_id) == 0) {
			return (int)i;
		}
	}
	return -1;
}

/* agents.list[].skills: absent means all, [] none. */
static void keep_named(struct skills *s, const json_t *wanted)
{
	size_t kept = 0;

	for (size_t i = 0; wanted != NULL && i < s->count; i++) {
		const json_t *name;
		size_t j;

		json_array_foreach(wanted, j, name)
		{
			if (strcmp(json_string_value(name), s->items[i].name) == 0) {
				s->items[kept++] = s->items[i];
				break;
			}
		}
	}
	if (wanted != NULL) {
		s->count = kept;
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct skill *)a)->name, ((const struct skill *)b)->name);
}

static void find_skills(const struct decision *d, struct skills *s)
{
	const struct config *config = d->config;
	const json_t *agent =
		json_array_get(config_get(config, "agents.list"), (size_t)agent_index(d));
	const json_t *root;
	size_t i;

	json_array_foreach(config_get(config, "skills.load.extraDirs"), i, root)
	{
		const char *path = json_string_value(root);

		if (path != NULL) {
			add_root(s, path_expand_home(s->arena, path, config->home));
		}
	}
	add_root(s, path_join(s->arena, config->state_dir, FOLDER));
	add_root(s, path_join(s->arena, config->home, ".agents/" FOLDER));
	add_root(s, path_join(s->arena, d->spec.agent_workspace_dir, FOLDER));
	keep_named(s, json_object_get(agent, "skills"));
	qsort(s->items, s->count, sizeof(*s->items), by_name);
}

/* --- looking and copying --- */

/* One walk over a skill or over its copy: it lists what is there and, with to, copies it. */
struct walk {
	struct arena *arena;
	int root_fd; /* of the skill: nothing outside it is read */
	bool copied; /* these are the copies: the time of the last change of state counts */
	struct buf *listing;
	size_t files;
	uint64_t bytes;
};

static void list_entry(struct walk *w, const char *path, const struct stat *st)
{
	const struct timespec *when = w->copied ? &st->st_ctim : &st->st_mtim;

	buf_addf(w->listing, "%s%c%o %lld %lld.%09ld %llu\n", path, '\0', st->st_mode,
		(long long)(S_ISDIR(st->st_mode) ? 0 : st->st_size), (long long)when->tv_sec,
		when->tv_nsec, (unsigned long long)st->st_ino);
}

static int count_entry(struct walk *w, const struct stat *st, struct error *err)
{
	w->files++;
	w->bytes += S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
	if (w->files / (w->copied ? LIMIT_SKILLS : 1) > LIMIT_SKILL_FILES ||
		(!w->copied && w->bytes > LIMIT_SKILL_BYTES)) {
		return error_plain(err, E2BIG,
			"it holds more than %d files or %d MiB, which is the most that is copied",
			LIMIT_SKILL_FILES, LIMIT_SKILL_BYTES / 1024 / 1024);
	}
	return 0;
}

static int walk_dir(struct walk *w, int dir_fd, const char *path, int depth,
	const struct copy_dir *to, struct error *err);

/* In the copy a link is a change; in a skill it is followed as far as the skill goes. */
static int open_entry(const struct walk *w, const char *path)
{
	return sys_openat2(w->root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY,
		RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (w->copied ? RESOLVE_NO_SYMLINKS : 0));
}

static int walk_subdir(struct walk *w, int fd, const char *path, int depth,
	const struct copy_dir *to, struct error *err)
{
	_cleanup_copy_dir_ struct copy_dir sub = COPY_DIR_NONE;
	int r = to != NULL ? copy_dir_enter(to, path_basename(path), &sub, err) : 0;

	return r < 0 ? r : walk_dir(w, fd, path, depth - 1, to != NULL ? &sub : NULL, err);
}

static int walk_entry(
	struct walk *w, const char *path, int depth, const struct copy_dir *to, struct error *err)
{
	_cleanup_close_ int fd = open_entry(w, path);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))) {
		if (w->copied) {
			buf_addf(w->listing, "%s: foreign\n", path);
		} else {
			log_debug("'%s' of a skill is not copied: it leaves the skill, or is no "
				  "file",
				path);
		}
		return 0;
	}
	r = count_entry(w, &st, err);
	if (r < 0) {
		return r;
	}
	list_entry(w, path, &st);
	if (S_ISDIR(st.st_mode)) {
		return depth > 0 ? walk_subdir(w, fd, path, depth, to, err)
				 : error_plain(err, E2BIG, "its directories nest too deep");
	}
	return to != NULL ? copy_file(fd, to, path_basename(path), LIMIT_SKILL_BYTES, err) : 0;
}

static int walk_dir(struct walk *w, int dir_fd, const char *path, int depth,
	const struct copy_dir *to, struct error *err)
{
	struct strv names = {0};
	int r = copy_names(w->arena, dir_fd, LIMIT_SKILL_FILES, &names, err);

	for (size_t i = 0; r == 0 && i < names.count; i++) {
		r = walk_entry(w,
			path[0] == '\0' ? names.items[i]
					: path_join(w->arena, path, names.items[i]),
			depth, to, err);
	}
	return r;
}

/* Lists the skill into listing, and copies it into <to>/<name> when there is a to. */
static int walk_skill(struct arena *arena, const struct skill *skill, struct buf *listing,
	const struct copy_dir *to, struct error *err)
{
	_cleanup_copy_dir_ struct copy_dir from = COPY_DIR_NONE;
	_cleanup_copy_dir_ struct copy_dir sub = COPY_DIR_NONE;
	struct walk w = {.arena = arena, .listing = listing};
	int r = copy_dir_open(skill->path, &from, err);

	if (r == 0 && to != NULL) {
		r = copy_dir_enter(to, skill->name, &sub, err);
	}
	if (r < 0) {
		return r;
	}
	w.root_fd = from.fd;
	return walk_dir(&w, from.fd, "", LIMIT_SKILL_DEPTH, to != NULL ? &sub : NULL, err);
}

static void hash_sources(struct skills *s, char ret[HASH_HEX_SIZE])
{
	_cleanup_buf_ struct buf listing = {0};
	size_t kept = 0;

	buf_init(&listing, LISTING_MAX);
	for (size_t i = 0; i < s->count; i++) {
		struct error err;

		buf_addf(&listing, "skill %s\n", s->items[i].path);
		if (walk_skill(s->arena, &s->items[i], &listing, NULL, &err) == 0) {
			s->items[kept++] = s->items[i];
		} else {
			log_debug("skill '%s' is not copied: %s", s->items[i].path, err.text);
		}
	}
	s->count = kept;
	hash_sha256_hex(listing.data != NULL ? listing.data : "", listing.len, ret);
}

/* "" when the copy is not there, or is nothing that was ever copied. */
static void hash_copy(
	struct arena *arena, const struct copy_dir *workspace, char ret[HASH_HEX_SIZE])
{
	_cleanup_buf_ struct buf listing = {0};
	_cleanup_close_ int fd =
		openat(workspace->fd, FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct walk w = {.arena = arena, .root_fd = fd, .copied = true, .listing = &listing};
	struct error ignored;

	ret[0] = '\0';
	buf_init(&listing, LISTING_MAX);
	if (fd >= 0 && walk_dir(&w, fd, "", LIMIT_SKILL_DEPTH + 1, NULL, &ignored) == 0) {
		hash_sha256_hex(listing.data != NULL ? listing.data : "", listing.len, ret);
	}
}

static int copy_skills(struct skills *s, const struct copy_dir *workspace, struct error *err)
{
	_cleanup_copy_dir_ struct copy_dir folder = COPY_DIR_NONE;
	_cleanup_buf_ struct buf listing = {0};
	int r;

	buf_init(&listing, LISTING_MAX);
	copy_remove(workspace->fd, FOLDER);
	r = s->count > 0 ? copy_dir_enter(workspace, FOLDER, &folder, err) : 0;
	for (size_t i = 0; r == 0 && i < s->count; i++) {
		buf_clear(&listing);
		r = walk_skill(s->arena, &s->items[i], &listing, &folder, err);
		if (r < 0) {
			r = error_prefix(err, "cannot copy the skill '%s' into the workspace",
				s->items[i].path);
		}
	}
	return r;
}

/* --- the stamp --- */

/* Locked: two callers of one sandbox take turns. -ENOENT without create: nothing was ever copied. */
static int open_stamp(const struct decision *d, struct arena *arena, bool create, struct error *err)
{
	const char *dir = path_join(arena, d->config->state_dir, "sandbox");
	_cleanup_close_ int fd = FD_NONE;
	int dir_fd;

	if (create && ((mkdir(d->config->state_dir, 0700) < 0 && errno != EEXIST) ||
			      (mkdir(dir, 0700) < 0 && errno != EEXIST))) {
		return error_set(err, errno, "cannot make the directory '%s'", dir);
	}
	dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd >= 0) {
		fd = openat(dir_fd, arena_printf(arena, "%s.skills", d->spec.name),
			O_RDWR | O_NOFOLLOW | O_CLOEXEC | (create ? O_CREAT : 0), STAMP_MODE);
		(void)close(dir_fd);
	}
	if (fd < 0 || flock(fd, LOCK_EX) < 0) {
		return error_set(err, errno, "cannot use the stamp of the skills in '%s'", dir);
	}
	return TAKE_FD(fd);
}

static void read_stamp(int fd, char ret[STAMP_SIZE])
{
	ssize_t n = pread(fd, ret, STAMP_SIZE - 1, 0);

	ret[n > 0 ? n : 0] = '\0';
}

static int mirror_locked(struct skills *s, const struct copy_dir *workspace, int stamp_fd,
	const char *source, struct error *err)
{
	char known[STAMP_SIZE], copy[HASH_HEX_SIZE];
	const char *stamp;
	int r;

	hash_copy(s->arena, workspace, copy);
	read_stamp(stamp_fd, known);
	if ((copy[0] != '\0') == (s->count > 0) &&
		strcmp(known, arena_printf(s->arena, "%s %s", source, copy)) == 0) {
		return 0;
	}
	/* Cut off from here on, it is done again. */
	if (ftruncate(stamp_fd, 0) < 0) {
		return error_set(err, errno, "cannot write the stamp of the skills");
	}
	r = copy_skills(s, workspace, err);
	if (r < 0) {
		return r;
	}
	hash_copy(s->arena, workspace, copy);
	stamp = arena_printf(s->arena, "%s %s", source, copy);
	return pwrite(stamp_fd, stamp, strlen(stamp), 0) == (ssize_t)strlen(stamp)
		       ? 0
		       : error_set(err, errno, "cannot write the stamp of the skills");
}

int skills_mirror(const struct decision *decision, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_copy_dir_ struct copy_dir workspace = COPY_DIR_NONE;
	struct skills s = {.arena = &arena};
	char source[HASH_HEX_SIZE];
	_cleanup_close_ int stamp_fd = FD_NONE;
	int r;

	if (decision->spec.access == ACCESS_RW) {
		return 0;
	}
	find_skills(decision, &s);
	hash_sources(&s, source);
	stamp_fd = open_stamp(decision, &arena, s.count > 0, err);
	/* A folder of that name which was never ours stays. */
	if (stamp_fd == -ENOENT && s.count == 0) {
		return 0;
	}
	if (stamp_fd < 0) {
		return stamp_fd;
	}
	r = copy_dir_open(decision->spec.workspace_dir, &workspace, err);
	return r < 0 ? r : mirror_locked(&s, &workspace, stamp_fd, source, err);
}
