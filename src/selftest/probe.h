/* SPDX-License-Identifier: MIT */
/*
 * One attempt from inside a sandbox: a function that tries, and says how that went. creel-probe runs
 * each in a process of its own, so that it may crash, be killed, or leave anything behind. Whatever
 * succeeds must do no harm: most of these are tried where nothing stops them, too, to show that
 * they notice.
 */
#ifndef SELFTEST_PROBE_H
#define SELFTEST_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/macro.h"
#include "selftest/attack.h"

enum { PROBE_WHY_MAX = 200, PROBE_CANARY_MAX = 64, PROBE_NAME_MAX = 100 };

/* What the host has set up, as the command line says it. */
struct probe_host {
	const char *outside; /* host directory with a decoy file per attack, writable there */
	const char *abstract; /* abstract socket on which the host listens */
	const char *sibling_abstract; /* the same in another sandbox */
	const char *path_socket; /* a socket file of the host */
	const char *node; /* the host's name */
	char canary[PROBE_CANARY_MAX]; /* what every decoy file holds; nothing in here may */
	int tcp_port, udp_port; /* the host listens, on 127.0.0.1 */
	int sibling_port; /* another sandbox listens, on 0.0.0.0 */
	pid_t victim; /* host process called creel-victim */
	int pids_limit; /* what the sandbox's limit is; 0: none */
	int memory_mib; /* the same; 0: none */
	bool engine; /* a container engine made this sandbox */
	bool direct; /* this process is the sandbox's first, and descriptor 3 its stream */
};

struct probe_call {
	const struct probe_host *host;
	const char *id;
	char *why; /* PROBE_WHY_MAX bytes */
};

struct probe {
	const char *id;
	enum outcome (*run)(const struct probe_call *call);
};

/* How it went, with the reason: a probe ends in return one of these. */
enum outcome probe_held(const struct probe_call *call, const char *fmt, ...) _printf_(2, 3);
enum outcome probe_fell(const struct probe_call *call, const char *fmt, ...) _printf_(2, 3);
enum outcome probe_na(const struct probe_call *call, const char *fmt, ...) _printf_(2, 3);
/* A call that must fail: result and errno as the kernel gave them. */
enum outcome probe_refused(const struct probe_call *call, long result, const char *what);

/* Host path of this attack's decoy. The buffer is one, and static. */
const char *probe_decoy(const struct probe_call *call);
/* Does a file hold the canary? -1: it cannot be read. */
int probe_holds_canary(const struct probe_call *call, const char *path);
/* Overwrite what is open with something else; 0 or -1 with errno. */
int probe_scribble(int fd);

/* The areas. */
extern const struct probe probes_files[], probes_read_only[], probes_processes[], probes_kernel[],
	probes_resources[], probes_network[];
extern const size_t probes_files_count, probes_read_only_count, probes_processes_count,
	probes_kernel_count, probes_resources_count, probes_network_count;

#endif
