/* SPDX-License-Identifier: MIT */
/* The probe finds each thing that is not as decided. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../scratch.h"
#include "base/buf.h"
#include "base/macro.h"
#include "cli/probe.h"

static const struct spec_mount mounts[] = {
	{.kind = MOUNT_WORKSPACE, .source = "/ws", .target = "/workspace"},
	{.kind = MOUNT_BIND, .source = "/data", .target = "/da ta", .read_only = true},
};
static const struct spec_ulimit ulimits[] = {{.name = "nofile", .soft = 64, .hard = 128}};
static const char *tmpfs[] = {"/tmp:size=1m", NULL};
static const char *env_items[] = {"PATH=/bin", "A=1", NULL};

static const struct sandbox_spec spec = {
	.backend = BACKEND_NATIVE,
	.image = "image:1",
	.user = "1000:1001",
	.workdir = "/workspace",
	.read_only_root = true,
	.network = "none",
	.tmpfs = {.items = tmpfs, .count = 1},
	.env = {.items = env_items, .count = 2},
	.pids_limit = 100,
	.memory = 1 << 20,
	.mounts = mounts,
	.mount_count = 2,
	.ulimits = ulimits,
	.ulimit_count = 1,
};

/* What `creel-init --look` prints where all is well; sections end in '#' here. */
static const char good[] =
	"descriptors\n0\n1\n2\n#"
	"status\nName:\tinit\nUid:\t1000\t1000\t1000\t1000\nGid:\t1001\t1001\t1001\t1001\n"
	"CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
	"CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n#"
	"mounts\n1 0 0:1 / / ro,nosuid shared:1 - tmpfs tmpfs rw\n"
	"2 1 8:1 /ws /workspace rw,nosuid - ext4 /dev/x rw\n"
	"3 1 8:1 /data /da\\040ta ro,nosuid - ext4 /dev/x rw\n"
	"4 1 0:2 / /tmp rw - tmpfs tmpfs rw\n"
	"5 1 8:1 /i /run/creel/init ro - ext4 /dev/x rw\n"
	"6 1 0:3 / /proc rw - proc proc rw\n#"
	"limits\nLimit    Soft Limit   Hard Limit   Units\nMax open files   64    128     files\n"
	"Max processes   101    101     processes\n#"
	"network\nInter-| face |\n"
	"    lo:       0       0\n#"
	"namespaces\ncgroup:[1]\nipc:[2]\nmnt:[3]\nnet:[4]\npid:[5]\nuser:[6]\nuts:[7]\n#"
	"environment\nPATH=1e38b39ca6823f4b\nA=af63ac4c86019afc\n#"
	"calls\nadd_key 1\nptrace 1\n#"
	"workdir\n/workspace#";

static const char *good_look(void)
{
	static char text[sizeof(good)];

	for (size_t i = 0; i < sizeof(good); i++) {
		text[i] = good[i] == '#' ? '\0' : good[i];
	}
	return text;
}

/* good with one text in place of another. */
static void look_at(const char *from, const char *to, struct probe *ret)
{
	struct buf text = {0};
	const char *at = from != NULL ? strstr(good, from) : NULL;
	const struct strv env = {.items = env_items, .count = 2};
	struct probe_look look;

	if (from != NULL) {
		assert_non_null(at);
		buf_add(&text, good, (size_t)(at - good));
		buf_add_str(&text, to);
		buf_add_str(&text, at + strlen(from));
	} else {
		buf_add_str(&text, good);
	}
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '#') {
			text.data[i] = '\0';
		}
	}
	look = (struct probe_look){text.data, text.len};
	*ret = (struct probe){.checks = json_array()};
	probe_inside(ret, &spec, &look, &env);
	buf_finish(&text);
}

static const char *first_difference(const struct probe *probe)
{
	const json_t *check;
	size_t i;

	json_array_foreach(probe->checks, i, check)
	{
		if (!json_is_true(json_object_get(check, "same"))) {
			return json_string_value(json_object_get(check, "check"));
		}
	}
	return "none";
}

static void all_is_as_decided(void **state)
{
	struct probe probe;

	(void)state;
	look_at(NULL, NULL, &probe);
	assert_string_equal(first_difference(&probe), "none");
	assert_int_equal(probe.different, 0);
	assert_true(json_array_size(probe.checks) > 20);
	probe_finish(&probe);
}

