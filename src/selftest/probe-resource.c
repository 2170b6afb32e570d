/* SPDX-License-Identifier: MIT */
/* Attempts to take more than one's share. Each is bounded, so that it ends where nothing stops it. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "selftest/probe.h"

enum {
	STACK_SIZE = 4096,
	MAX_TASKS = 4096,
	BLOCK = 1 << 20,
	TMP_MIB_MAX = 128, /* /tmp of the selftest's sandboxes has 16 */
	INODES_MAX = 40000,
	DESCRIPTORS_MAX = 65536,
	TIMERS_MAX = 8192,
	INSTANCES_MAX = 512,
	INSTANCES_SHARE = 64,
	TERMINALS_MAX = 1024,
	SHM_MIB_MAX = 1024,
};

/* Well past the limit, and not one more. */
static int enough(const struct probe_call *call)
{
	int limit = call->host->pids_limit > 0 ? call->host->pids_limit : 256;

	return limit * 2 < MAX_TASKS ? limit * 2 : MAX_TASKS;
}

static enum outcome forks(const struct probe_call *call)
{
	static pid_t pids[MAX_TASKS];
	int wanted = enough(call);
	int count = 0;

	while (count < wanted) {
		pids[count] = fork();
		if (pids[count] == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;) {
				(void)pause();
			}
		}
		if (pids[count] < 0) {
			break;
		}
		count++;
	}
	for (int i = 0; i < count; i++) {
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
	}
	return count >= wanted ? probe_fell(call, "%d processes, and no end", count)
			       : probe_held(call, "it ends at %d: %s", count, strerror(EAGAIN));
}

static int wait_for_signal(void *arg)
{
	(void)arg;
	for (;;) {
		(void)pause();
	}
	return 0;
}

static enum outcome threads(const struct probe_call *call)
{
	const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
	int wanted = enough(call);
	char *stacks = mmap(NULL, (size_t)wanted * STACK_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int count = 0;

	if (stacks == MAP_FAILED) {
		return probe_held(call, "no memory for their stacks");
	}
	while (count < wanted && clone(wait_for_signal, stacks + (size_t)(count + 1) * STACK_SIZE,
					 flags, NULL) > 0) {
		count++;
	}
	return count >= wanted ? probe_fell(call, "%d threads, and no end", count)
			       : probe_held(call, "it ends at %d: %s", count, strerror(errno));
}

/* The kernel ends whoever takes too much, so the taking is done by a child. */
static enum outcome memory(const struct probe_call *call)
{
	size_t bytes = (size_t)call->host->memory_mib * 2 << 20;
	int status = 0;
	pid_t pid;

	if (bytes == 0) {
		return probe_na(call, "no limit is set: this host has no control group for it");
	}
	pid = fork();
	if (pid == 0) {
		char *data = mmap(
			NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		for (size_t i = 0; data != MAP_FAILED && i < bytes; i += STACK_SIZE) {
			((volatile char *)data)[i] = 1;
		}
		_exit(data != MAP_FAILED ? 0 : 1);
	}
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0
		       ? probe_fell(call, "%zu MiB, twice the limit", bytes >> 20)
		       : probe_held(call, "ended by signal %d", WTERMSIG(status));
}

static enum outcome fill_tmp(const struct probe_call *call)
{
	static char block[BLOCK];
	int fd = open("/tmp/fill", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	int count = 0;
	int num;

	memset(block, 'x', sizeof(block));
	while (count < TMP_MIB_MAX && write(fd, block, sizeof(block)) == (ssize_t)sizeof(block)) {
		count++;
	}
	num = errno;
	(void)close(fd);
	(void)unlink("/tmp/fill");
	return count >= TMP_MIB_MAX
		       ? probe_fell(call, "%d MiB of memory in /tmp", count)
		       : probe_held(call, "it ends at %d MiB: %s", count, strerror(num));
}

static enum outcome fill_inodes(const struct probe_call *call)
{
	char path[64];
	int count = 0;

	if (call->host->engine) {
		return probe_na(
			call, "the engine's tmpfs bounds bytes; inodes count for the memory limit");
	}
	for (; count < INODES_MAX; count++) {
		(void)snprintf(path, sizeof(path), "/tmp/inode-%d", count);
		if (mknod(path, S_IFREG | 0600, 0) < 0) {
			break;
		}
	}
	for (int i = 0; i < count; i++) {
		(void)snprintf(path, sizeof(path), "/tmp/inode-%d", i);
		(void)unlink(path);
	}
	return count >= INODES_MAX ? probe_fell(call, "%d files in /tmp, and no end", count)
				   : probe_held(call, "it ends at %d files", count);
}

static enum outcome shared_memory(const struct probe_call *call)
{
	struct statvfs fs;
	unsigned long long mib;

	if (statvfs("/dev/shm", &fs) < 0) {
		return probe_held(call, "there is none");
	}
	mib = (unsigned long long)fs.f_blocks * fs.f_frsize >> 20;
	return mib == 0 || mib > SHM_MIB_MAX ? probe_fell(call, "/dev/shm takes %llu MiB", mib)
					     : probe_held(call, "/dev/shm takes %llu MiB", mib);
}

static enum outcome descriptors(const struct probe_call *call)
{
	struct rlimit limit;
	int count = 0;

