/* SPDX-License-Identifier: MIT */
/* Bind sources in a real directory tree: links, dangling links, roots, exceptions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../policy/fixture.h"
#include "../scratch.h"
#include "base/macro.h"
#include "sandbox/binds.h"
#include "sandbox/hash.h"
#include "sandbox/resolve.h"
#include "sandbox/workspace.h"

/* One home per test: <top>/home with a workspace in it, and a few links. */
struct tree {
	struct arena arena;
	char top[SCRATCH_PATH_SIZE];
	const char *home;
};

static const char *at(struct tree *t, const char *path)
{
	return arena_printf(&t->arena, "%s/%s", t->home, path);
}

static void make_dir(struct tree *t, const char *path)
{
	assert_int_equal(mkdir(at(t, path), 0755), 0);
}

static void make_link(struct tree *t, const char *path, const char *target)
{
	assert_int_equal(symlink(target, at(t, path)), 0);
}

static int set_up(void **state)
{
	struct tree *t = xcalloc(1, sizeof(*t));

	scratch_make(t->top, "binds");
	t->home = arena_printf(&t->arena, "%s/home", t->top);
	assert_int_equal(mkdir(t->home, 0755), 0);
	make_dir(t, ".openclaw");
	make_dir(t, ".openclaw/workspace");
	make_dir(t, ".openclaw/workspace/proj");
	make_dir(t, ".openclaw/workspace2");
	make_dir(t, ".ssh");
	make_dir(t, "ext");
	make_dir(t, "ext/data");
	make_link(t, ".openclaw/workspace/to-etc", "/etc");
	make_link(t, ".openclaw/workspace/up", "../..");
	make_link(t, ".openclaw/workspace/dangling", "/etc/creel-no-such-file");
	make_link(t, ".openclaw/workspace/nowhere", "gone/further");
	make_link(t, ".openclaw/workspace/loop", "loop");
	make_link(t, ".openclaw/workspace/in", "proj");
	make_link(t, "ext/to-ws", "../.openclaw/workspace");
	make_link(t, "ext/sock", "/var/run/docker.sock");
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct tree *t = *state;

	scratch_remove(t->top);
	arena_finish(&t->arena);
	free(t);
	return 0;
}

/* A configuration of this home with these docker keys. */
static struct config *tree_config(struct tree *t, const char *docker)
{
	struct config *config = fixture_new(
		arena_printf(&t->arena,
			"{\"agents\":{\"defaults\":{\"sandbox\":{\"mode\":\"all\",\"docker\":{%s}}}}}",
			docker),
		"openclaw");

	config->home = t->home;
	config->state_dir = at(t, ".openclaw");
	return config;
}

/* "" when it is accepted, else what the error says. Memory from the tree. */
static const char *resolve(struct tree *t, const char *docker)
{
	struct config *config = tree_config(t, docker);
	struct decision *d = fixture_decide(config, &(struct decide_request){0});
	const char *reason;
	struct error err;
	const char *said = "";

	if (sandbox_resolve(d, 0, &reason, &err) < 0) {
		said = arena_strdup(&t->arena, err.text);
	} else {
		assert_non_null(reason);
		assert_int_equal(strlen(d->spec.config_hash), 64);
		assert_non_null(d->spec.user);
	}
	(void)decision_free(d);
	fixture_free(config);
	return said;
}

static const char *bind_one(struct tree *t, const char *source, const char *more)
{
	return resolve(t, arena_printf(&t->arena, "\"binds\":[\"%s:/x:ro\"]%s", source, more));
}

#define EXTERNAL ",\"dangerouslyAllowExternalBindSources\":true"

struct source_row {
	const char *source; /* ~ is the home */
	const char *more, *expect;
};

