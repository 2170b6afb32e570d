/* SPDX-License-Identifier: MIT */
/*
 * The plan of a native sandbox: everything that will be done to make it, as data. plan_build() is
 * pure; apply.c carries a plan out; `creel sandbox plan --json` prints it.
 */
#ifndef NATIVE_PLAN_H
#define NATIVE_PLAN_H

#include <jansson.h>
#include <linux/sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "os/cgroup.h"
#include "policy/spec.h"

/* What a step does, and why it is safe to do. Targets are relative to the new root; those that a
 * configuration chose are walked one component at a time without following symlinks. */
enum step_kind {
	/* Those of the first process, which will be PID 1. It does them up to STEP_AWAIT_ROOT while the
	 * builder, a second process, does its own. */

	/* A network namespace with nothing but loopback. This is the dearest one by far, so that it is
	 * begun even before the plan is there. */
	STEP_NETWORK,
	STEP_HOSTNAME, /* In an UTS namespace of its own. */
	/* Bounding and ambient set emptied, securebits locked: no program gets a capability, and uid 0
	 * means nothing. What the first process still needs it keeps until STEP_CAPABILITIES. */
	STEP_BOUNDING,
	STEP_NO_NEW_PRIVS,
	/* Safe so early: the first process makes no refused call from here on. The builder, on which the
	 * filter is not, has ended before creel-init reads what to do. */
	STEP_SECCOMP,
	STEP_BECOME, /* Take on the ids of the map. Safe: the map holds this one id. */
	STEP_RLIMIT, /* Lowers only; raising is the kernel's to refuse. */
	/* Wait until the builder has entered the new root. That is the first process's root then, too: the
	 * two share it. All that the builder still does is to let go of the old root. */
	STEP_AWAIT_ROOT,
	STEP_LANDLOCK,
	STEP_CAPABILITIES, /* Effective, permitted and inheritable set emptied. */
	/* creel-init, with its stream as descriptor 3 and no other. The first that it does is to wait for
	 * the end of the builder (--join): nothing of the sandbox runs while the old root is there. */
	STEP_EXEC,

	/* Those of the builder. */

	/* Take on the ids of the map. Safe: the map holds this one id. */
	STEP_IDENTITY,
	/* Cut this mount namespace off from the host's: what is mounted here stays here, and what the
	 * host mounts later does not appear. */
	STEP_PRIVATE,
	/* Open a source tree as a detached mount, before anything is mounted over it. The path is
	 * resolved once; from here on there is only the descriptor. */
	STEP_OPEN,
	/* A tmpfs that becomes the root and the working directory. Nothing of the host is in it. */
	STEP_ROOT,
	STEP_DIR, /* A directory in the new root: content of ours alone. */
	STEP_FILE, /* A file in the new root with fixed content. */
	STEP_SYMLINK, /* A link in the new root; it is followed by nothing of ours. */
	/* A system path of the host. Safe: the source is a fixed system directory; read-only, no
	 * set-user-id, and the attributes go on every mount below it. */
	STEP_BIND,
	/* A device node of the host: one of those that are the same for everybody. Only the node: its
	 * mount allows devices, nothing else of the host's /dev is there. */
	STEP_DEVICE,
	/* Attach a tree that STEP_OPEN or the parent opened: workspace, binds, creel-init. Always
	 * without set-user-id and devices. */
	STEP_ATTACH,
	STEP_TMPFS, /* Fresh memory with a size limit; no set-user-id, no devices. */
	/* A writable directory of the root's own tmpfs: a bind of it onto itself, which stays writable
	 * when the root is sealed. A file system of its own would cost four times as much; these share
	 * one size limit instead. */
	STEP_SCRATCH,
	STEP_PROC, /* Shows the processes of this pid namespace alone. */
	/* An instance of its own, with an end of its own: no terminal of the host, and not all of those
	 * that the host's other instances share. */
	STEP_DEVPTS,
	/* What this user namespace may have of something that the kernel counts for its starter too, in
	 * /proc/sys/user. Lowers only: a parent's own limit holds besides. */
	STEP_QUOTA,
	/* Cover an entry of /proc with an empty file or directory, where the kernel has it. */
	STEP_MASK,
	STEP_READ_ONLY, /* Seal a mount that was filled by earlier steps. */
	/* Collects; nothing is in force before STEP_LANDLOCK. Safe before the pivot: a rule is about a file
	 * and not its path, and only ever gives back what STEP_LANDLOCK takes. */
	STEP_LANDLOCK_RULE,
	/* The new root becomes "/", the old one is gone for good: no path leads out. */
	STEP_PIVOT,
	STEP_COUNT_
};

