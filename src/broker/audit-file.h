/* SPDX-License-Identifier: MIT */
/* The files of the audit log: audit.jsonl, and those put aside, named by their last row:
 * audit-000000000123.jsonl ends with row 123. */
#ifndef BROKER_AUDIT_FILE_H
#define BROKER_AUDIT_FILE_H

#include "base/hash.h"
#include "base/strv.h"
#include "broker/audit.h"

enum { AUDIT_LINE_MAX = 256 * 1024 };

/* The last member of each row. */
#define AUDIT_HASH_MEMBER ",\"hash\":\""
/* What the first row names as the one before it. */
#define AUDIT_NO_HASH "0000000000000000000000000000000000000000000000000000000000000000"

struct audit_end {
	uint64_t seq, size; /* of the last whole row, and where it ends */
	uint64_t torn; /* bytes behind it that are no whole row */
	char hash[HASH_HEX_SIZE];
};

/* Where the chain stands: by the last row of fd or, when it has none, by the newest file put aside.
 * -EBADMSG: the last line is no row of ours; nothing may be written behind it. */
int audit_find_end(int dir_fd, int fd, struct audit_end *ret, struct error *err);

/* Rename audit.jsonl, whose last row is seq, and remove the oldest ones over keep. */
int audit_put_aside(int dir_fd, uint64_t seq, unsigned keep, struct error *err);

/* The files put aside, oldest first. */
int audit_list_aside(int dir_fd, struct arena *arena, struct strv *ret, struct error *err);

#endif
