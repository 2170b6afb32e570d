/* SPDX-License-Identifier: MIT */
/* What an engine is asked for, and the messages between Creel and its engine client. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/docker/create.h"
#include "backend/docker/message.h"
#include "backend/docker/seccomp.h"
#include "base/clock.h"

static struct arena arena;

static const struct spec_mount mounts[] = {
	{.kind = MOUNT_WORKSPACE, .source = "/home/u/ws", .target = "/workspace"},
	{.kind = MOUNT_BIND,
		.source = "/srv/a",
		.target = "/a",
		.read_only = true,
		.raw = "/srv/a:/a:ro"},
	{.kind = MOUNT_BIND, .source = "/srv/b", .target = "/b", .raw = "/srv/b:/b:rw,z"},
};
static const struct spec_ulimit ulimits[] = {{"nofile", 64, 128}, {"core", -1, -1}};

static struct sandbox_spec make_spec(void)
{
	struct sandbox_spec spec = {
		.name = "creel-sbx-x",
		.scope_key = "agent:main",
		.image = "img:1",
		.user = "1000:1000",
		.workdir = "/workspace",
		.read_only_root = true,
		.network = "none",
		.pids_limit = 512,
		.memory = 1 << 20,
		.memory_swap = -1,
		.cpu_millis = 1500,
		.ulimits = ulimits,
		.ulimit_count = 2,
		.mounts = mounts,
		.mount_count = 3,
		.label_prefix = "openclaw.",
		.instance = "0123456789abcdef",
		.config_hash = "ff",
	};

	strv_add(&spec.env, &arena, "A=b");
	strv_add(&spec.tmpfs, &arena, "/tmp");
	strv_add(&spec.tmpfs, &arena, "/s:size=4m");
	strv_add(&spec.cap_drop, &arena, "ALL");
	strv_add(&spec.security_opt, &arena, "no-new-privileges");
	return spec;
}

static json_t *body_of(const struct sandbox_spec *spec, bool once)
{
	const struct create_opts opts = {
		.init_path = "/usr/libexec/creel/creel-init",
		.run_dir = "/run/creel-abc/run",
		.once = once,
		.now_ms = 1700000000000,
	};
	struct error err;
	json_t *body = NULL;

	assert_int_equal(docker_create_body(spec, &opts, &body, &err), 0);
	return body;
}

static void assert_json(const json_t *value, const char *expected)
{
	json_t *wanted = json_loads(expected, JSON_DECODE_ANY, NULL);
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);

	assert_non_null(wanted);
	if (!json_equal(value, wanted)) {
		print_error("%s\n", text != NULL ? text : "nothing");
	}
	free(text);
	assert_true(json_equal(value, wanted));
	json_decref(wanted);
}

static json_t *security_of(const json_t *body)
{
	return json_object_get(json_object_get(body, "HostConfig"), "SecurityOpt");
}

static void test_every_key_is_in_the_body(void **state)
{
	struct sandbox_spec spec = make_spec();
	json_t *body = body_of(&spec, true);

	(void)state;
	/* Some of them are there once per processor: see the next test. */
	assert_int_equal(json_object_del(json_object_get(body, "HostConfig"), "MaskedPaths"), 0);
	/* The default profile has tests of its own. */
	assert_int_equal(json_array_remove(security_of(body), 1), 0);
	assert_json(body,
		"{\"Image\":\"img:1\",\"User\":\"1000:1000\",\"WorkingDir\":\"/workspace\","
		"\"Env\":[\"A=b\"],\"Entrypoint\":[\"/run/creel/init\"],"
		"\"Cmd\":[\"--dir\",\"/run/creel\",\"--once\"],\"Healthcheck\":{\"Test\":[\"NONE\"]},"
		"\"Labels\":{\"openclaw.sandbox\":\"1\",\"openclaw.sessionKey\":\"agent:main\","
		"\"openclaw.createdAtMs\":\"1700000000000\",\"openclaw.configHash\":\"ff\","
		"\"creel.instance\":\"0123456789abcdef\",\"creel.image\":\"img:1\","
		"\"creel.once\":\"1\"},"
		"\"HostConfig\":{\"NetworkMode\":\"none\",\"ReadonlyRootfs\":true,"
		"\"Tmpfs\":{\"/tmp\":\"\",\"/s\":\"size=4m\"},\"CapDrop\":[\"ALL\"],\"Dns\":[],"
		"\"ExtraHosts\":[],\"RestartPolicy\":{\"Name\":\"no\"},"
		"\"LogConfig\":{\"Type\":\"none\"},\"AutoRemove\":true,\"IpcMode\":\"private\","
		"\"Privileged\":false,\"PublishAllPorts\":false,\"Binds\":[\"/srv/b:/b:rw,z\"],"
		"\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/home/u/ws\",\"Target\":\"/workspace\","
		"\"ReadOnly\":false,\"BindOptions\":{\"Propagation\":\"rprivate\","
		"\"NonRecursive\":false}},{\"Type\":\"bind\",\"Source\":\"/srv/a\",\"Target\":\"/a\","
		"\"ReadOnly\":true,\"BindOptions\":{\"Propagation\":\"rprivate\","
		"\"NonRecursive\":true}},{\"Type\":\"bind\",\"Source\":\"/run/creel-abc/run\","
		"\"Target\":\"/run/creel\",\"ReadOnly\":true,\"BindOptions\":{\"Propagation\":"
		"\"rprivate\",\"NonRecursive\":true}},{\"Type\":\"bind\",\"Source\":"
		"\"/usr/libexec/creel/creel-init\",\"Target\":\"/run/creel/init\",\"ReadOnly\":true,"
		"\"BindOptions\":{\"Propagation\":\"rprivate\",\"NonRecursive\":true}}],"
		"\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":64,\"Hard\":128},"
		"{\"Name\":\"core\",\"Soft\":-1,\"Hard\":-1}],\"PidsLimit\":512,\"Memory\":1048576,"
		"\"MemorySwap\":-1,\"NanoCpus\":1500000000,\"SecurityOpt\":[\"no-new-privileges\"]}}");
	json_decref(body);
}