static void sources_are_judged_by_where_they_lead(void **state)
{
	static const struct source_row rows[] = {
		{"~/.openclaw/workspace/proj", "", ""},
		{"~/.openclaw/workspace", "", ""},
		{"~/.openclaw/workspace/in", "", ""},
		{"~/.openclaw/workspace/../workspace/proj", "", ""},
		{"~/.openclaw/workspace/to-etc", "", "contains blocked /etc"},
		{"~/.openclaw/workspace/to-etc/passwd", EXTERNAL, "blocked /etc"},
		{"~/.openclaw/workspace/dangling", EXTERNAL, "blocked /etc"},
		{"~/.openclaw/workspace/up", EXTERNAL, "contains blocked"},
		{"~/.openclaw/workspace/up/ext/data", "", "outside allowed roots"},
		{"~/.openclaw/workspace/up/ext/data", EXTERNAL, ""},
		{"~/.openclaw/workspace/nowhere", EXTERNAL, "missing"},
		{"~/.openclaw/workspace/loop", EXTERNAL, "missing"},
		{"~/.openclaw/workspace/absent", "", "missing"},
		{"~/.openclaw/workspace2", EXTERNAL, ".openclaw"},
		{"~/.openclaw", EXTERNAL, "contains blocked"},
		{"~/.ssh", EXTERNAL, "contains blocked"},
		{"~", EXTERNAL, "contains blocked"},
		{"~/ext/data", "", "outside allowed roots"},
		{"~/ext/data", EXTERNAL, ""},
		{"~/ext/to-ws", "", "outside allowed roots"},
		{"~/ext/to-ws", EXTERNAL, ""},
		{"~/ext/sock", EXTERNAL, "blocked"},
		{"/", EXTERNAL, "blocked /"},
		{"/var", EXTERNAL, "contains blocked /var/run"},
		{"/home", EXTERNAL, "/home"},
		{"/home/somebody/.ssh/id", EXTERNAL, "blocked /home/somebody/.ssh"},
		{"/proc/self", EXTERNAL, "blocked /proc"},
		{"/usr", "", "outside allowed roots"},
		{"/usr", EXTERNAL, ""},
	};
	struct tree *t = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *source = rows[i].source[0] == '~' ? arena_printf(&t->arena, "%s%s",
									t->home, rows[i].source + 1)
							      : rows[i].source;
		const char *said = bind_one(t, source, rows[i].more);

		if (rows[i].expect[0] == '\0') {
			assert_string_equal(said, "");
		} else if (strstr(said, rows[i].expect) == NULL) {
			print_error("%s: '%s' not in '%s'\n", source, rows[i].expect, said);
			fail();
		} else {
			/* The entry and the key are named. */
			assert_non_null(strstr(said, source));
			assert_non_null(strstr(said, "agents.defaults.sandbox.docker.binds[0]"));
		}
	}
}

static void one_exact_path_is_let_through(void **state)
{
	struct tree *t = *state;
	const char *ssh = at(t, ".ssh");
	struct config *config;
	struct decision *d;
	const char *reason;
	struct error err;

	assert_string_equal(
		bind_one(t, ssh,
			arena_printf(&t->arena, ",\"dangerouslyAllowBindSources\":[\"%s/\"]", ssh)),
		"");
	/* Neither its parent nor what lies below it. */
	assert_string_not_equal(
		bind_one(t, t->home,
			arena_printf(&t->arena, ",\"dangerouslyAllowBindSources\":[\"%s\"]", ssh)),
		"");
	assert_int_equal(mkdir(at(t, ".ssh/keys"), 0700), 0);
	assert_string_not_equal(
		bind_one(t, at(t, ".ssh/keys"),
			arena_printf(&t->arena, ",\"dangerouslyAllowBindSources\":[\"%s\"]", ssh)),
		"");
	/* An entry that is a link names the link, not what somebody makes it point to. */
	assert_string_not_equal(
		bind_one(t, at(t, ".openclaw/workspace/to-etc"),
			arena_printf(&t->arena, ",\"dangerouslyAllowBindSources\":[\"%s\"]",
				at(t, ".openclaw/workspace/to-etc"))),
		"");
	config = tree_config(
		t, arena_printf(&t->arena,
			   "\"binds\":[\"%s:/x\"],\"dangerouslyAllowBindSources\":[\"%s\"]", ssh,
			   ssh));
	d = fixture_decide(config, &(struct decide_request){0});
	assert_int_equal(sandbox_resolve(d, 0, &reason, &err), 0);
	assert_true(d->spec.mounts[1].dangerous);
	assert_false(d->spec.mounts[0].dangerous);
	(void)decision_free(d);
	fixture_free(config);
}

