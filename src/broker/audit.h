/* SPDX-License-Identifier: MIT */
/*
 * The audit log: one line of JSON for everything that was decided or done.
 *
 * <state>/audit.jsonl, mode 0600. Each row carries the hash of the row before it ("prev") and its own
 * ("hash", SHA-256 over the row as written, without that member), so that a row that is changed, removed
 * or put in between breaks the chain; only the loss of the newest rows leaves no trace, unless somebody
 * remembers the last hash. Lines and not a database: they are appended whole, several processes may write,
 * and grep, jq and every log shipper read them.
 */
#ifndef BROKER_AUDIT_H
#define BROKER_AUDIT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"

#define AUDIT_FILE "audit.jsonl"

struct audit_opts {
	uint64_t max_bytes; /* a larger file is put aside; 0: 64 MiB */
	unsigned files; /* how many of those are kept; 0: 8 */
};

/* What happened. Absent (NULL, -1, false) members are left out of the row. Text may come from anywhere:
 * what is not UTF-8 is escaped, and JSON leaves no byte that could begin another line. */
struct audit_entry {
	const char *
		kind; /* "call", "denial", "elevation", "approval", "sandbox", "session", "config", ... */
	const char *action; /* "exec", "create", "reload" */
	const char *actor; /* name of the token, "local", "cli" */
	const char *sender, *agent, *session, *tool, *sandbox, *backend;
	const char *decision; /* "allowed", "denied", "failed" */
	const char *rule, *reason;
	int64_t duration_us, bytes_in, bytes_out;
	int exit_code;
	bool has_exit;
	const json_t *detail; /* borrowed */
	const char
		*secret; /* one more that the row may not show: the token that came with the call */
};
/* What an entry begins as. */
#define AUDIT_ENTRY(kind_, action_)                                                      \
	{                                                                                \
		.kind = (kind_), .action = (action_), .duration_us = -1, .bytes_in = -1, \
		.bytes_out = -1                                                          \
	}

struct audit;

/* Opens or makes the log; a row that was cut off by a crash is dropped, and a row says so. The state
 * directory must exist. */
int audit_open(const char *state_dir, const struct audit_opts *opts, struct audit **ret,
	struct error *err);
struct audit *audit_close(struct audit *audit); /* takes NULL, returns NULL */

/*
 * Append one row: all of it or, with a negative errno, nothing. It is in the kernel's hands then; what a
 * power cut may take is what audit_sync() has not been called after.
 */
int audit_row(struct audit *audit, const struct audit_entry *entry, struct error *err);
int audit_sync(struct audit *audit, struct error *err);

/* Values that no row may show: each is replaced by "***" wherever it stands, in capitals or not (names of
 * sessions and sandboxes are made of small letters). Those under 6 bytes are too short to look for. Copied;
 * replaces the list before. Values of NAME=value whose name looks like a secret's, and what follows
 * "Bearer ", are replaced without being listed. "kind", "backend" and "decision" are words of ours. */
void audit_set_secrets(struct audit *audit, const struct strv *values);
/* One that was made meanwhile, of at most 31 bytes: a browser's password. The last 256 are known. */
void audit_learn_secret(struct audit *audit, const char *value);
/* Append a text with them replaced as in a row: for other logs. */
void audit_mask_text(const struct audit *audit, const char *text, struct buf *out);

/* --- reading (audit-read.c) --- */

/* text: the whole line without its newline, valid during the call; row: the same, parsed, borrowed. Returning
 * false ends the reading. */
typedef bool (*audit_row_fn)(void *arg, const char *text, size_t len, const json_t *row);

/* Where the reading of a log stands, to go on from later. */
struct audit_position {
	uint64_t inode, offset; /* of audit.jsonl */
	uint64_t seq; /* of the last row that was given out */
};

/* Give out every row that is there behind *position, oldest first; a zeroed position is the beginning. A
 * log that does not exist has no rows. */
int audit_read(const char *state_dir, struct audit_position *position, audit_row_fn fn, void *arg,
	struct error *err);

struct audit_verdict {
	uint64_t rows, first_seq, last_seq;
	char last_hash[65];
	bool torn; /* the last row is cut off: a crash, or a full disk */
};
/* Check the whole chain. 0: it holds; -EBADMSG: err names the file, the line and what is wrong there. */
int audit_verify(const char *state_dir, struct audit_verdict *ret, struct error *err);

/* The hash that a line claims and the one that it has. false: the line has none where it should. */
bool audit_line_hashes(const char *line, size_t len, char ret_claimed[65], char ret_actual[65]);

#endif