	while (count <= DESCRIPTORS_MAX && open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) {
		count++;
	}
	if (count <= DESCRIPTORS_MAX) {
		return probe_held(call, "it ends at %d: %s", count, strerror(errno));
	}
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	return call->host->engine
		       ? probe_na(call,
				 "the engine's limit is %llu; docker.ulimits.nofile sets another",
				 (unsigned long long)limit.rlim_max)
		       : probe_fell(call, "%d descriptors, and no end", count);
}

static enum outcome watches(const struct probe_call *call)
{
	int count = 0;

	while (count < INSTANCES_MAX && inotify_init1(IN_CLOEXEC) >= 0) {
		count++;
	}
	if (call->host->engine) {
		return probe_na(call,
			"without user namespaces the engine counts them for the host's uid: %d",
			count);
	}
	/* The usual limit of a whole user is 128, of which others of that user have some. */
	return count >= INSTANCES_SHARE
		       ? probe_fell(call, "%d inotify instances, which count for the starter too",
				 count)
		       : probe_held(call, "it ends at %d: %s", count, strerror(errno));
}

static enum outcome timers(const struct probe_call *call)
{
	int count = 0;
	int id;

	for (; count < TIMERS_MAX; count++) {
		struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};

		if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id) < 0) {
			break;
		}
	}
	if (count < TIMERS_MAX) {
		return probe_held(call, "it ends at %d: %s", count, strerror(errno));
	}
	return call->host->engine
		       ? probe_na(
				 call, "the engine's limit; docker.ulimits.sigpending sets another")
		       : probe_fell(call, "%d timers, which count for the starter too", count);
}

static enum outcome terminals(const struct probe_call *call)
{
	int count = 0;

	while (count < TERMINALS_MAX && open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC) >= 0) {
		count++;
	}
	if (count < TERMINALS_MAX) {
		return probe_held(call, "it ends at %d: %s", count, strerror(errno));
	}
	return call->host->engine ? probe_na(call, "the engine's instance has no limit of its own")
				  : probe_fell(call, "%d terminals, all that the host has", count);
}

static enum outcome core_files(const struct probe_call *call)
{
	struct rlimit limit = {0};
	int status = 0;
	pid_t pid;

	(void)getrlimit(RLIMIT_CORE, &limit);
	pid = fork();
	if (pid == 0) {
		abort();
	}
	(void)waitpid(pid, &status, 0);
	if (!WCOREDUMP(status)) {
		return probe_held(call, "none was written, the limit is %llu",
			(unsigned long long)limit.rlim_max);
	}
	return call->host->engine
		       ? probe_na(call, "the engine's limit; docker.ulimits.core sets another")
		       : probe_fell(call, "a core file was written");
}

/* A lock on a file that every sandbox and the host share: whoever waits for it waits for us. */
static enum outcome foreign_lock(const struct probe_call *call)
{
	int fd = open("/ro/res-foreign-lock", O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		return probe_na(call, "no read-only bind here: %s", strerror(errno));
	}
	/* flock(2) needs no right to write. That is known and told; see docs/THREAT-MODEL.md. */
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		return probe_na(call,
			"flock works on what may be read; who takes orders from locks on "
			"shared read-only files has to know");
	}
	return probe_held(call, "flock: %s", strerror(errno));
}

/*
 * Last of all: processes that have left their session and parent and ignore the polite signals. They
 * hold a lock, by which the host sees whether they are still there when the sandbox is not.
 */
static enum outcome orphans(const struct probe_call *call)
{
	int ready[2];
	char c;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		return probe_na(call, "no process: %s", strerror(errno));
	}
	if (pid == 0) {
		int fd = open("/workspace/orphan-lock", O_CREAT | O_RDWR | O_CLOEXEC, 0600);

		(void)setsid();
		if (fork() != 0) {
			_exit(0);
		}
		for (int signo = 1; signo < NSIG; signo++) {
			(void)signal(signo, SIG_IGN);
		}
		(void)!write(ready[1], flock(fd, LOCK_EX | LOCK_NB) == 0 ? "y" : "n", 1);
		for (;;) {
			(void)pause();
		}
	}
	(void)waitpid(pid, NULL, 0);
	(void)close(ready[1]);
	return read(ready[0], &c, 1) == 1 && c == 'y'
		       ? probe_held(call, "left behind; it is gone with the sandbox")
		       : probe_na(call, "the orphan could not lock its file");
}

const struct probe probes_resources[] = {
	{"res-forks", forks},
	{"res-threads", threads},
	{"res-memory", memory},
	{"res-fill-tmp", fill_tmp},
	{"res-fill-inodes", fill_inodes},
	{"res-shared-memory", shared_memory},
	{"res-descriptors", descriptors},
	{"res-inotify", watches},
	{"res-timers", timers},
	{"res-terminals", terminals},
	{"res-core-files", core_files},
	{"res-foreign-lock", foreign_lock},
	{"res-orphans", orphans},
};
const size_t probes_resources_count = ARRAY_SIZE(probes_resources);
