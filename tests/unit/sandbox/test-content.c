/* SPDX-License-Identifier: MIT */
/* What is put into a sandbox's workspace: bootstrap files, skills, media; and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../policy/fixture.h"
#include "../scratch.h"
#include "base/limits.h"
#include "base/macro.h"
#include "sandbox/content.h"

struct tree {
	struct arena arena;
	char top[SCRATCH_PATH_SIZE];
	struct config *config;
	struct decision *decision;
};

static const char *at(struct tree *t, const char *path)
{
	return arena_printf(&t->arena, "%s/%s", t->top, path);
}

static void make_dir(struct tree *t, const char *path)
{
	assert_int_equal(mkdir(at(t, path), 0755), 0);
}

static void put(struct tree *t, const char *path, const char *text)
{
	FILE *file = fopen(at(t, path), "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static const char *get(struct tree *t, const char *path)
{
	char text[256];
	FILE *file = fopen(at(t, path), "re");
	size_t n;

	if (file == NULL) {
		return "(absent)";
	}
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	(void)fclose(file);
	return arena_strdup(&t->arena, text);
}

static bool there(struct tree *t, const char *path)
{
	struct stat st;

	return lstat(at(t, path), &st) == 0;
}

static void decide_as(struct tree *t, const char *json)
{
	if (t->config != NULL) {
		t->decision = decision_free(t->decision);
		fixture_free(t->config);
	}
	t->config = fixture_new(json, "openclaw");
	t->config->home = at(t, "home");
	t->config->state_dir = at(t, "home/.openclaw");
	t->decision = fixture_decide(t->config, &(struct decide_request){0});
	t->decision->spec.workspace_dir = at(t, "sandbox");
	t->decision->spec.agent_workspace_dir = at(t, "agent");
}

#define ACCESS_NONE_JSON "{\"agents\":{\"defaults\":{\"sandbox\":{\"mode\":\"all\"}}}}"

static int set_up(void **state)
{
	struct tree *t = xcalloc(1, sizeof(*t));

	scratch_make(t->top, "content");
	make_dir(t, "home");
	make_dir(t, "home/.openclaw");
	make_dir(t, "home/.openclaw/media");
	make_dir(t, "agent");
	make_dir(t, "sandbox");
	decide_as(t, ACCESS_NONE_JSON);
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct tree *t = *state;

	scratch_remove(t->top);
	t->decision = decision_free(t->decision);
	fixture_free(t->config);
	arena_finish(&t->arena);
	free(t);
	return 0;
}

/* --- bootstrap files --- */

static void seed(struct tree *t)
{
	struct error err = {0};

	assert_int_equal(bootstrap_seed(t->decision, &err), 0);
}

static void bootstrap_files_are_copied_once(void **state)
{
	struct tree *t = *state;

	put(t, "agent/AGENTS.md", "rules");
	put(t, "agent/SOUL.md", "soul");
	put(t, "agent/secrets.md", "not asked for");
	put(t, "sandbox/SOUL.md", "mine");
	seed(t);
	assert_string_equal(get(t, "sandbox/AGENTS.md"), "rules");
	assert_string_equal(get(t, "sandbox/SOUL.md"), "mine");
	assert_false(there(t, "sandbox/secrets.md"));
	assert_false(there(t, "sandbox/TOOLS.md"));
	put(t, "agent/AGENTS.md", "new rules");
	seed(t);
	assert_string_equal(get(t, "sandbox/AGENTS.md"), "rules");
}

static void bootstrap_files_stay_out(void **state)
{
	struct tree *t = *state;

	put(t, "agent/AGENTS.md", "rules");
	decide_as(t,
		"{\"agents\":{\"defaults\":{\"skipBootstrap\":true,\"sandbox\":{\"mode\":\"all\"}}}}");
	seed(t);
	assert_false(there(t, "sandbox/AGENTS.md"));
	decide_as(t, "{\"agents\":{\"defaults\":{\"sandbox\":{\"mode\":\"all\","
		     "\"workspaceAccess\":\"rw\"}}}}");
	seed(t);
	assert_false(there(t, "sandbox/AGENTS.md"));
}

