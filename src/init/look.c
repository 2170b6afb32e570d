/* SPDX-License-Identifier: MIT */
/*
 * creel-init --look: what a process of this sandbox is and sees, for `creel sandbox explain --probe`. An
 * ordinary process does it, under everything that holds for commands, in images that have no tools at all.
 * Sections end in a byte 0: a name, a line feed, text.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/own.h"
#include "init/internal.h"

extern char **environ;

static void copy_file(const char *name, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char chunk[4096];
	ssize_t n;

	(void)printf("%s\n", name);
	while (fd >= 0 && (n = read(fd, chunk, sizeof(chunk))) > 0) {
		(void)fwrite(chunk, 1, (size_t)n, stdout);
	}
	(void)putchar('\0');
}

static void print_namespaces(void)
{
	static const char *const names[] = {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"};

	(void)printf("namespaces\n");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[32], target[64];
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		n = readlink(path, target, sizeof(target) - 1);
		(void)printf("%.*s\n", n > 0 ? (int)n : 0, target);
	}
	(void)putchar('\0');
}

/* Those that are open, but for the one that this takes. */
static void print_descriptors(void)
{
	DIR *list = opendir("/proc/self/fd");
	const struct dirent *entry;
	char own[16];

	(void)snprintf(own, sizeof(own), "%d", list != NULL ? dirfd(list) : -1);

	(void)printf("descriptors\n");
	while (list != NULL && (entry = readdir(list)) != NULL) {
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, own) != 0) {
			(void)printf("%s\n", entry->d_name);
		}
	}
	(void)putchar('\0');
	if (list != NULL) {
		(void)closedir(list);
	}
}

/* Names are enough, and no secret is told. */
static void print_environment(void)
{
	(void)printf("environment\n");
	for (char **entry = environ; *entry != NULL; entry++) {
		(void)printf("%.*s\n", (int)strcspn(*entry, "="), *entry);
	}
	(void)putchar('\0');
}

int look_print(void)
{
	char cwd[PATH_MAX];

	print_descriptors();
	copy_file("status", "/proc/self/status");
	copy_file("mounts", "/proc/self/mountinfo");
	copy_file("limits", "/proc/self/limits");
	copy_file("network", "/proc/self/net/dev");
	print_namespaces();
	print_environment();
	(void)printf("workdir\n%s%c", getcwd(cwd, sizeof(cwd)) != NULL ? cwd : "", '\0');
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
