/* SPDX-License-Identifier: MIT */
/* Paths of a gateway in a container, as the engine of its host knows them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/docker/hostpath.h"
#include "base/buf.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_own_id(void **state)
{
	static const struct {
		const char *mountinfo;
		bool found;
	} rows[] = {
		{"1 0 0:1 / / rw - overlay overlay rw\n"
		 "2 1 8:1 /var/lib/docker/containers/" ID
		 "/hostname /etc/hostname rw - ext4 d rw\n",
			true},
		{"2 1 0:5 /containers/storage/overlay-containers/" ID
		 "/userdata/resolv.conf /etc/resolv.conf rw - tmpfs t rw\n",
			true},
		/* mounted somewhere else by somebody else */
		{"2 1 8:1 /var/lib/docker/containers/" ID "/hostname /mnt/hostname rw - e d rw\n",
			false},
		{"2 1 8:1 /containers/0123/hostname /etc/hostname rw - ext4 d rw\n", false},
		{"2 1 8:1 /x/" ID "f/hostname /etc/hostname rw - ext4 d rw\n", false},
		{"2 1 8:1 /var/lib/" ID " /etc/hostname rw - ext4 d rw\n", false},
		{"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n", false},
		{"1 0\n\n8:1 / /etc/hosts", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char id[HOSTPATH_ID_SIZE] = "";

		assert_int_equal(hostpath_own_id(rows[i].mountinfo, id), rows[i].found);
		assert_string_equal(id, rows[i].found ? ID : "");
	}
}

static const char inspected[] =
	"{\"Mounts\":["
	"{\"Type\":\"bind\",\"Source\":\"/srv/creel/\",\"Destination\":\"/home/creel/.creel\"},"
	"{\"Type\":\"volume\",\"Source\":\"/var/lib/docker/volumes/w/_data\",\"Destination\":\"/work\"},"
	"{\"Type\":\"bind\",\"Source\":\"/srv/inner\",\"Destination\":\"/work/a/inner\"},"
	"{\"Type\":\"tmpfs\",\"Source\":\"\",\"Destination\":\"/work/tmp\"},"
	"{\"Type\":\"bind\",\"Source\":\"/\",\"Destination\":\"/host\"},"
	"{\"Type\":\"bind\",\"Source\":\"/home/alice\",\"Destination\":\"/alice\"},"
	"{\"Type\":\"bind\",\"Destination\":\"/odd\"},{}],"
	"\"HostConfig\":{\"Tmpfs\":{\"/home/creel/.creel/cache\":\"\"}}}";

static void load(struct arena *arena, struct hostpath_map *map)
{
	json_t *json = json_loads(inspected, 0, NULL);
	struct error err;

	assert_int_equal(hostpath_map_from(arena, json, map, &err), 0);
	json_decref(json);
}

static void test_find(void **state)
{
	static const char *const rows[][2] = {
		{"/home/creel/.creel", "/srv/creel"},
		{"/home/creel/.creel/workspace/x", "/srv/creel/workspace/x"},
		{"/home/creel/.creelx", NULL},
		{"/home/creel", NULL},
		{"/home/creel/.creel/cache/x", NULL},
		{"/work/b", "/var/lib/docker/volumes/w/_data/b"},
		{"/work/a/inner/c", "/srv/inner/c"},
		{"/work/a", "/var/lib/docker/volumes/w/_data/a"},
		{"/work/tmp/x", NULL},
		{"/host/etc", "/etc"},
		{"/host", "/"},
		{"/odd/x", NULL},
		{"/usr/libexec/creel/creel-init", NULL},
	};
	_cleanup_(arena_finish) struct arena arena = {0};
	struct hostpath_map map;

	(void)state;
	load(&arena, &map);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = hostpath_find(&arena, &map, rows[i][0]);

		if (rows[i][1] == NULL) {
			assert_null(got);
		} else {
			assert_non_null(got);
			assert_string_equal(got, rows[i][1]);
		}
	}
}