static void bootstrap_links_lead_nowhere(void **state)
{
	struct tree *t = *state;

	put(t, "home/key", "secret");
	assert_int_equal(symlink("../home/key", at(t, "agent/USER.md")), 0);
	assert_int_equal(mkfifo(at(t, "agent/TOOLS.md"), 0600), 0);
	/* And one that waits in the workspace for somebody to write through it. */
	put(t, "agent/AGENTS.md", "rules");
	assert_int_equal(symlink("../home/made", at(t, "sandbox/AGENTS.md")), 0);
	seed(t);
	assert_false(there(t, "sandbox/USER.md"));
	assert_false(there(t, "sandbox/TOOLS.md"));
	assert_false(there(t, "home/made"));
}

/* --- skills --- */

static void make_skill(struct tree *t, const char *root, const char *name, const char *text)
{
	const char *dir = arena_printf(&t->arena, "%s/%s", root, name);

	(void)mkdir(at(t, root), 0755);
	make_dir(t, dir);
	put(t, arena_printf(&t->arena, "%s/SKILL.md", dir), text);
}

static void mirror(struct tree *t)
{
	struct error err = {0};
	int r = skills_mirror(t->decision, &err);

	if (r < 0) {
		print_error("%s\n", err.text);
	}
	assert_int_equal(r, 0);
}

static ino_t inode(struct tree *t, const char *path)
{
	struct stat st;

	assert_int_equal(lstat(at(t, path), &st), 0);
	return st.st_ino;
}

static void a_later_root_wins(void **state)
{
	struct tree *t = *state;

	make_skill(t, "home/.openclaw/skills", "git", "managed");
	make_skill(t, "home/.openclaw/skills", "mail", "managed mail");
	make_skill(t, "agent/skills", "git", "workspace");
	make_dir(t, "agent/skills/empty");
	make_dir(t, "agent/skills/git/scripts");
	put(t, "agent/skills/git/scripts/run", "#!/bin/sh");
	assert_int_equal(chmod(at(t, "agent/skills/git/scripts/run"), 0755), 0);
	mirror(t);
	assert_string_equal(get(t, "sandbox/skills/git/SKILL.md"), "workspace");
	assert_string_equal(get(t, "sandbox/skills/mail/SKILL.md"), "managed mail");
	assert_int_equal(access(at(t, "sandbox/skills/git/scripts/run"), X_OK), 0);
	assert_false(there(t, "sandbox/skills/empty"));
}

static void skills_are_copied_again_when_something_changed(void **state)
{
	struct tree *t = *state;
	const char *copy = "sandbox/skills/git/SKILL.md";
	struct timespec times[2];
	struct stat st;
	ino_t first;

	make_skill(t, "agent/skills", "git", "text");
	mirror(t);
	first = inode(t, copy);
	mirror(t);
	assert_int_equal(inode(t, copy), first);

	/* Changed inside, with the same length and time. */
	assert_int_equal(lstat(at(t, copy), &st), 0);
	put(t, copy, "evil");
	times[0] = times[1] = st.st_mtim;
	assert_int_equal(utimensat(AT_FDCWD, at(t, copy), times, 0), 0);
	mirror(t);
	assert_string_equal(get(t, copy), "text");

	/* Added to, inside. */
	put(t, "sandbox/skills/git/more", "more");
	mirror(t);
	assert_false(there(t, "sandbox/skills/git/more"));

	put(t, "agent/skills/git/SKILL.md", "longer text");
	mirror(t);
	assert_string_equal(get(t, copy), "longer text");

	scratch_remove(at(t, "agent/skills"));
	mirror(t);
	assert_false(there(t, "sandbox/skills"));
}

static void a_folder_of_the_sandbox_stays(void **state)
{
	struct tree *t = *state;

	make_dir(t, "sandbox/skills");
	put(t, "sandbox/skills/own", "own");
	mirror(t);
	assert_string_equal(get(t, "sandbox/skills/own"), "own");
}