static void the_socket_of_the_examples(void **state)
{
	struct tree *t = *state;
	const char *said;

	said = bind_one(t, "/var/run/docker.sock", EXTERNAL);
	assert_non_null(strstr(said, "blocked /var/run"));
	assert_non_null(strstr(said, "dangerouslyAllowBindSources"));
	/* No engine here: let through, and then missing (contract D18). */
	said = bind_one(t, "/var/run/docker.sock",
		",\"dangerouslyAllowBindSources\":[\"/var/run/docker.sock\"]");
	if (access("/var/run/docker.sock", F_OK) == 0) {
		assert_string_equal(said, "");
	} else {
		assert_non_null(strstr(said, "missing"));
	}
}

static void targets_are_taken_once(void **state)
{
	struct tree *t = *state;
	const char *proj = at(t, ".openclaw/workspace/proj");

	assert_non_null(
		strstr(resolve(t, arena_printf(&t->arena, "\"binds\":[\"%s:/a\",\"%s:/b/../a:ro\"]",
					  proj, proj)),
			"duplicate target"));
	assert_non_null(
		strstr(resolve(t, arena_printf(&t->arena, "\"binds\":[\"%s:/workspace/x\"]", proj)),
			"reserved target"));
	assert_string_equal(resolve(t, arena_printf(&t->arena,
					       "\"binds\":[\"%s:/workspace/x\"],"
					       "\"dangerouslyAllowReservedContainerTargets\":true",
					       proj)),
		"");
	assert_non_null(strstr(resolve(t, "\"network\":\"host\""), "network 'host'"));
}

/* ---- the rest of resolving ---- */