/* The sources after translation, each followed by a blank; or the error's text. */
static int translated(
	const char *mounts, const char *binds, const char *dangerous, char *ret, size_t size)
{
	_cleanup_(arena_finish) struct arena arena = {0};
	_cleanup_(buf_finish) struct buf text = {0};
	struct hostpath_map map;
	json_t *body, *item;
	struct error err;
	size_t i;
	int r;

	load(&arena, &map);
	buf_addf(&text,
		"{\"WorkingDir\":\"/workspace\",\"Labels\":{\"creel.dangerousBinds\":\"%s\"},"
		"\"HostConfig\":{\"Mounts\":[%s],\"Binds\":[%s]}}",
		dangerous, mounts, binds);
	body = json_loads(text.data, 0, NULL);
	assert_non_null(body);
	r = hostpath_translate(&arena, &map, "/home/creel/.creel/run/x/init", body, &err);
	(void)snprintf(ret, size, "%s", r < 0 ? err.text : "");
	buf_clear(&text);
	json_array_foreach(json_object_get(json_object_get(body, "HostConfig"), "Mounts"), i, item)
	{
		buf_addf(&text, "%s ", json_string_value(json_object_get(item, "Source")));
	}
	json_array_foreach(json_object_get(json_object_get(body, "HostConfig"), "Binds"), i, item)
	{
		buf_addf(&text, "%s ", json_string_value(item));
	}
	if (r == 0) {
		(void)snprintf(ret, size, "%s", text.data);
	}
	json_decref(body);
	return r;
}

#define MOUNT(source, target) "{\"Source\":\"" source "\",\"Target\":\"" target "\"}"

static void test_translate(void **state)
{
	static const struct {
		const char *mounts, *binds, *dangerous;
		int r;
		const char *wanted;
	} rows[] = {
		{MOUNT("/home/creel/.creel/w", "/workspace") "," MOUNT(
			 "/home/creel/.creel/run/x/run",
			 "/run/creel") "," MOUNT("/usr/libexec/creel/creel-init",
			 "/run/creel/init"),
			"", "", 0, "/srv/creel/w /srv/creel/run/x/run /srv/creel/run/x/init "},
		{MOUNT("/work/data", "/data"), "", "", -EPERM,
			"'/var/lib/docker' may not be bound"},
		{MOUNT("/work/data", "/workspace/skills"), "", "", 0,
			"/var/lib/docker/volumes/w/_data/data "},
		{MOUNT("/work/a/inner/x", "/data"), "\"/work/a/inner/y:/y:z\"", "", 0,
			"/srv/inner/x /srv/inner/y:/y:z "},
		{MOUNT("/host/etc", "/x"), "", "", -EPERM, "'/etc' on the host"},
		{"", "\"/host/run/docker.sock:/x:ro\"", "", -EPERM, "'/run' may not be bound"},
		{MOUNT("/host", "/workspace"), "", "", -EPERM, "'/' on the host"},
		{MOUNT("/alice/.ssh", "/x"), "", "", -EPERM, "'/home/alice/.ssh' on the host"},
		{MOUNT("/host/etc", "/x"), "", "/y\\n/host/etc", 0, "/etc "},
		{MOUNT("/opt/x", "/x"), "", "", -ENOENT,
			"'/opt/x' is only in the gateway's own container"},
		{MOUNT("/home/creel/.creel/../../../opt/x", "/x"), "", "", -ENOENT, "/opt/x"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char got[2048];

		assert_int_equal(translated(rows[i].mounts, rows[i].binds, rows[i].dangerous, got,
					 sizeof(got)),
			rows[i].r);
		if (strstr(got, rows[i].wanted) == NULL) {
			fail_msg("row %zu: %s", i, got);
		}
	}
}

static void test_bad_answers(void **state)
{
	static const char *const rows[] = {"[]", "\"x\"", "null"};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_cleanup_(arena_finish) struct arena arena = {0};
		json_t *json = json_loads(rows[i], JSON_DECODE_ANY, NULL);
		struct hostpath_map map;
		struct error err;

		assert_int_equal(hostpath_map_from(&arena, json, &map, &err), -EPROTO);
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_id),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_translate),
		cmocka_unit_test(test_bad_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
