/* SPDX-License-Identifier: MIT */
/* What creel-init --look tells of the process that it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fnv.h"
#include "base/own.h"

static void look(struct buf *ret)
{
	const char *init = getenv("CREEL_INIT");
	char name[] = "creel-init", option[] = "--look", secret[] = "SECRET=hunter2",
	     empty[] = "EMPTY=";
	char *const args[] = {name, option, NULL};
	char *const env[] = {secret, empty, NULL};
	char chunk[4096];
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	assert_non_null(init);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(ends[1], STDOUT_FILENO);
		(void)execve(init, args, env);
		_exit(127);
	}
	(void)close(ends[1]);
	while ((n = read(ends[0], chunk, sizeof(chunk))) > 0) {
		buf_add(ret, chunk, (size_t)n);
	}
	(void)close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	buf_add_char(ret, '\0');
}

/* The text of a section; sections end in a byte 0. */
static const char *section(const struct buf *all, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = all->data; at < all->data + all->len; at += strlen(at) + 1) {
		if (strncmp(at, name, len) == 0 && at[len] == '\n') {
			return at + len + 1;
		}
	}
	fail_msg("no section '%s'", name);
	return NULL;
}

static void everything_is_told(void **state)
{
	_cleanup_buf_ struct buf all = {0};
	char line[PATH_MAX + 64], cwd[PATH_MAX], target[64] = "";

	(void)state;
	look(&all);
	assert_non_null(strstr(section(&all, "descriptors"), "1\n"));
	assert_non_null(strstr(section(&all, "status"), "NoNewPrivs:"));
	assert_non_null(strstr(section(&all, "mounts"), " / "));
	assert_non_null(strstr(section(&all, "limits"), "Max open files"));
	assert_non_null(strstr(section(&all, "network"), "lo:"));
	assert_true(readlink("/proc/self/ns/net", target, sizeof(target) - 1) > 0);
	assert_non_null(strstr(section(&all, "namespaces"), target));
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_string_equal(section(&all, "workdir"), cwd);
	assert_non_null(strstr(section(&all, "calls"), "keyctl "));
	(void)snprintf(line, sizeof(line), "EMPTY=%016" PRIx64 "\n", fnv_hash(""));
	assert_non_null(strstr(section(&all, "environment"), line));
}

static void values_are_not_told(void **state)
{
	_cleanup_buf_ struct buf all = {0};
	char line[64];

	(void)state;
	look(&all);
	(void)snprintf(line, sizeof(line), "SECRET=%016" PRIx64 "\n", fnv_hash("hunter2"));
	assert_non_null(strstr(section(&all, "environment"), line));
	assert_null(memmem(all.data, all.len, "hunter2", strlen("hunter2")));
}

static void places_are_what_is_there(void **state)
{
	_cleanup_buf_ struct buf all = {0};
	char line[128];
	struct stat st;

	(void)state;
	look(&all);
	assert_int_equal(stat("/", &st), 0);
	(void)snprintf(line, sizeof(line), "%" PRIu64 " %" PRIu64 " /\n", (uint64_t)st.st_dev,
		(uint64_t)st.st_ino);
	assert_non_null(strstr(section(&all, "places"), line));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_told),
		cmocka_unit_test(values_are_not_told),
		cmocka_unit_test(places_are_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