static void workspaces_are_made_when_asked(void **state)
{
	struct tree *t = *state;
	struct config *config = tree_config(t, "");
	struct decision *d = fixture_decide(config, &(struct decide_request){0});
	const char *reason;
	struct error err;
	struct stat st;

	assert_int_equal(sandbox_resolve(d, 0, &reason, &err), 0);
	assert_int_equal(stat(d->spec.workspace_dir, &st), -1);
	(void)decision_free(d);
	d = fixture_decide(config, &(struct decide_request){0});
	assert_int_equal(sandbox_resolve(d, RESOLVE_CREATE, &reason, &err), 0);
	assert_int_equal(stat(d->spec.workspace_dir, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0700);
	(void)decision_free(d);
	fixture_free(config);
}

static void a_planted_workspace_link_is_refused(void **state)
{
	struct tree *t = *state;
	struct config *config = tree_config(t, "");
	struct decision *d = fixture_decide(config, &(struct decide_request){0});
	const char *reason;
	struct error err;

	make_dir(t, ".openclaw/sandboxes");
	assert_int_equal(symlink(at(t, "ext/data"), d->spec.workspace_dir), 0);
	assert_int_equal(sandbox_resolve(d, RESOLVE_CREATE, &reason, &err), -ELOOP);
	assert_non_null(strstr(err.text, "symbolic link"));
	(void)decision_free(d);
	fixture_free(config);
}

static void a_file_is_no_workspace(void **state)
{
	struct tree *t = *state;
	FILE *file = fopen(at(t, "ext/file"), "we");
	struct error err;

	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(
		workspace_prepare(&t->arena, at(t, "ext/file"), WORKSPACE_GIVEN, false, &err),
		-ENOTDIR);
	assert_int_equal(
		workspace_prepare(&t->arena, at(t, "ext/file/x"), WORKSPACE_OWN, true, &err),
		-ENOTDIR);
	assert_int_equal(
		workspace_prepare(&t->arena, at(t, "ext/gone"), WORKSPACE_GIVEN, true, &err),
		-ENOENT);
	assert_non_null(strstr(err.text, "ext/gone"));
	assert_int_equal(
		workspace_prepare(&t->arena, at(t, "ext/a/b/c"), WORKSPACE_AGENT, true, &err), 0);
	/* Twice is once. */
	assert_int_equal(
		workspace_prepare(&t->arena, at(t, "ext/a/b/c"), WORKSPACE_OWN, true, &err), 0);
}

static void the_owner_of_the_workspace_is_the_user(void **state)
{
	struct tree *t = *state;
	const char *workspace = at(t, "ext/data");
	struct config *config = tree_config(t, "");
	struct decision *d;
	const char *reason;
	struct error err;

	if (geteuid() == 0) {
		assert_int_equal(chown(workspace, 1234, 4321), 0);
	}
	d = fixture_decide(config, &(struct decide_request){.workspace = workspace});
	assert_int_equal(sandbox_resolve(d, 0, &reason, &err), 0);
	if (geteuid() == 0) {
		assert_string_equal(d->spec.user, "1234:4321");
	} else {
		assert_string_equal(
			d->spec.user, arena_printf(&t->arena, "%u:%u", geteuid(), getegid()));
	}
	assert_int_equal(d->spec.backend, BACKEND_NATIVE);
	(void)decision_free(d);
	fixture_free(config);
}

static void without_a_sandbox_the_host_is_used(void **state)
{
	struct tree *t = *state;
	struct config *config = fixture_new("{}", "openclaw");
	struct decision *d;
	const char *reason;
	struct error err;

	config->home = t->home;
	config->state_dir = at(t, ".openclaw");
	d = fixture_decide(config, &(struct decide_request){0});
	assert_int_equal(sandbox_resolve(d, 0, &reason, &err), 0);
	assert_int_equal(d->spec.backend, BACKEND_HOST);
	assert_string_equal(d->spec.workspace_dir, at(t, ".openclaw/workspace"));
	assert_non_null(strstr(reason, "off"));
	(void)decision_free(d);
	fixture_free(config);
}

/* What decide() says of one bind under a configuration of its own. */
static const char *bind_with_workspace(struct tree *t, const char *workspace, const char *source)
{
	struct config *config = fixture_new(
		arena_printf(&t->arena,
			"{\"agents\":{\"defaults\":{\"workspace\":\"%s\",\"sandbox\":{\"mode\":\"all\","
			"\"docker\":{\"binds\":[\"%s:/x:ro\"]}}}}}",
			workspace, source),
		"openclaw");
	struct decision *d;
	const char *reason, *said = "";
	struct error err;

	config->home = t->home;
	config->state_dir = at(t, ".openclaw");
	d = fixture_decide(config, &(struct decide_request){0});
	if (sandbox_resolve(d, 0, &reason, &err) < 0) {
		said = arena_strdup(&t->arena, err.text);
	}
	(void)decision_free(d);
	fixture_free(config);
	return said;
}

/* With workspaceAccess none the agent's workspace is not mounted, but binds may come from it. */
static void a_workspace_opens_nothing_that_is_blocked(void **state)
{
	struct tree *t = *state;

	assert_non_null(strstr(bind_with_workspace(t, "/", "/etc"), "blocked /etc"));
	assert_non_null(strstr(bind_with_workspace(t, "/etc", "/etc/ssl"), "blocked /etc"));
	assert_non_null(strstr(bind_with_workspace(t, t->home, at(t, ".ssh")), ".ssh"));
	assert_non_null(strstr(bind_with_workspace(t, t->home, t->home), "contains blocked"));
	assert_string_equal(bind_with_workspace(t, t->home, at(t, "ext/data")), "");
	assert_string_equal(bind_with_workspace(t, at(t, ".openclaw/workspace2"),
				    at(t, ".openclaw/workspace2")),
		"");
}

/* /var/lib/docker on a larger disk, keys kept elsewhere: the place is as secret as the name. */
static void a_blocked_link_blocks_where_it_leads(void **state)
{
	struct tree *t = *state;

	make_dir(t, "ext/keys");
	make_link(t, ".gnupg", at(t, "ext/keys"));
	assert_non_null(strstr(bind_one(t, at(t, "ext/keys"), EXTERNAL), "blocked"));
	assert_non_null(strstr(bind_one(t, at(t, "ext"), EXTERNAL), "contains blocked"));
	assert_string_equal(bind_one(t, at(t, "ext/data"), EXTERNAL), "");
}

static void a_long_entry_does_not_hide_the_reason(void **state)
{
	struct tree *t = *state;
	char name[3000];

	(void)memset(name, 'a', sizeof(name) - 1);
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	assert_non_null(strstr(bind_one(t, name, EXTERNAL), "binds[0]"));
}

static void the_system_is_no_workspace(void **state)
{
	static const struct {
		const char *path;
		bool refused;
	} rows[] = {
		{"/", true},
		{"/etc", true},
		{"/etc/ssl", true},
		{"/var", true},
		{"/proc/..", true},
		{"/proc/sys", true},
		{"/dev/shm/x", false},
		{"/dev/pts", true},
		{"/boot/x", true},
		{"/run/user/0/x", false},
		{"/root", false},
		{"/root/.ssh", true},
		{"/home/alice/.ssh/x", true},
		{"/home/alice/.config", true},
		{"/home/alice/.config/app/workspace", false},
		{"/home/alice", false},
		{"/srv", false},
		{"/usr/x", false},
		{"/etcetera", false},
	};
	struct tree *t = *state;
	struct config *config = tree_config(t, "");
	struct decision *checked = fixture_decide(config, &(struct decide_request){0});
	struct error err;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		/* Root's own home; to others it is a place that they cannot reach. */
		if (geteuid() != 0 && strcmp(rows[i].path, "/root/.ssh") == 0) {
			continue;
		}
		if (bind_check_workspace(checked, rows[i].path, &err) !=
			(rows[i].refused ? -EINVAL : 0)) {
			fail_msg("%s", rows[i].path);
		}
	}
	make_link(t, "ext/root", "/");
	assert_int_equal(bind_check_workspace(checked, at(t, "ext/root"), &err), -EINVAL);
	assert_int_equal(bind_check_workspace(checked, at(t, ".ssh"), &err), -EINVAL);
	assert_int_equal(bind_check_workspace(checked, at(t, ".openclaw"), &err), -EINVAL);
	assert_int_equal(bind_check_workspace(checked, at(t, ".openclaw/workspace"), &err), 0);
	assert_int_equal(bind_check_workspace(checked, t->home, &err), 0);
	(void)decision_free(checked);
	for (size_t i = 0; i < 2; i++) {
		struct decision *d = fixture_decide(config,
			&(struct decide_request){.workspace = i == 0 ? "/" : at(t, "ext/root")});
		const char *reason;

		assert_int_equal(sandbox_resolve(d, RESOLVE_CREATE, &reason, &err), -EINVAL);
		assert_non_null(strstr(err.text, "system directory"));
		(void)decision_free(d);
	}
	fixture_free(config);
}