static void skills_do_not_leave_their_folder(void **state)
{
	struct tree *t = *state;

	put(t, "home/key", "secret");
	make_skill(t, "agent/skills", "git", "text");
	assert_int_equal(symlink("../../../home/key", at(t, "agent/skills/git/key")), 0);
	assert_int_equal(symlink("SKILL.md", at(t, "agent/skills/git/inside")), 0);
	mirror(t);
	assert_false(there(t, "sandbox/skills/git/key"));
	assert_string_equal(get(t, "sandbox/skills/git/inside"), "text");

	/* The sandbox puts a link where the copies go: it is taken away, and nothing follows it. */
	scratch_remove(at(t, "sandbox/skills"));
	make_dir(t, "home/victim");
	put(t, "home/victim/keep", "kept");
	assert_int_equal(symlink("../home/victim", at(t, "sandbox/skills")), 0);
	mirror(t);
	assert_string_equal(get(t, "home/victim/keep"), "kept");
	assert_false(there(t, "home/victim/git"));
	assert_string_equal(get(t, "sandbox/skills/git/SKILL.md"), "text");
}

static void an_agent_names_its_skills(void **state)
{
	struct tree *t = *state;

	make_skill(t, "agent/skills", "git", "git");
	make_skill(t, "agent/skills", "mail", "mail");
	decide_as(t, "{\"agents\":{\"defaults\":{\"sandbox\":{\"mode\":\"all\"}},"
		     "\"list\":[{\"id\":\"main\",\"skills\":[\"mail\"]}]}}");
	mirror(t);
	assert_false(there(t, "sandbox/skills/git"));
	assert_string_equal(get(t, "sandbox/skills/mail/SKILL.md"), "mail");
	decide_as(t, "{\"agents\":{\"defaults\":{\"sandbox\":{\"mode\":\"all\"}},"
		     "\"list\":[{\"id\":\"main\",\"skills\":[]}]}}");
	mirror(t);
	assert_false(there(t, "sandbox/skills"));
}

static void a_skill_over_the_limits_is_left_out(void **state)
{
	struct tree *t = *state;
	int fd;

	make_skill(t, "agent/skills", "big", "big");
	make_skill(t, "agent/skills", "small", "small");
	fd = open(at(t, "agent/skills/big/data"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, LIMIT_SKILL_BYTES + 1), 0);
	(void)close(fd);
	mirror(t);
	assert_false(there(t, "sandbox/skills/big"));
	assert_string_equal(get(t, "sandbox/skills/small/SKILL.md"), "small");
}

/* --- media --- */

static int stage(struct tree *t, const char *source, const char **ret)
{
	struct error err = {0};
	int r = media_stage(t->decision, source, ret, &err);

	assert_true(r == 0 || err.text[0] != '\0');
	return r;
}

static void media_gets_a_name_of_its_own(void **state)
{
	struct tree *t = *state;
	const char *path = NULL;

	put(t, "home/.openclaw/media/a.b.png", "one");
	assert_int_equal(stage(t, at(t, "home/.openclaw/media/a.b.png"), &path), 0);
	assert_string_equal(path, "media/inbound/a.b.png");
	put(t, "home/.openclaw/media/a.b.png", "two");
	assert_int_equal(
		stage(t,
			arena_printf(&t->arena, "file://%s", at(t, "home/.openclaw/media/a.b.png")),
			&path),
		0);
	assert_string_equal(path, "media/inbound/a.b-1.png");
	assert_string_equal(get(t, "sandbox/media/inbound/a.b.png"), "one");
	assert_string_equal(get(t, "sandbox/media/inbound/a.b-1.png"), "two");
}

static void media_comes_from_the_media_directory_alone(void **state)
{
	struct tree *t = *state;
	const char *path = NULL;

	put(t, "home/key", "secret");
	make_dir(t, "home/.openclaw/media/dir");
	assert_int_equal(symlink(at(t, "home/key"), at(t, "home/.openclaw/media/link")), 0);
	assert_int_equal(link(at(t, "home/key"), at(t, "home/.openclaw/media/hard")), 0);
	assert_int_equal(symlink(at(t, "home"), at(t, "home/.openclaw/media/out")), 0);
	assert_int_equal(stage(t, at(t, "home/key"), &path), -EINVAL);
	assert_int_equal(stage(t, at(t, "home/.openclaw/media/../../key"), &path), -EINVAL);
	assert_int_equal(stage(t, at(t, "home/.openclaw/media/link"), &path), -ELOOP);
	assert_int_equal(stage(t, at(t, "home/.openclaw/media/out/key"), &path), -ELOOP);
	assert_int_equal(stage(t, at(t, "home/.openclaw/media/hard"), &path), -EINVAL);
	assert_int_equal(stage(t, at(t, "home/.openclaw/media/dir"), &path), -EINVAL);
	assert_int_equal(stage(t, at(t, "home/.openclaw/media"), &path), -EINVAL);
	assert_int_equal(stage(t, at(t, "home/.openclaw/media/none"), &path), -ENOENT);
	assert_int_equal(stage(t, "key", &path), -EINVAL);
	assert_int_equal(stage(t, "https://example.org/x", &path), -EINVAL);
	assert_int_equal(stage(t, "", &path), -EINVAL);
	assert_null(path);
	assert_false(there(t, "sandbox/media/inbound/key"));
}