static void each_difference_inside_is_found(void **state)
{
	static const struct {
		const char *from, *to, *check;
	} rows[] = {
		{"Uid:\t1000\t1000", "Uid:\t1000\t0", "user"},
		{"Gid:\t1001", "Gid:\t0", "group"},
		{"CapBnd:\t0000000000000000", "CapBnd:\t0000000000000001", "capabilities CapBnd"},
		{"CapAmb:\t0000000000000000\n", "", "capabilities CapAmb"},
		{"NoNewPrivs:\t1", "NoNewPrivs:\t0", "no new privileges"},
		{"Seccomp:\t2", "Seccomp:\t0", "seccomp mode"},
		{"net:[4]\n", "", "namespace net"},
		{"/ / ro,nosuid", "/ / rw,nosuid", "mount /"},
		{"/workspace rw", "/workspace ro", "mount /workspace"},
		{"/da\\040ta ro", "/da\\040ta rw", "mount /da ta"},
		{"/run/creel/init ro", "/run/creel/init rw", "mount /run/creel/init"},
		{"/tmp rw - tmpfs", "/tmp rw - ext4", "tmpfs /tmp"},
		{"6 1 0:3 / /proc rw - proc", "6 1 8:1 / /x rw - ext4", "other writable mounts"},
		{"/da\\040ta ro,nosuid", "/other ro", "mount /da ta"},
		{"64    128", "64    256", "ulimit nofile"},
		{"    lo:", "  eth0: 1\n    lo:", "network interfaces"},
		{"\nA=af63ac4c86019afc", "", "variables that are missing"},
		{"A=af63ac4c86019afc", "A=1e38b39ca6823f4b", "variables with other values"},
		{"\nA=", "\nSECRET=1\nA=", "other variables"},
		{"ptrace 1", "ptrace 5", "refused system calls that were let through"},
		{"101    101", "102    102", "pids limit"},
		{"101    101", "unlimited    unlimited", "pids limit"},
		{"0\n1\n2\n", "0\n1\n2\n7\n", "open descriptors"},
		{"workdir\n/workspace", "workdir\n/", "working directory"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct probe probe;

		look_at(rows[i].from, rows[i].to, &probe);
		if (probe.different == 0 || strcmp(first_difference(&probe), rows[i].check) != 0) {
			fail_msg("row %zu: '%s' differs first, not '%s'", i,
				first_difference(&probe), rows[i].check);
		}
		probe_finish(&probe);
	}
}

/* The sandbox is as it is: what is false is the decision. */
static void each_falsified_decision_is_found(void **state)
{
	static const struct spec_mount other_access[] = {
		{.kind = MOUNT_WORKSPACE, .target = "/workspace", .read_only = true}};
	static const struct spec_mount other_place[] = {
		{.kind = MOUNT_BIND, .target = "/elsewhere", .read_only = true}};
	static const struct spec_ulimit other_limit[] = {{.name = "nofile", .soft = 1, .hard = 1}};
	static const char *other_tmpfs[] = {"/var/tmp", NULL}, *other_env[] = {"PATH=/sbin", NULL};
	const struct strv env = {.items = env_items, .count = 2};
	struct probe_look look = {.data = good_look(), .len = sizeof(good) - 1};
	struct sandbox_spec lies[9];
	static const char *const found[] = {"user", "working directory", "mount /",
		"mount /workspace", "mount /elsewhere", "tmpfs /var/tmp", "ulimit nofile",
		"pids limit", "variables with other values"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		lies[i] = spec;
	}
	lies[0].user = "0:0";
	lies[1].workdir = "/";
	lies[2].read_only_root = false;
	lies[3].mounts = other_access;
	lies[3].mount_count = 1;
	lies[4].mounts = other_place;
	lies[4].mount_count = 1;
	lies[5].tmpfs = (struct strv){.items = other_tmpfs, .count = 1};
	lies[6].ulimits = other_limit;
	lies[7].pids_limit = 7;
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		const struct strv false_env = {.items = other_env, .count = 1};
		struct probe probe = {.checks = json_array()};

		probe_inside(&probe, &lies[i], &look, i == 8 ? &false_env : &env);
		assert_true(probe.different > 0);
		assert_string_equal(first_difference(&probe), found[i]);
		probe_finish(&probe);
	}
}

static const char inspected[] =
	"{\"Config\":{\"Image\":\"image:1\",\"User\":\"1000:1001\",\"WorkingDir\":\"/workspace\","
	"\"Env\":[\"PATH=/bin\",\"A=1\",\"IMAGE=x\"]},"
	"\"HostConfig\":{\"NetworkMode\":\"none\",\"ReadonlyRootfs\":true,\"Privileged\":false,"
	"\"CapDrop\":null,\"CapAdd\":null,\"IpcMode\":\"private\",\"PidMode\":\"\","
	"\"Tmpfs\":{\"/tmp\":\"size=1m\"},\"PidsLimit\":100,\"Memory\":1048576,\"NanoCpus\":0,"
	"\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":64,\"Hard\":128}],\"Dns\":[],\"ExtraHosts\":null,"
	"\"RestartPolicy\":{\"Name\":\"no\"},\"LogConfig\":{\"Type\":\"none\"}},"
	"\"Mounts\":[{\"Destination\":\"/workspace\",\"Source\":\"/ws\",\"RW\":true},"
	"{\"Destination\":\"/da ta\",\"Source\":\"/data\",\"RW\":false},"
	"{\"Destination\":\"/run/creel\"},{\"Destination\":\"/run/creel/init\"}]}";

