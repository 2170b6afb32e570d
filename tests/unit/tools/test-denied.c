/* SPDX-License-Identifier: MIT */
/* What output says of refusals: lines as programs write them, and any other bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/macro.h"
#include "tools/denied_hint.h"
#include "tools/denied_place.h"

static const struct spec_mount mounts[] = {
	{.kind = MOUNT_WORKSPACE,
		.target = "/workspace",
		.read_only = true,
		.key = "agents.list[0].sandbox.workspaceAccess"},
	{.kind = MOUNT_BIND,
		.target = "/data",
		.read_only = true,
		.key = "agents.defaults.sandbox.docker.binds[0]"},
	{.kind = MOUNT_BIND, .target = "/data/rw", .key = "x"},
};
static const struct spec_ulimit ulimits[] = {{.name = "nofile"}, {.name = "fsize"}};
static const char *tmpfs[] = {"/tmp:size=1m", "/run", NULL};
static struct sandbox_spec spec = {
	.backend = BACKEND_NATIVE,
	.workdir = "/workspace",
	.read_only_root = true,
	.network = "none",
	.tmpfs = {.items = tmpfs, .count = 2},
	.pids_limit = 9,
	.memory = 100,
	.mounts = mounts,
	.mount_count = 3,
	.ulimits = ulimits,
	.ulimit_count = 2,
};

struct told {
	char text[1024]; /* "LAYER WHAT|KEY\n" per row */
	size_t count;
};

static void on_told(void *arg, const struct denial *row)
{
	struct told *told = arg;
	size_t len = strlen(told->text);

	assert_int_equal(row->source, DENIAL_OUTPUT);
	assert_non_null(row->layer);
	assert_non_null(row->rule);
	told->count++;
	(void)snprintf(told->text + len, sizeof(told->text) - len, "%s %s|%s\n", row->layer,
		row->what, row->fix[0] != NULL ? row->fix[0] : "");
}

static const char *hints_of(const char *output, size_t len, struct told *told)
{
	*told = (struct told){0};
	denied_hints(&(struct hint_request){output, len, "/workspace/sub", &spec}, on_told, told);
	return told->text;
}

#define SB "agents.defaults.sandbox."
#define WS "agents.list[0].sandbox.workspaceAccess\n"

static const struct {
	const char *output, *told;
} rows[] = {
	/* coreutils, dash, bash, Go, Python, Node, busybox */
	{"touch: cannot touch 'x': Read-only file system", "mount writing to /workspace/sub/x|" WS},
	{"/bin/sh: 1: cannot create ../y: Read-only file system",
		"mount writing to /workspace/y|" WS},
	{"bash: line 1: /data/z: Read-only file system",
		"mount writing to /data/z|" SB "docker.binds[0]\n"},
	{"mkdir /usr/x: read-only file system", "mount writing to /usr/x|" SB "docker.tmpfs\n"},
	{"OSError: [Errno 30] Read-only file system: '/etc/x'",
		"mount writing to /etc/x|" SB "docker.tmpfs\n"},
	{"Error: EROFS: read-only file system, open '/opt/x'",
		"mount writing to /opt/x|" SB "docker.tmpfs\n"},
	{"touch: cannot touch \xe2\x80\x98/usr/y\xe2\x80\x99: Read-only file system",
		"mount writing to /usr/y|" SB "docker.tmpfs\n"},
	{"rm: cannot remove '/workspace/a b': Permission denied",
		"mount writing to /workspace/a b|" WS},
	{"cat: /usr/secret: Permission denied", ""},
	{"touch: cannot touch '/sys/x': Permission denied", "mount writing to /sys/x|\n"},
	{"Read-only file system", "mount writing to a read-only place|" SB "workspaceAccess\n"},
	/* The decision does not have it read-only, or not so small. */
	{"touch: cannot touch '/data/rw/x': Read-only file system", ""},
	{"touch: cannot touch '/tmp/x': Read-only file system", ""},
	{"cp: error writing '/data/rw/x': No space left on device", ""},
	{"dd: error writing '/tmp/x': No space left on device",
		"mount more data in /tmp|" SB "docker.tmpfs\n"},
	{"dd: error writing '/dev/shm/x': No space left on device",
		"mount more data in /dev/shm|" SB "docker.tmpfs\n"},
	{"write /run/x: no space left on device", "mount more data in /run|" SB "docker.tmpfs\n"},
	{"cat: write error: No space left on device",
		"mount more data in a tmpfs, unless the disk of the host is full|" SB
		"docker.tmpfs\n"},
	{"cp: failed: Disk quota exceeded", "disk more data on the disk of the host|\n"},
	{"OSError: [Errno 27] File too large", "rlimits a larger file|" SB "docker.ulimits\n"},
	{"OSError: [Errno 24] Too many open files: 'x'",
		"rlimits more open files|" SB "docker.ulimits\n"},
	{"sh: 1: Cannot fork", "rlimits more processes|" SB "docker.pidsLimit\n"},
	{"bash: fork: retry: Resource temporarily unavailable",
		"rlimits more processes|" SB "docker.pidsLimit\n"},
	{"RuntimeError: can't start new thread", "rlimits more processes|" SB "docker.pidsLimit\n"},
	{"read: Resource temporarily unavailable", ""},
	{"MemoryError", "cgroup.memory more memory|" SB "docker.memory\n"},
	{"curl: (6) Could not resolve host: x",
		"netns connections out of the sandbox|" SB "docker.network\n"},
	{"connect: Network is unreachable",
		"netns connections out of the sandbox|" SB "docker.network\n"},
	{"chown: x: Operation not permitted", ""},
	{"all is well", ""},
	{"", ""},
};