static void media_has_a_largest_size(void **state)
{
	struct tree *t = *state;
	const char *path = NULL;

	put(t, "home/.openclaw/media/film", "");
	assert_int_equal(truncate(at(t, "home/.openclaw/media/film"), LIMIT_MEDIA_FILE + 1), 0);
	assert_int_equal(stage(t, at(t, "home/.openclaw/media/film"), &path), -EFBIG);
	assert_false(there(t, "sandbox/media/inbound/film"));
	assert_int_equal(truncate(at(t, "home/.openclaw/media/film"), LIMIT_MEDIA_FILE), 0);
	assert_int_equal(stage(t, at(t, "home/.openclaw/media/film"), &path), 0);
}

static void media_follows_no_link_in_the_workspace(void **state)
{
	struct tree *t = *state;
	const char *path = NULL;

	put(t, "home/.openclaw/media/a", "text");
	make_dir(t, "home/victim");
	assert_int_equal(symlink("../home/victim", at(t, "sandbox/media")), 0);
	assert_true(stage(t, at(t, "home/.openclaw/media/a"), &path) < 0);
	assert_int_equal(unlink(at(t, "sandbox/media")), 0);
	make_dir(t, "sandbox/media");
	assert_int_equal(symlink("../../home/victim", at(t, "sandbox/media/inbound")), 0);
	assert_true(stage(t, at(t, "home/.openclaw/media/a"), &path) < 0);
	assert_int_equal(unlink(at(t, "sandbox/media/inbound")), 0);
	make_dir(t, "sandbox/media/inbound");
	assert_int_equal(symlink("../../../home/victim/a", at(t, "sandbox/media/inbound/a")), 0);
	assert_int_equal(stage(t, at(t, "home/.openclaw/media/a"), &path), 0);
	assert_string_equal(path, "media/inbound/a-1");
	assert_false(there(t, "home/victim/a"));
	assert_false(there(t, "home/victim/inbound"));
}

/* The owner of the workspace can use what was put there. */
static void copies_belong_to_the_owner_of_the_workspace(void **state)
{
	struct tree *t = *state;
	const char *path = NULL;
	struct stat st;

	if (geteuid() != 0) {
		skip();
	}
	assert_int_equal(chown(at(t, "sandbox"), 4711, 4712), 0);
	put(t, "agent/AGENTS.md", "rules");
	put(t, "home/.openclaw/media/a", "text");
	make_skill(t, "agent/skills", "git", "text");
	seed(t);
	mirror(t);
	assert_int_equal(stage(t, at(t, "home/.openclaw/media/a"), &path), 0);
	for (size_t i = 0; i < 5; i++) {
		static const char *const made[] = {"sandbox/AGENTS.md", "sandbox/skills/git",
			"sandbox/skills/git/SKILL.md", "sandbox/media", "sandbox/media/inbound/a"};

		assert_int_equal(lstat(at(t, made[i]), &st), 0);
		assert_int_equal(st.st_uid, 4711);
		assert_int_equal(st.st_gid, 4712);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(bootstrap_files_are_copied_once),
		CASE(bootstrap_files_stay_out),
		CASE(bootstrap_links_lead_nowhere),
		CASE(a_later_root_wins),
		CASE(skills_are_copied_again_when_something_changed),
		CASE(a_folder_of_the_sandbox_stays),
		CASE(skills_do_not_leave_their_folder),
		CASE(an_agent_names_its_skills),
		CASE(a_skill_over_the_limits_is_left_out),
		CASE(media_gets_a_name_of_its_own),
		CASE(media_comes_from_the_media_directory_alone),
		CASE(media_has_a_largest_size),
		CASE(media_follows_no_link_in_the_workspace),
		CASE(copies_belong_to_the_owner_of_the_workspace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