static void ask_engine(const char *from, const char *to, struct probe *ret)
{
	struct buf text = {0};
	const char *at = from != NULL ? strstr(inspected, from) : NULL;
	json_t *object;

	assert_true(from == NULL || at != NULL);
	buf_add(&text, inspected, from != NULL ? (size_t)(at - inspected) : strlen(inspected));
	if (from != NULL) {
		buf_add_str(&text, to);
		buf_add_str(&text, at + strlen(from));
	}
	object = json_loadb(text.data, text.len, 0, NULL);
	assert_non_null(object);
	*ret = (struct probe){.checks = json_array()};
	probe_engine(ret, &spec, object);
	json_decref(object);
	buf_finish(&text);
}

static void each_difference_of_an_engine_is_found(void **state)
{
	static const struct {
		const char *from, *to, *check;
	} rows[] = {
		{NULL, NULL, "none"},
		{"image:1", "image:2", "image"},
		{"1000:1001", "0:0", "user"},
		{"\"WorkingDir\":\"/workspace\"", "\"WorkingDir\":\"/\"", "working directory"},
		{"A=1", "A=2", "variables that differ"},
		{"\"NetworkMode\":\"none\"", "\"NetworkMode\":\"host\"", "network"},
		{"\"ReadonlyRootfs\":true", "\"ReadonlyRootfs\":false", "read-only root"},
		{"\"Privileged\":false", "\"Privileged\":true", "privileged"},
		{"\"CapDrop\":null", "\"CapDrop\":[\"CHOWN\"]", "capabilities dropped"},
		{"\"CapAdd\":null", "\"CapAdd\":[\"SYS_ADMIN\"]", "capabilities added"},
		{"\"IpcMode\":\"private\"", "\"IpcMode\":\"host\"", "ipc namespace"},
		{"\"PidMode\":\"\"", "\"PidMode\":\"host\"", "pid namespace"},
		{"size=1m", "size=2m", "tmpfs /tmp"},
		{"\"PidsLimit\":100", "\"PidsLimit\":-1", "pids limit"},
		{"\"Memory\":1048576", "\"Memory\":0", "memory"},
		{"\"NanoCpus\":0", "\"NanoCpus\":5", "cpus, in billionths"},
		{"\"Hard\":128", "\"Hard\":129", "ulimit nofile"},
		{"\"Dns\":[]", "\"Dns\":[\"1.1.1.1\"]", "dns"},
		{"\"Name\":\"no\"}", "\"Name\":\"always\"}", "restart policy"},
		{"\"Type\":\"none\"", "\"Type\":\"json-file\"", "log"},
		{"\"Source\":\"/ws\"", "\"Source\":\"/etc\"", "mount /workspace"},
		{"\"RW\":false", "\"RW\":true", "mount /da ta"},
		{"{\"Destination\":\"/run/creel\"},", "", "number of mounts"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct probe probe;

		ask_engine(rows[i].from, rows[i].to, &probe);
		if (strcmp(first_difference(&probe), rows[i].check) != 0) {
			fail_msg("row %zu: '%s' differs first, not '%s'", i,
				first_difference(&probe), rows[i].check);
		}
		probe_finish(&probe);
	}
}

static void put_group(const char *root, const char *dir, const char *name, const char *value)
{
	char path[256];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", root, dir);
	(void)mkdir(path, 0755);
	(void)snprintf(path, sizeof(path), "%s/%s/%s", root, dir, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(value, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void check_groups(const char *root, const char *lines, const char *pids, const char *differs)
{
	static const bool nothing[LAYER_COUNT_];
	struct sandbox_spec limited = spec;
	struct probe probe = {.checks = json_array()};

	limited.backend = BACKEND_DOCKER;
	limited.cpu_millis = 500;
	limited.pids_limit = atoi(pids);
	probe_groups(&probe, &limited, nothing, root, lines);
	assert_int_equal(json_array_size(probe.checks), 3);
	assert_string_equal(first_difference(&probe), differs);
	probe_finish(&probe);
}

static void groups_of_both_versions_are_compared(void **state)
{
	char root[SCRATCH_PATH_SIZE];

	(void)state;
	scratch_make(root, "probe");
	put_group(root, "two", "memory.max", "1048576\n");
	put_group(root, "two", "cpu.max", "50000 100000\n");
	put_group(root, "two", "pids.max", "100\n");
	check_groups(root, "0::/two\n", "100", "none");
	check_groups(root, "0::/two\n", "99", "pids limit");
	check_groups(root, "0::/gone\n", "100", "memory");
	put_group(root, "two", "cpu.max", "max 100000\n");
	check_groups(root, "0::/two\n", "100", "cpu quota");
	put_group(root, "memory", "memory.limit_in_bytes", "1048576\n");
	put_group(root, "cpu", "cpu.cfs_quota_us", "50000\n");
	put_group(root, "pids", "pids.max", "max\n");
	check_groups(root, "3:memory:/\n2:cpu,cpuacct:/\n1:pids:/\n", "100", "pids limit");
	scratch_remove(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_as_decided),
		cmocka_unit_test(each_difference_inside_is_found),
		cmocka_unit_test(each_falsified_decision_is_found),
		cmocka_unit_test(each_difference_of_an_engine_is_found),
		cmocka_unit_test(groups_of_both_versions_are_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