/* ---- the hash ---- */

static char *hash_text(struct arena *a, const char *json)
{
	json_t *value = json_loads(json, 0, NULL);
	char *hash;

	assert_non_null(value);
	hash = config_hash_json(a, value);
	json_decref(value);
	return hash;
}

static void the_hash_is_that_of_the_original(void **state)
{
	struct tree *t = *state;
	struct config *config = fixture_new(
		"{\"agents\":{\"defaults\":{\"sandbox\":{\"mode\":\"all\",\"scope\":\"agent\",\"docker\":"
		"{\"user\":\"1000:1000\"}}}}}",
		"openclaw");
	struct decision *d = fixture_decide(config, &(struct decide_request){0});

	assert_string_equal(
		config_hash(d), "75dbc28d6e549ca58500d72bee6b0cd9dcdc3b422b14d651e2ede2f788bd622b");
	(void)decision_free(d);
	fixture_free(config);
	/* Keys in any order, lists in theirs; null is absence. */
	assert_string_equal(hash_text(&t->arena, "{\"a\":{\"X\":\"1\",\"y\":2},\"b\":null}"),
		hash_text(&t->arena, "{\"a\":{\"y\":2,\"X\":\"1\"}}"));
	assert_string_not_equal(hash_text(&t->arena, "{\"tmpfs\":[\"x\",\"y\"]}"),
		hash_text(&t->arena, "{\"tmpfs\":[\"y\",\"x\"]}"));
	/* sha256 of {"_":1,"a":0.1,"B":"\n"}, computed with sha256sum. */
	assert_string_equal(hash_text(&t->arena, "{\"B\":\"\\n\",\"a\":0.1,\"_\":1}"),
		"1383e9620b9ec3448362f754bb7fd66cc0d10cb7e59d7c49114dd12652a82811");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			sources_are_judged_by_where_they_lead, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_exact_path_is_let_through, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_socket_of_the_examples, set_up, tear_down),
		cmocka_unit_test_setup_teardown(targets_are_taken_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(workspaces_are_made_when_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_planted_workspace_link_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_is_no_workspace, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_owner_of_the_workspace_is_the_user, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			without_a_sandbox_the_host_is_used, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_workspace_opens_nothing_that_is_blocked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_blocked_link_blocks_where_it_leads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_long_entry_does_not_hide_the_reason, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_system_is_no_workspace, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_hash_is_that_of_the_original, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
