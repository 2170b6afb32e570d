/* SPDX-License-Identifier: MIT */
/*
 * A backend starts and stops sandboxes; everything that is done in one travels over its stream.
 */
#ifndef BACKEND_BACKEND_H
#define BACKEND_BACKEND_H

#include <stdint.h>
#include <sys/types.h>

#include "backend/denials.h"
#include "base/error.h"
#include "policy/spec.h"
#include "wire/link.h"

/* One started sandbox. */
struct backend_sandbox {
	int stream_fd; /* connected; owned by the caller once start() returned 0 */
	bool kept; /* keeper is a process that cleans up, not the sandbox's first */
	uint32_t host_uid; /* lasting sandboxes: whom their processes are on the host */
	pid_t keeper; /* the process to reap, child of the caller; 0: none */
	int control_fd; /* docker: whose end tells the keeper to remove the sandbox */
	char **env; /* docker: the image's and the declared variables; NULL: none; finish() frees */
	uint8_t token[WIRE_TOKEN_SIZE];
	bool has_token; /* false: the stream was inherited, hello carries no secret */
	bool missing[LAYER_COUNT_]; /* layers it had to go without (allowed by the spec) */
	bool has_denials;
	struct denial_fds denials; /* with has_denials: the caller's once start() returned 0 */
};

struct backend_start_opts {
	bool denials; /* tell what the sandbox refuses, as far as this backend can; costs a process */
	const char *init_path; /* creel-init; NULL: found beside the executable or in libexecdir */
};

struct backend_ops {
	const char *name;
	/*
	 * Start a sandbox for a resolved spec that ends with its stream; nothing of it stays behind.
	 * Those that last are made by src/broker. 0, or a negative errno with one sentence that names what
	 * is missing and what to do; then nothing is left behind.
	 */
	int (*start)(const struct sandbox_spec *spec, const struct backend_start_opts *opts,
		struct backend_sandbox *ret, struct error *err);
	/* Wait for the end after the stream was closed, and remove what start() made. Safe to repeat. */
	int (*finish)(struct backend_sandbox *sandbox, struct error *err);
};

const struct backend_ops *backend_by_kind(enum backend_kind kind); /* NULL: not built */

/* One fact about this host, for doctor and explain: layer, whether it is there, why not, what to do. */
struct host_fact {
	enum isolation_layer layer;
	bool present;
	char detail[160]; /* "ABI 7", "cgroup v1, writable", or what is missing */
	char fix[200]; /* the command or setting that would provide it; empty when present */
};
/* Probes this host, nothing cached, a few ms. Fills LAYER_COUNT_ facts in layer order. */
void backend_native_probe(struct host_fact facts[LAYER_COUNT_]);

#endif
