/* SPDX-License-Identifier: MIT */
/*
 * The frame protocol between the gateway and creel-init (docs/PROTOCOL.md). Pure: bytes in, structs
 * out, no descriptors, no clock. Shared by both ends, so it needs base alone and builds with musl.
 *
 * A frame is a 12-byte header and a payload, little endian:
 *	u32 length of the payload (<= LIMIT_FRAME_PAYLOAD)
 *	u16 kind (enum frame_kind)
 *	u16 flags, 0 in this version
 *	u32 stream: 0 for the connection itself, else the number its opener chose
 * Strings in payloads are u32 length and bytes without a NUL; a byte 0 inside is malformed. Every
 * payload must be used up exactly: left-over bytes are malformed.
 */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/limits.h"

enum {
	FRAME_HEADER_SIZE = 12,
	WIRE_VERSION = 1,
	WIRE_TOKEN_SIZE = 32,
};

/* Requests of the gateway are even, what creel-init sends is odd. */
enum frame_kind {
	FRAME_HELLO = 1, /* init: struct wire_hello, first frame on a connection */
	FRAME_WELCOME = 2, /* gateway: struct wire_welcome, answers hello */
	FRAME_SPAWN = 4, /* gateway: struct wire_spawn; stream = a number not in use */
	FRAME_SPAWNED = 3, /* init: u32 pid */
	FRAME_FAILED = 5, /* init: struct wire_failed; the stream is over */
	FRAME_STDIN = 6, /* gateway: bytes for the process, within the credit granted */
	FRAME_STDIN_EOF = 8, /* gateway: empty; a pty gets VEOF, a pipe is closed */
	FRAME_STDIN_CREDIT = 7, /* init: u32 more bytes that may be sent */
	FRAME_OUTPUT = 9, /* init: u8 channel, u64 offset of the first byte, bytes */
	FRAME_CREDIT = 10, /* gateway: u8 channel, u32 more bytes that may be sent */
	FRAME_RESIZE = 12, /* gateway: u16 rows, u16 columns */
	FRAME_SIGNAL = 14, /* gateway: u32 signal, u8 enum wire_signal_scope */
	FRAME_EXITED = 11, /* init: struct wire_exited; followed: after the last OUTPUT */
	FRAME_ATTACH = 16, /* gateway: struct wire_attach; send output again from an offset */
	FRAME_ATTACHED =
		13, /* init: struct wire_process (answer to ATTACH, OUTPUT comes after it) */
	FRAME_FETCHED = 23, /* init: struct wire_process; an ATTACH without follow is served */
	FRAME_FORGET = 18, /* gateway: empty; kill the tree if it runs, drop ring and status */
	FRAME_FORGOTTEN =
		25, /* init: empty; nothing more comes on this stream, its number is free */
	FRAME_LIST = 20, /* gateway, stream 0: empty */
	FRAME_PROCESS = 15, /* init, stream 0: struct wire_process, one frame each */
	FRAME_LIST_END = 17, /* init, stream 0: u32 count */
	FRAME_PING = 22, /* gateway, stream 0: u64 */
	FRAME_PONG = 19, /* init, stream 0: the same u64 */
	FRAME_SHUTDOWN =
		24, /* gateway, stream 0: u32 grace in ms; TERM, then KILL, then init exits */
	FRAME_ERROR = 21, /* init, stream 0: string; sent before it closes on a malformed frame */
	/* 26..63: wire/frame_file.h; 64..95: wire/frame_connect.h */
};

enum wire_channel { WIRE_STDOUT = 1, WIRE_STDERR = 2 };

struct frame_header {
	uint32_t length;
	uint16_t kind;
	uint32_t stream;
};

/* A view of bytes that belong to the receive buffer: valid until the next read into it. */
struct wire_bytes {
	const uint8_t *data;
	size_t len;
};

/* Bits of a hello's capabilities. POPULATED: something lives of what was ever spawned, also where the command
 * that left it is over or forgotten. */
enum { WIRE_HELLO_POPULATED = 1 };

struct wire_hello {
	uint32_t version, capabilities;
	uint8_t token[WIRE_TOKEN_SIZE];
	uint64_t instance; /* random per creel-init, tells a reconnect from a new one */
	uint32_t processes; /* remembered ones, running or not */
	uint32_t next_stream; /* this number and those above were never used */
	bool reconnect;
};

/* Bits of a welcome's capabilities. TIED: what this connection spawned or attached to is killed and
 * forgotten when it ends, however it ends. */
