/* SPDX-License-Identifier: MIT */
/* Where the control group of a process is: in directories that the tests make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../scratch.h"
#include "os/cgroup.h"

static char root[SCRATCH_PATH_SIZE];

static void make_dir(const char *path)
{
	char all[PATH_MAX];

	(void)snprintf(all, sizeof(all), "%s%s", root, path);
	for (char *slash = strchr(all + strlen(root) + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash != NULL) {
			*slash = '\0';
		}
		(void)mkdir(all, 0755);
		if (slash == NULL) {
			return;
		}
		*slash = '/';
	}
}

static int make(void **state)
{
	(void)state;
	scratch_make(root, "cgroup");
	make_dir("/memory/docker/aa");
	make_dir("/pids/docker/aa");
	make_dir("/system.slice/docker-bb.scope");
	make_dir("/elsewhere");
	return 0;
}

static int drop(void **state)
{
	(void)state;
	scratch_remove(root);
	return 0;
}

static void expect(const char *lines, enum cgroup_controller controller, const char *path)
{
	char found[PATH_MAX] = "";

	assert_int_equal(cgroup_find(root, lines, controller, found), path != NULL);
	if (path != NULL) {
		assert_string_equal(found + strlen(root), path);
	}
}

static void version_1_has_a_hierarchy_each(void **state)
{
	static const char lines[] =
		"12:pids:/docker/aa\n5:cpu,cpuacct:/docker/aa\n4:memory:/docker/aa\n"
		"1:name=systemd:/docker/aa\n0::/system.slice/docker-bb.scope\n";

	(void)state;
	expect(lines, CGROUP_MEMORY, "/memory/docker/aa");
	expect(lines, CGROUP_PIDS, "/pids/docker/aa");
	/* Not mounted here. */
	expect(lines, CGROUP_CPU, NULL);
}

static void version_2_has_one(void **state)
{
	static const char lines[] = "0::/system.slice/docker-bb.scope\n";

	(void)state;
	expect(lines, CGROUP_MEMORY, "/system.slice/docker-bb.scope");
	expect(lines, CGROUP_PIDS, "/system.slice/docker-bb.scope");
}

static void what_is_not_there_is_not_found(void **state)
{
	static const char *const lines[] = {"", "0::/gone\n", "0::", "12:pids",
		"12:pids:/docker/bb\n", "0::/../elsewhere\n", "0::/system.slice/../../x\n", "x",
		":::\n", "\n\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		expect(lines[i], CGROUP_PIDS, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1_has_a_hierarchy_each),
		cmocka_unit_test(version_2_has_one),
		cmocka_unit_test(what_is_not_there_is_not_found),
	};

	return cmocka_run_group_tests(tests, make, drop);
}