static void test_gpus(void **state)
{
	static const struct {
		const char *gpus, *expected;
	} rows[] = {
		{"all", "[{\"Driver\":\"\",\"Capabilities\":[[\"gpu\"]],\"Count\":-1}]"},
		{"2", "[{\"Driver\":\"\",\"Capabilities\":[[\"gpu\"]],\"Count\":2}]"},
		{"device=0,GPU-1",
			"[{\"Driver\":\"\",\"Capabilities\":[[\"gpu\"]],\"DeviceIDs\":[\"0\",\"GPU-1\"]}]"},
	};
	static const char *const wrong[] = {"0", "-1", "device=", "devices=1", "", "all,2"};
	const struct create_opts opts = {.init_path = "/i", .run_dir = "/r"};
	struct sandbox_spec spec = make_spec();
	struct error err;
	json_t *body;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		spec.gpus = rows[i].gpus;
		body = body_of(&spec, false);
		assert_json(json_object_get(json_object_get(body, "HostConfig"), "DeviceRequests"),
			rows[i].expected);
		json_decref(body);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		spec.gpus = wrong[i];
		assert_int_equal(docker_create_body(&spec, &opts, &body, &err), -EINVAL);
	}
}

static bool holds(const json_t *list, const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (strcmp(json_string_value(item), text) == 0) {
			return true;
		}
	}
	return false;
}

static void test_what_the_kernel_tells_is_covered(void **state)
{
	static const char *const paths[] = {"/proc/acpi", "/proc/asound", "/proc/interrupts",
		"/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
		"/proc/scsi", "/proc/slabinfo", "/proc/timer_list", "/proc/timer_stats",
		"/sys/firmware", "/sys/devices/virtual/powercap",
		"/sys/devices/system/cpu/cpu0/thermal_throttle"};
	struct sandbox_spec spec = make_spec();
	json_t *body = body_of(&spec, true);
	const json_t *list = json_object_get(json_object_get(body, "HostConfig"), "MaskedPaths");

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_true(holds(list, paths[i]));
	}
	json_decref(body);
}

static void test_what_is_not_set_is_not_asked_for(void **state)
{
	struct sandbox_spec spec = make_spec();
	const json_t *host;
	json_t *body;

	(void)state;
	spec.user = NULL;
	spec.pids_limit = spec.memory = spec.memory_swap = spec.cpu_millis = 0;
	body = body_of(&spec, false);
	host = json_object_get(body, "HostConfig");
	assert_null(json_object_get(body, "User"));
	assert_null(json_object_get(host, "PidsLimit"));
	assert_null(json_object_get(host, "Memory"));
	assert_null(json_object_get(host, "MemorySwap"));
	assert_null(json_object_get(host, "NanoCpus"));
	assert_null(json_object_get(host, "Runtime"));
	assert_true(json_is_false(json_object_get(host, "AutoRemove")));
	assert_json(json_object_get(body, "Cmd"), "[\"--dir\",\"/run/creel\"]");
	json_decref(body);
}

static void test_a_profile_has_to_be_readable(void **state)
{
	struct sandbox_spec spec = make_spec();
	const struct create_opts opts = {.init_path = "/i", .run_dir = "/r"};
	json_t *body = NULL;
	struct error err;

	(void)state;
	strv_add(&spec.security_opt, &arena, "seccomp=/nosuch/profile.json");
	assert_int_equal(docker_create_body(&spec, &opts, &body, &err), -ENOENT);
	assert_non_null(strstr(err.text, "docker.seccompProfile"));
	assert_null(body);
}

