/* SPDX-License-Identifier: MIT */
/*
 * The attacks of `creel selftest`, as a table that both sides have: the host, which prints it, and
 * creel-probe, which carries out what has to be tried from inside.
 */
#ifndef SELFTEST_ATTACK_H
#define SELFTEST_ATTACK_H

#include <stdbool.h>
#include <stddef.h>

enum attack_area {
	AREA_FILES,
	AREA_PROCESSES,
	AREA_KERNEL,
	AREA_RESOURCES,
	AREA_NETWORK,
	AREA_CONTROL,
	AREA_COUNT_
};
const char *attack_area_name(enum attack_area area);

/* Who tries it. */
enum attack_kind {
	ATTACK_INSIDE, /* creel-probe, in a sandbox */
	ATTACK_AROUND, /* the host, with a sandbox: once per backend and user */
	ATTACK_DECISION, /* the host, with configurations: once */
	ATTACK_ABSENT, /* nobody: there is nothing here that could be attacked; why says so */
};

enum outcome { OUTCOME_NONE, OUTCOME_HELD, OUTCOME_FELL, OUTCOME_NA, OUTCOME_BROKEN };
const char *outcome_name(enum outcome outcome); /* "held", "fell", "n/a", "broken", "-" */

struct attack {
	const char *id; /* "fs-symlink-write"; also the name of its decoys */
	const char *about; /* what it is known as elsewhere: CVE numbers; "" when it has no name */
	enum attack_area area;
	enum attack_kind kind;
	const char *title; /* what is tried: lower case, no full stop */
	const char *why; /* ATTACK_ABSENT; else NULL */
};

extern const struct attack attacks[];
extern const size_t attack_count;

/* Is id in a list of names with commas between them? A list that is NULL holds all. */
bool attack_is_listed(const char *list, const char *id);

/* -1: there is none of that name. */
int attack_index(const char *id);

#endif
