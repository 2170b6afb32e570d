/* SPDX-License-Identifier: MIT */
/*
 * What attackers are after: files outside of the workspace that anybody may write, sockets that
 * listen, a process, a secret in the environment, a descriptor left open. All of it below one
 * directory and in this process.
 */
#ifndef SELFTEST_DECOY_H
#define SELFTEST_DECOY_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "selftest/attack.h"

enum { DECOY_CANARY_HEX = 32 };

struct decoy {
	char base[64]; /* /tmp/creel-selftest-XXXXXX */
	char workspace[96], outside[96], read_only[96], home[96];
	char path_socket[110];
	char abstract[64], sibling_abstract[64];
	char canary[DECOY_CANARY_HEX + 1];
	int lock_fd; /* of base: whoever was killed no longer holds it */
	int tcp_fd, udp_fd, abstract_fd, path_fd;
	int tcp_port, udp_port, sibling_port;
	pid_t victim;
	int victim_nice; /* as it was started */
};

/*
 * Make all of it, as whoever this process is. probe_fd: creel-probe, which is copied into the
 * workspace; where this is root, once more with set-user-id and once with capabilities. Then also
 * this process takes part: it gets a secret in its environment and a descriptor that survives exec.
 * -errno with err set; decoy_finish() is right afterwards in any case.
 */
int decoy_make(struct decoy *decoy, int probe_fd, uid_t owner, struct error *err);
void decoy_finish(struct decoy *decoy);

/* Remove what a run of ours left that was killed. */
void decoy_sweep(void);

/* Who was reached: fn gets the name of each attack that arrived at a socket (as the visitor gave it),
 * was written to a file, or ended the victim; what says which. */
void decoy_verify(
	struct decoy *decoy, void (*fn)(void *arg, const char *id, const char *what), void *arg);

/* Does a directory of decoy files hold exactly what it was made with? Otherwise what says what not. */
bool decoy_files_whole(const struct decoy *decoy, char *what, size_t size);

/* Does no process hold the lock that res-orphans leaves behind? */
bool decoy_orphans_gone(const struct decoy *decoy);

#endif