static void lines_are_understood(void **state)
{
	struct told told;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_string_equal(
			hints_of(rows[i].output, strlen(rows[i].output), &told), rows[i].told);
	}
}

static void containers_have_keys_of_their_own(void **state)
{
	struct sandbox_spec native = spec;
	struct told told;

	(void)state;
	spec.backend = BACKEND_DOCKER;
	assert_string_equal(hints_of("/usr/x: Read-only file system", 29, &told),
		"mount writing to /usr/x|" SB "docker.readOnlyRoot\n");
	assert_string_equal(hints_of("sh: Cannot fork", 15, &told),
		"cgroup.pids more processes|" SB "docker.pidsLimit\n");
	assert_non_null(
		strstr(hints_of("Operation not permitted", 23, &told), "|" SB "docker.capDrop"));
	spec.read_only_root = false;
	spec.network = "bridge";
	assert_string_equal(hints_of("/usr/x: Read-only file system", 29, &told), "");
	assert_string_equal(hints_of("Network is unreachable", 22, &told), "");
	spec = native;
}

/* Whatever stands there, and wherever it is cut: nothing but rows comes of it. */
static void any_bytes_do(void **state)
{
	struct told told;
	char line[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = strlen(rows[i].output);

		for (size_t at = 0; at < len * 8; at++) {
			(void)memcpy(line, rows[i].output, len);
			line[at / 8] = (char)(line[at / 8] ^ (1 << (at % 8)));
			(void)hints_of(line, len, &told);
			(void)hints_of(rows[i].output, at / 8, &told);
		}
	}
}

static void long_lines_and_long_output_end_somewhere(void **state)
{
	static char output[100000];
	struct told told;

	(void)state;
	(void)memset(output, 'x', sizeof(output));
	(void)memcpy(output, "/usr/x: Read-only file system\n", 30);
	assert_string_equal(hints_of(output, sizeof(output), &told), ""); /* too long ago */
	(void)memcpy(output + sizeof(output) - 30, "\n/usr/x: Read-only file system", 30);
	(void)hints_of(output, sizeof(output), &told);
	assert_int_equal(told.count, 1);
	(void)memset(output, '/', sizeof(output));
	(void)memcpy(output + sizeof(output) - 600, ": Read-only file system", 23);
	assert_string_equal(hints_of(output, sizeof(output), &told), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_understood),
		cmocka_unit_test(containers_have_keys_of_their_own),
		cmocka_unit_test(any_bytes_do),
		cmocka_unit_test(long_lines_and_long_output_end_somewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
