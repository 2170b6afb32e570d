/* SPDX-License-Identifier: MIT */
/*
 * The container spec: everything about a sandbox that a backend needs to make it. decide() fills it
 * from the configuration alone; sandbox_resolve() (src/sandbox/resolve.h) then puts in what only the
 * host knows (canonical bind sources, the workspace's owner, which backend answers). Plain data: all
 * memory belongs to the arena of the decision it is part of.
 */
#ifndef POLICY_SPEC_H
#define POLICY_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strv.h"
#include "config/isolation.h"

enum backend_kind { BACKEND_AUTO, BACKEND_DOCKER, BACKEND_NATIVE, BACKEND_HOST, BACKEND_COUNT_ };
const char *backend_kind_name(enum backend_kind kind);

enum workspace_access { ACCESS_NONE, ACCESS_RO, ACCESS_RW, ACCESS_COUNT_ };
const char *workspace_access_name(enum workspace_access access); /* "none", "ro", "rw" */

enum spec_mount_kind { MOUNT_WORKSPACE, MOUNT_AGENT, MOUNT_BIND };
struct spec_mount {
	enum spec_mount_kind kind;
	const char *source, *target;
	bool read_only;
	const char *raw; /* MOUNT_BIND: the entry as written */
	const char *key; /* config key it came from */
	/* A blocked source that dangerouslyAllowBindSources lets through; set by sandbox_resolve().
	 * Whoever lists this sandbox says so loudly. */
	bool dangerous;
};

/* -1: not given. */
struct spec_ulimit {
	const char *name;
	int64_t soft, hard;
};

struct sandbox_spec {
	enum backend_kind backend;
	const char *name; /* container name: prefix + slug */
	const char *scope_key;
	const char *image;
	const char *user; /* "uid:gid" as configured or derived; NULL until resolved */
	const char *workdir;
	bool read_only_root;
	enum workspace_access access;
	const char *workspace_dir; /* mounted at workdir: effective workspace, host path */
	const char *agent_workspace_dir;
	struct strv env; /* NAME=value */
	struct strv tmpfs; /* "/tmp" or "/tmp:size=64m,mode=1777" */
	const char *network; /* "none" unless configured */
	struct strv cap_drop, security_opt, dns, extra_hosts;
	int64_t pids_limit; /* 0: none */
	int64_t memory, memory_swap; /* bytes; 0: none; memory_swap -1: unlimited */
	int64_t cpu_millis; /* 1000 is one core; 0: none */
	const struct spec_ulimit *ulimits;
	size_t ulimit_count;
	const struct spec_mount *mounts; /* workspace, agent, then binds in order */
	size_t mount_count;
	const char *setup_command;
	const char *runtime; /* docker.runtime */
	const char *gpus; /* docker.gpus: "all", "2", "device=0,1"; NULL: none */
	const char *docker_socket; /* docker.socket; sandbox_resolve() puts in the one to use */
	const char *label_prefix; /* "openclaw." */
	const char *instance; /* of the state directory; NULL until resolved */
	const char
		*native_root; /* NULL: the host's own /usr ...; else an unpacked image directory */
	bool allow_missing[LAYER_COUNT_];
	int64_t output_limit_chars, ring_bytes; /* contract D11 */
	const char *config_hash;
};

/* The seccomp profile of a container: the file that is configured, or a word for Creel's own. */
const char *spec_seccomp(const struct sandbox_spec *spec);

/* The sources that dangerouslyAllowBindSources let through, one per line; NULL: none. */
const char *spec_dangerous(const struct sandbox_spec *spec, struct arena *arena);

#endif
