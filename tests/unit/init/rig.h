/* SPDX-License-Identifier: MIT */
/* A real creel-init at the other end of a link, and commands run in it. */
#ifndef TESTS_UNIT_INIT_RIG_H
#define TESTS_UNIT_INIT_RIG_H

#include <sys/types.h>

#include "wire/link.h"

struct run;
struct rig {
	struct link *link;
	pid_t pid; /* creel-init, or what it runs under */
	struct error why; /* of the link's end */
	bool dead;
	struct wire_hello hello;
	struct wire_process listed[64];
	size_t listed_count;
	bool list_ended;
	uint64_t pong;
	struct run *runs; /* all of them, freed with the rig */
};

/* One command and everything that was heard of it. */
struct run {
	struct run *next;
	struct rig *rig;
	uint32_t stream, pid;
	struct buf out, err;
	uint64_t out_next, out_lost; /* bytes that fell out of the ring */
	bool hold; /* leave output unconsumed */
	bool spawned, exited, failed, lost, attached, fetched;
	struct wire_exited end;
	uint32_t fail_stage, fail_errno;
	char fail_text[WIRE_MAX_TEXT + 1];
	struct wire_process process;
	size_t stdin_room;
};

extern const struct link_process_ops run_ops;
extern const struct link_ops rig_ops;

/* The program under test: $CREEL_INIT. */
const char *rig_init_path(void);
/* As a plain child (namespaces false), or as PID 1 of new user, pid and mount namespaces with a
 * fresh /proc; NULL when this host forbids those. */
struct rig *rig_start(bool namespaces);
/* Close the stream, free everything and return creel-init's wait status. */
int rig_finish(struct rig *rig);
/* The same as a teardown: 0 when creel-init ended well. */
int rig_stop(struct rig *rig);

/* Pump until *flag, and fail the test after 20 s or when the link dies (unless flag is &rig->dead). */
void rig_until(struct rig *rig, const bool *flag);
/* Pump for so long. */
void rig_pump_ms(struct rig *rig, int ms);
/* Wait for something and pump it: the body of a loop that waits for more than a flag. */
void rig_turn(struct rig *rig);

struct run *run_new(struct rig *rig);
/* Defaults of a spawn: argv from a NULL-terminated list or a shell line. */
void run_argv(struct run *run, struct rig *rig, const char *const *argv, uint32_t flags);
void run_spawn(struct run *run, struct rig *rig, const struct wire_spawn *spawn);
void run_sh(struct run *run, struct rig *rig, const char *line, uint32_t flags);
/* sh -c LINE to its end; the exit code, or -signal. */
int run_to_end(struct run *run, struct rig *rig, const char *line, uint32_t flags);
void run_forget(struct run *run);

#endif