enum { WIRE_WELCOME_TIED = 1 };

struct wire_welcome {
	uint32_t version, capabilities;
	bool once; /* exit (and with it end the sandbox) when this connection ends */
};

enum wire_spawn_flag {
	WIRE_SPAWN_PTY = 1, /* one channel (stdout), its own session and controlling terminal */
	WIRE_SPAWN_MERGE = 2, /* stderr goes where stdout goes, order kept */
	WIRE_SPAWN_STDIN = 4, /* stdin is open; without it /dev/null */
	WIRE_SPAWN_LOGIN_ENV =
		8, /* start from the environment that `sh -lc env` gave once, env on top */
	WIRE_SPAWN_DETACHED =
		16, /* nobody follows the output: never paused, the ring keeps the newest */
	/* The sandbox ends with it: creel-init leaves as soon as EXITED is out, without being told. */
	WIRE_SPAWN_LAST = 32,
	WIRE_SPAWN_FLAGS_ = 63,
};

struct wire_rlimit {
	uint32_t resource; /* RLIMIT_* of this architecture */
	uint64_t soft, hard;
};

/* TAG: holds what a gateway needs to know of a process that an earlier one started. */
enum { WIRE_MAX_RLIMITS = 16, WIRE_MAX_NAME = 256, WIRE_MAX_TEXT = 1024, WIRE_MAX_TAG = 1024 };
#define WIRE_NO_ID UINT32_MAX

/* Both ends start from this much STDIN credit per process; STDIN_CREDIT adds to it. */
enum { WIRE_STDIN_WINDOW = 256 * 1024, WIRE_MAX_SIGNAL = 64 };

/* argv and env point into caller's or receive buffer's memory (decoded: argv/env arrays are the
 * arena's). argv[0] is looked up in the PATH of env when it holds no slash. */
struct wire_spawn {
	uint32_t flags;
	uint32_t uid, gid; /* WIRE_NO_ID: as creel-init */
	uint16_t rows, columns;
	uint32_t ring_bytes; /* per channel; 0: LIMIT_RING_DEFAULT */
	uint32_t timeout_ms; /* 0: none; then TERM to the tree, KILL after grace_ms */
	uint32_t grace_ms; /* 0: 3000 (contract D10) */
	uint32_t credit; /* per channel, at the start; link_spawn() puts it in, 0 when detached */
	const char *cwd; /* NULL: as creel-init */
	const char *const *argv; /* NULL-terminated, at least one */
	const char *const *env; /* NULL-terminated NAME=value */
	const struct wire_rlimit *rlimits;
	size_t rlimit_count;
	const char *tag; /* NULL: none; kept by creel-init unread, and given back */
};

/* Why a spawn did not come to exec. */
enum wire_fail_stage { WIRE_FAIL_REQUEST = 1, WIRE_FAIL_RESOURCES, WIRE_FAIL_CWD, WIRE_FAIL_EXEC };
struct wire_failed {
	uint32_t stage;
	uint32_t errnum;
	struct wire_bytes text; /* one sentence */
};

/* END: the signal to the tree, KILL after grace_ms, and EXITED only when nothing of it is left. */
enum wire_signal_scope { WIRE_SIGNAL_GROUP = 1, WIRE_SIGNAL_TREE = 2, WIRE_SIGNAL_END = 3 };

struct wire_exited {
	int32_t code; /* exit code, or -1 */
	int32_t signal; /* signal that ended it, or 0 */
	bool timed_out;
	uint64_t out_bytes, err_bytes; /* all that was ever written, kept or not */
	uint64_t cpu_us, max_rss_kib;
};

/* follow: as after SPAWN; a slow reader pauses the process. Without it the credit is for this once:
 * what the ring holds is sent up to it, then FETCHED, and the process is never paused. */
struct wire_attach {
	uint64_t out_offset,
		err_offset; /* first byte wanted; older than the ring: from what is kept */
	uint32_t out_credit, err_credit; /* these replace what was granted before */
	bool follow;
};

struct wire_process {
	uint32_t stream, pid;
	bool running;
	struct wire_exited exited; /* when not running */
	uint64_t out_first, out_end; /* what the ring holds: [first, end) */
	uint64_t err_first, err_end;
	uint64_t started_ms; /* CLOCK_REALTIME */
	struct wire_bytes name; /* argv[0], cut to 256 bytes */
	struct wire_bytes tag; /* of SPAWN */
};

