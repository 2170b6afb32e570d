/* SPDX-License-Identifier: MIT */
/*
 * creel-init --look: what a process of this sandbox is and sees, for `creel sandbox explain --probe`. An
 * ordinary process does it, under everything that holds for commands, in images that have no tools at all.
 * Sections end in a byte 0: a name, a line feed, text.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fnv.h"
#include "base/macro.h"
#include "base/mountinfo.h"
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

/* Values as numbers that tell whether they are the same: no secret is told. */
static void print_environment(void)
{
	(void)printf("environment\n");
	for (char **entry = environ; *entry != NULL; entry++) {
		const char *value = strchr(*entry, '=');

		(void)printf("%.*s=%016" PRIx64 "\n", (int)strcspn(*entry, "="), *entry,
			fnv_hash(value != NULL ? value + 1 : ""));
	}
	(void)putchar('\0');
}

/* The file's text; what cannot be read is missing. Without stdio: its scanning of numbers is a tenth of creel-init. */
static void read_text(const char *path, struct buf *ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char chunk[4096];
	ssize_t n;

	while (fd >= 0 && (n = read(fd, chunk, sizeof(chunk))) > 0) {
		buf_add(ret, chunk, (size_t)n);
	}
}

/* The fifth word of a line of mountinfo, proc(5), cut out of it; NULL: there is none. */
static const char *place_of(char *line)
{
	for (int i = 0; i < 4; i++) {
		line = strchr(line, ' ');
		if (line == NULL) {
			return NULL;
		}
		line++;
	}
	line[strcspn(line, " ")] = '\0';
	return line;
}

/* Which file or directory is at each place where something is mounted: "DEVICE INODE PLACE", as the kernel
 * escapes it. What cannot be looked at has no line. */
static void print_places(void)
{
	_cleanup_buf_ struct buf text = {0};
	char *rest;
	char *line;

	(void)printf("places\n");
	read_text("/proc/self/mountinfo", &text);
	rest = text.data;
	while (rest != NULL && (line = strsep(&rest, "\n")) != NULL) {
		const char *place = place_of(line);
		char path[PATH_MAX];
		struct stat st;

		if (place == NULL || strlen(place) >= sizeof(path)) {
			continue;
		}
		(void)memcpy(path, place, strlen(place) + 1);
		mountinfo_unescape(path);
		if (stat(path, &st) == 0) {
			(void)printf("%" PRIu64 " %" PRIu64 " %s\n", (uint64_t)st.st_dev,
				(uint64_t)st.st_ino, place);
		}
	}
	(void)putchar('\0');
}

/*
 * Calls that a filter of ours refuses, with arguments that make them fail otherwise: "NAME ERRNO". None does
 * anything where it is let through.
 */
static void print_calls(void)
{
	static const struct {
		const char *name;
		long number;
	} calls[] = {{"add_key", SYS_add_key}, {"keyctl", SYS_keyctl}, {"ptrace", SYS_ptrace},
		{"setns", SYS_setns}, {"pidfd_getfd", SYS_pidfd_getfd}};

	(void)printf("calls\n");
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		long r = syscall(calls[i].number, -1L, -1L, 0L, 0L, -1L);

		(void)printf("%s %d\n", calls[i].name, r < 0 ? errno : 0);
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
	print_places();
	print_calls();
	(void)printf("workdir\n%s%c", getcwd(cwd, sizeof(cwd)) != NULL ? cwd : "", '\0');
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