static const char *profile_of(struct sandbox_spec *spec, bool read_only, const char *user)
{
	json_t *body;
	const char *text;

	spec->read_only_root = read_only;
	spec->user = user;
	body = body_of(spec, true);
	assert_int_equal(json_array_size(security_of(body)), 2);
	text = arena_strdup(&arena, json_string_value(json_array_get(security_of(body), 1)));
	json_decref(body);
	assert_memory_equal(text, "seccomp={", strlen("seccomp={"));
	return text;
}

static void test_without_a_profile_there_is_one(void **state)
{
	struct sandbox_spec spec = make_spec();
	const char *strict = profile_of(&spec, true, "0:0");

	(void)state;
	assert_string_equal(profile_of(&spec, true, "1000:1000"), strict);
	assert_string_equal(profile_of(&spec, false, "1000:1000"), strict);
	assert_string_equal(profile_of(&spec, false, "00"), strict);
	assert_string_not_equal(profile_of(&spec, false, "0:0"), strict);
	assert_string_not_equal(profile_of(&spec, false, "root"), strict);
	assert_string_not_equal(profile_of(&spec, false, NULL), strict);
}

static void test_a_named_profile_is_the_only_one(void **state)
{
	struct sandbox_spec spec = make_spec();
	json_t *body;

	(void)state;
	strv_add(&spec.security_opt, &arena, "seccomp=builtin");
	body = body_of(&spec, true);
	assert_json(security_of(body), "[\"no-new-privileges\",\"seccomp=builtin\"]");
	json_decref(body);
}

/* --- messages --- */

static void test_a_message_arrives_as_it_was(void **state)
{
	json_t *sent = json_pack("{s:s,s:[i,n]}", "text", "a\nb", "list", 7), *got = NULL;
	struct error err;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(message_send(pair[0], sent, &err), 0);
	assert_int_equal(message_receive(pair[1], UINT64_MAX, &got, &err), 0);
	assert_true(json_equal(sent, got));
	json_decref(sent);
	json_decref(got);
	(void)close(pair[0]);
	assert_int_equal(message_receive(pair[1], UINT64_MAX, &got, &err), -EPIPE);
	(void)close(pair[1]);
}

static int receive_bytes(const void *data, size_t len)
{
	struct error err;
	json_t *got = NULL;
	int pair[2], r;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(write(pair[0], data, len), (ssize_t)len);
	(void)close(pair[0]);
	r = message_receive(pair[1], clock_after_ns(NS_PER_S), &got, &err);
	(void)close(pair[1]);
	json_decref(got);
	return r;
}

static void test_bad_messages(void **state)
{
	static const uint8_t good[] = "\x07\0\0\0{\"a\":1}";

	(void)state;
	assert_int_equal(receive_bytes(good, sizeof(good) - 1), 0);
	for (size_t len = 0; len < sizeof(good) - 1; len++) {
		assert_int_equal(receive_bytes(good, len), -EPIPE);
	}
	assert_int_equal(receive_bytes("\xff\xff\xff\xff", 4), -EPROTO);
	assert_int_equal(receive_bytes("\x02\0\0\0[]", 6), -EPROTO);
	assert_int_equal(receive_bytes("\0\0\0\0", 4), -EPROTO);
	/* Every flipped bit of the text is refused or is another object, never anything else. */
	for (size_t bit = 32; bit < 8 * (sizeof(good) - 1); bit++) {
		uint8_t bad[sizeof(good)];
		int r;

		(void)memcpy(bad, good, sizeof(good));
		bad[bit / 8] ^= (uint8_t)(1U << (bit % 8));
		r = receive_bytes(bad, sizeof(good) - 1);
		assert_true(r == 0 || r == -EPROTO);
	}
}

static void test_errors_travel(void **state)
{
	struct error err, got;
	json_t *answer, *fine = json_pack("{s:b}", "exists", 1);

	(void)state;
	(void)error_plain(&err, ENOENT, "no image 'x\x1b' here");
	answer = message_error(&err);
	assert_int_equal(message_take_error(answer, &got), -ENOENT);
	assert_string_equal(got.text, "no image 'x\\x1b' here");
	assert_int_equal(message_take_error(fine, &got), 0);
	json_decref(answer);
	json_decref(fine);
}

static int finish(void **state)
{
	(void)state;
	arena_finish(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_key_is_in_the_body),
		cmocka_unit_test(test_gpus),
		cmocka_unit_test(test_what_the_kernel_tells_is_covered),
		cmocka_unit_test(test_what_is_not_set_is_not_asked_for),
		cmocka_unit_test(test_a_profile_has_to_be_readable),
		cmocka_unit_test(test_without_a_profile_there_is_one),
		cmocka_unit_test(test_a_named_profile_is_the_only_one),
		cmocka_unit_test(test_a_message_arrives_as_it_was),
		cmocka_unit_test(test_bad_messages),
		cmocka_unit_test(test_errors_travel),
	};

	return cmocka_run_group_tests(tests, NULL, finish);
}