/*
 * Look at the start of a byte stream. 1: a whole frame is there, *ret_header filled and the payload
 * is data[FRAME_HEADER_SIZE .. +length). 0: more bytes are needed. -EPROTO: length over the limit or
 * flags set; the connection must end.
 */
int frame_peek(const uint8_t *data, size_t len, struct frame_header *ret_header, struct error *err);

/* Append a header for a payload of length bytes that follows. */
void frame_add_header(struct buf *out, enum frame_kind kind, uint32_t stream, uint32_t length);

/*
 * Whole frames. An encoder appends one frame to out and cannot fail, except where it returns int:
 * -E2BIG when the content is over a named limit, -EINVAL when it makes no sense (nothing is
 * appended then). A decoder takes the
 * payload alone, returns 0 or -EPROTO with the field named in err, and writes *ret only on success.
 */
void frame_add_empty(struct buf *out, enum frame_kind kind, uint32_t stream);
void frame_add_u32(struct buf *out, enum frame_kind kind, uint32_t stream, uint32_t value);
void frame_add_u64(struct buf *out, enum frame_kind kind, uint32_t stream, uint64_t value);
void frame_add_bytes(
	struct buf *out, enum frame_kind kind, uint32_t stream, const void *data, size_t len);
int frame_get_empty(struct wire_bytes payload, struct error *err);
int frame_get_u32(struct wire_bytes payload, uint32_t *ret, struct error *err);
int frame_get_u64(struct wire_bytes payload, uint64_t *ret, struct error *err);
/* One string, cut at WIRE_MAX_TEXT and at a byte 0 when it is sent. */
void frame_add_string(
	struct buf *out, enum frame_kind kind, uint32_t stream, struct wire_bytes text);
int frame_get_string(struct wire_bytes payload, struct wire_bytes *ret, struct error *err);

void frame_add_hello(struct buf *out, const struct wire_hello *hello);
int frame_get_hello(struct wire_bytes payload, struct wire_hello *ret, struct error *err);
void frame_add_welcome(struct buf *out, const struct wire_welcome *welcome);
int frame_get_welcome(struct wire_bytes payload, struct wire_welcome *ret, struct error *err);
int frame_add_spawn(
	struct buf *out, uint32_t stream, const struct wire_spawn *spawn, struct error *err);
/* Strings and arrays of *ret are arena memory. */
int frame_get_spawn(
	struct wire_bytes payload, struct arena *arena, struct wire_spawn *ret, struct error *err);
void frame_add_failed(struct buf *out, uint32_t stream, const struct wire_failed *failed);
int frame_get_failed(struct wire_bytes payload, struct wire_failed *ret, struct error *err);
/* The header of an OUTPUT frame; len bytes follow it on the wire. */
void frame_add_output_header(
	struct buf *out, uint32_t stream, enum wire_channel channel, uint64_t offset, uint32_t len);
int frame_get_output(struct wire_bytes payload, enum wire_channel *ret_channel,
	uint64_t *ret_offset, struct wire_bytes *ret_data, struct error *err);
void frame_add_credit(struct buf *out, uint32_t stream, enum wire_channel channel, uint32_t bytes);
int frame_get_credit(struct wire_bytes payload, enum wire_channel *ret_channel, uint32_t *ret_bytes,
	struct error *err);
void frame_add_resize(struct buf *out, uint32_t stream, uint16_t rows, uint16_t columns);
int frame_get_resize(
	struct wire_bytes payload, uint16_t *ret_rows, uint16_t *ret_columns, struct error *err);
void frame_add_signal(
	struct buf *out, uint32_t stream, uint32_t signo, enum wire_signal_scope scope);
int frame_get_signal(struct wire_bytes payload, uint32_t *ret_signo,
	enum wire_signal_scope *ret_scope, struct error *err);
void frame_add_exited(struct buf *out, uint32_t stream, const struct wire_exited *exited);
int frame_get_exited(struct wire_bytes payload, struct wire_exited *ret, struct error *err);
void frame_add_attach(struct buf *out, uint32_t stream, const struct wire_attach *attach);
int frame_get_attach(struct wire_bytes payload, struct wire_attach *ret, struct error *err);
void frame_add_process(
	struct buf *out, enum frame_kind kind, uint32_t stream, const struct wire_process *process);
int frame_get_process(struct wire_bytes payload, struct wire_process *ret, struct error *err);

#endif
