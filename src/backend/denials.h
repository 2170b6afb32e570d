/* SPDX-License-Identifier: MIT */
/*
 * What a sandbox refuses to the commands that run in it, and who can allow it.
 *
 * System calls come from the seccomp listener, which a keeper holds outside of the sandbox: it refuses
 * and writes an event into a ring, a file of fixed size that readers look at when they like. So nothing
 * in the sandbox waits for a reader. The rest are counters of the kernel, which cost a command nothing:
 * packets that had no route out of the network namespace, and events of control groups.
 */
#ifndef BACKEND_DENIALS_H
#define BACKEND_DENIALS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/own.h"
#include "policy/spec.h"

/* Where to read. FD_NONE: this cannot be told. */
struct denial_fds {
	int ring; /* events, see denial_ring_add() */
	int net, net6; /* /proc/PID/net/snmp and snmp6 of the sandbox */
	int memory, pids; /* memory.events or memory.oom_control, pids.events */
};
#define DENIAL_FDS_NONE                                                              \
	{                                                                            \
		.ring = FD_NONE, .net = FD_NONE, .net6 = FD_NONE, .memory = FD_NONE, \
		.pids = FD_NONE                                                      \
	}
void denial_fds_finish(struct denial_fds *fds); /* closes; safe to repeat */
/* From the first process of a sandbox, the directories of its control groups ("": none) and a ring (FD_NONE:
 * none), which is taken over. What cannot be opened is not told. */
void denial_fds_open(
	pid_t init, const char *memory, const char *pids, int ring_fd, struct denial_fds *ret);

/* For a message: all as one array, what there is not replaced by a file without content. The descriptors
 * stay fds'. A negative errno. */
enum { DENIAL_FDS = 5 };
int denial_fds_pack(struct denial_fds *fds, int ret[DENIAL_FDS]);
void denial_fds_unpack(const int fds[DENIAL_FDS], struct denial_fds *ret);

/* A system call that was refused. */
struct denial_event {
	uint64_t sequence; /* from 1 */
	uint32_t
		pid; /* in the sandbox: the command whose descendant, or self, made it; 0: unknown */
	int32_t number; /* of the system call */
	uint64_t args[3];
};

/* An empty ring in memory, or one in a file that is open for writing; a negative errno. */
int denial_ring_make(void);
int denial_ring_format(int fd);
/* For its one writer, who counts: event->sequence is the one before plus 1. Never waits. */
void denial_ring_add(int fd, const struct denial_event *event);

/* How a row is known, and so how sure it is: all but the last are exact. */
enum denial_source {
	DENIAL_POLICY, /* our own decision, before anything ran */
	DENIAL_FILE, /* the error of a file operation of ours */
	DENIAL_NOTIFICATION, /* seccomp: this call, of this command */
	DENIAL_COUNTER, /* the kernel counted it; whose it was only when one command runs */
	DENIAL_EXIT, /* how the command ended, or could not begin */
	DENIAL_OUTPUT, /* words in what the command printed: likely, no more */
	DENIAL_SOURCE_COUNT_
};
const char *denial_source_name(enum denial_source source);

/* One row of details.denied: strings live until the next denials_collect(). */
struct denial {
	enum denial_source source;
	const char *layer; /* isolation_layer_name(), or a name of ours */
	const char *what;
	const char *rule;
	const char *fix[3]; /* configuration keys, NULL-terminated */
	uint64_t count; /* how often; 0: not known, once at least */
};
typedef void (*denial_fn)(void *arg, const struct denial *denial);

struct denials;
/* Takes over the descriptors. Of spec only what rows name is kept. What was refused before is another
 * reader's. */
struct denials *denials_new(struct denial_fds *fds, const struct sandbox_spec *spec);
struct denials *denials_free(struct denials *denials); /* NULL ok */

/*
 * A command ended, pid in the sandbox (0: whoever it was): what was refused to it, oldest first, each kind once. System
 * calls are exactly its own and its descendants'; the counters know no command, so that what happened
 * since the last call is told here.
 */
void denials_collect(struct denials *denials, uint32_t pid, denial_fn told, void *arg);

/*
 * Might a collection tell anything new, of whichever command? *looked is the caller's, 0 at first. A few
 * reads; with network also the counters of the network namespace, which the kernel adds up over all
 * processors first.
 */
bool denials_pending(const struct denials *denials, bool network, uint64_t *looked);

#endif
