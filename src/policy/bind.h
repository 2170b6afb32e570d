/* SPDX-License-Identifier: MIT */
/* What a bind entry says, as text: source:target[:mode]. The file system is not asked here. */
#ifndef POLICY_BIND_H
#define POLICY_BIND_H

#include <stdbool.h>

#include "base/arena.h"

enum bind_fault {
	BIND_OK,
	BIND_SYNTAX, /* not two or three parts */
	BIND_SOURCE_RELATIVE,
	BIND_TARGET_RELATIVE,
	BIND_BACKSLASH,
	BIND_MODE, /* a mode other than ro, rw, z, Z */
	BIND_TARGET_SYSTEM, /* /, /proc, /sys, /dev, /run/creel or below */
	BIND_TARGET_RESERVED, /* /workspace, /agent or below */
	BIND_FAULT_COUNT_,
};

struct bind_parts {
	const char *source; /* absolute, normalised */
	const char *target; /* absolute, normalised */
	bool read_only;
};

/* Take an entry apart and judge its text. *ret is set with BIND_OK and BIND_TARGET_RESERVED. */
enum bind_fault bind_parse(struct arena *a, const char *entry, struct bind_parts *ret);

/* Would a mount there cover what the sandbox itself is made of (/proc, /run/creel, ...)? Blank: no. */
bool bind_target_is_system(struct arena *a, const char *target);

/* What is wrong and what would be right, as a clause: "the target is not an absolute path". */
const char *bind_fault_text(enum bind_fault fault);

#endif