enum step_attr {
	ATTR_READ_ONLY = 1,
	ATTR_NO_EXEC = 2,
	ATTR_OPTIONAL = 4, /* a missing source or target is no error */
	ATTR_DIRECTORY = 8, /* the target is a directory */
	ATTR_CHOSEN = 16, /* the target comes from the configuration: walk it without symlinks */
};

/* What Landlock allows below a path. */
enum landlock_reach { REACH_READ_EXEC = 1, REACH_WRITE_FILES, REACH_ALL };

struct plan_step {
	enum step_kind kind;
	const char *target; /* "etc/passwd"; NULL where it has no meaning */
	const char *source; /* host path, link content, file content, host name */
	const char *key; /* configuration key to name in errors; NULL */
	unsigned attr; /* enum step_attr */
	uint32_t
		mode; /* permissions; enum landlock_reach; RLIMIT_*; the last capability there is */
	int64_t size; /* tmpfs bytes; -1: the kernel's default (half of memory) */
	uint64_t soft, hard; /* STEP_RLIMIT */
	int slot; /* STEP_OPEN, STEP_ATTACH: index of the source */
};

/* The namespaces. The first two have to come from clone(2); the mount namespace is the builder's as
 * well, and so made before that is; the others are made beside it. */
enum {
	PLAN_CLONE_FIRST = CLONE_NEWUSER | CLONE_NEWPID,
	PLAN_UNSHARE_BEFORE = CLONE_NEWNS,
	PLAN_UNSHARE_BESIDE = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP,
};

/* A tree of the host that goes into the sandbox. */
struct plan_source {
	const char *path;
	const char *key; /* for errors: "the workspace", a configuration key */
	bool read_only;
	bool idmap; /* show the owner's files as the sandbox user's */
	bool is_directory;
};

enum { PLAN_MAX_SOURCES = 128, PLAN_UID_BASE = 0x70000000, PLAN_UID_RANGE = 1 << 20 };

/* How a path of the host's root looks, for the skeleton of the new one. */
enum entry_kind { ENTRY_DIRECTORY = 1, ENTRY_SYMLINK, ENTRY_FILE };
struct plan_entry {
	const char *name; /* "lib64", "proc/kcore" */
	const char *link; /* ENTRY_SYMLINK: content */
	enum entry_kind kind;
};

/* What the plan needs to know about the host: gathered by facts.c, invented by tests. */
struct native_facts {
	bool privileged; /* may map any uid and mount host trees: uids and idmaps by the parent */
	bool force_owner_uid; /* the file system cannot idmap: outside uid is the workspace's owner */
	uid_t caller_uid;
	gid_t caller_gid;
	/* NULL: it is there. A plan can be made without it, with the caller as its owner, who will be
	 * the one to make it; a sandbox cannot be started. */
	const char *missing_workspace;
	uid_t owner_uid; /* of the workspace, on the host */
	gid_t owner_gid;
	int landlock_abi; /* < 1: none */
	bool seccomp;
	struct cgroup_host cgroups;
	bool nproc_per_namespace; /* RLIMIT_NPROC counts the sandbox alone (Linux 5.14) */
	unsigned last_capability;
	uint64_t nofile_hard;
	uint64_t sigpending_hard;
	const char *staging; /* an existing directory to build the new root over: "/tmp" */
	const char *init_path;
	const struct plan_entry *root; /* entries of the root: usr, bin, ... */
	size_t root_count;
	const struct plan_entry *etc; /* entries of the host's /etc to show; host root only */
	size_t etc_count;
};

struct plan {
	uint32_t inside_uid, inside_gid, outside_uid, outside_gid;
	bool cgroup; /* a control group with these limits holds the sandbox */
	struct cgroup_limits limits;
	bool self_map; /* the child writes its own id maps (an ordinary user's) */
	struct plan_step *steps;
	size_t step_count, step_cap;
	struct plan_source *sources;
	size_t source_count;
	bool missing[LAYER_COUNT_]; /* layers it does without, because the spec allows that */
	bool once;
	struct arena *arena;
};

/*
 * run_dir: directory with socket and token for a sandbox that outlives its starter; NULL: once.
 * All memory is the arena's; strings of spec and facts are borrowed. -EINVAL with the key in err for
 * what a native sandbox cannot honour, -ENOTSUP for a missing layer.
 */
int plan_build(const struct sandbox_spec *spec, const struct native_facts *facts,
	const char *run_dir, struct arena *arena, struct plan *ret, struct error *err);

const char *step_kind_name(enum step_kind kind);

/* Is it the builder who does this, and not the first process? */
bool step_is_builders(enum step_kind kind);

/* The steps in order, as an array of objects. A new reference. */
json_t *plan_steps_json(const struct plan *plan);

/*
 * The same from a spec alone, with the facts of this host: for `sandbox plan`. Touches nothing.
 * NULL with err set when the sandbox could not be made here.
 */
json_t *native_plan_json(const struct sandbox_spec *spec, struct error *err);

#endif
