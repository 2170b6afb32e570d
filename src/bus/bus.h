/* SPDX-License-Identifier: MIT */
/*
 * Messages between the broker and its front, one per packet of a SOCK_SEQPACKET pair. Pure: bytes in,
 * structs out. The broker takes everything that comes from the front as hostile: the front reads what
 * agents and sandboxes send, and may have been taken over.
 *
 * A message is, little endian: u16 kind, u16 flags, u32 id, and the fields of its kind in the order of
 * the table in bus.c, each a u32 length and that many bytes without a NUL; length UINT32_MAX: absent.
 * It must be used up exactly.
 */
#ifndef BUS_BUS_H
#define BUS_BUS_H

#include "wire/frame.h"

enum {
	BUS_MESSAGE_MAX = 60 * 1024, /* fits a socket's default buffer more than once */
	BUS_JSON_MAX = 48 * 1024, /* what is longer goes as a memfd, from the broker alone */
	BUS_MEMFD_MAX = 64 * 1024 * 1024, /* a list of all sessions, of the audit log */
	BUS_SPAWN_MAX = 48 * 1024, /* a SPAWN's payload that a person has to approve */
	BUS_FDS_MAX = 8, /* a stream, a lock, five that tell of denials, a memfd */
};

enum bus_kind {
	/* The front's. id: its own number, given back in the answer; 0: no answer comes. */
	BUS_ACQUIRE = 1, /* caller, session: a grant, and the stream if it is not held already. fd:
			  * the caller's connection, with BUS_LOCAL */
	BUS_ELEVATE, /* caller, session, SPAWN: a relay that takes that SPAWN alone */
	BUS_ASK, /* caller, OP, JSON: an operation of gateway/core.h */
	BUS_CANCEL, /* the answer to id is of no interest any more */
	BUS_RELEASE, /* NAME: the sandbox's stream ended or is given up */
	BUS_AUDIT, /* caller, session, NAME, JSON: what the front saw, for the log */
	BUS_PONG, /* answer to BUS_PING, its id */
	BUS_READY, /* the front is confined and serves */
	BUS_BUSY, /* NAME: the answer to BUS_DROP with BUS_IF_IDLE: it is at work, and is given back
		   * when that has ended */
	/* The broker's. */
	BUS_REPLY = 33, /* JSON, fds */
	BUS_FAILURE, /* TYPE, MESSAGE, HINT */
	BUS_EVENT, /* NAME, JSON: something happened */
	BUS_SETTINGS, /* JSON: see gateway_settings(); the first message of all */
	BUS_FORGET, /* SESSION or NAME: grants of it are void. Both absent: all grants */
	BUS_DROP, /* NAME: its stream is to be closed; BUS_RELEASE tells that it is */
	BUS_PING, /* are you there */
	BUS_STOP, /* take nothing new, finish what runs, exit */
};

enum bus_flag {
	BUS_LOCAL = 1, /* the first fd is the caller's connection */
	BUS_OWNER = 2, /* the sender is the owner */
	BUS_START = 4, /* ACQUIRE: start the sandbox; without it only the grant is wanted */
	BUS_MEMFD = 8, /* the last fd holds the JSON */
	BUS_ELEVATED = 16, /* the call asks for it */
	BUS_HELD = 32, /* REPLY: no stream comes along, the front has it */
	BUS_BROWSER = 64, /* ACQUIRE: the sandbox of the session's browser is meant */
	BUS_REMOVE = 128, /* RELEASE: it is of no use, and is taken away */
	BUS_IF_IDLE = 256, /* DROP: not while anything is at work in it */
	BUS_FLAGS_ = 511,
};

enum bus_field {
	BUS_TOKEN,
	BUS_TRANSPORT,
	BUS_MODEL,
	BUS_SENDER_PROVIDER,
	BUS_SENDER_ID,
	BUS_SENDER_NAME,
	BUS_SENDER_USERNAME,
	BUS_SENDER_TAG,
	BUS_SENDER_E164,
	BUS_SENDER_FROM,
	BUS_AGENT,
	BUS_SESSION,
	BUS_TOOL,
	BUS_WORKSPACE,
	BUS_CONTROL, /* "host", or a DevTools address: the browser outside of the sandbox */
	BUS_OP,
	BUS_NAME,
	BUS_TYPE,
	BUS_MESSAGE,
	BUS_HINT,
	BUS_SPAWN,
	BUS_JSON,
	BUS_FIELD_COUNT_,
};

/* data NULL: absent. Views: of the sender's memory, or of the packet that was decoded. */
struct bus_message {
	enum bus_kind kind;
	uint32_t flags, id;
	struct wire_bytes fields[BUS_FIELD_COUNT_];
};

/* text may be NULL: absent. */
void bus_set(struct bus_message *message, enum bus_field field, const char *text);
/* A copy on the heap; NULL: absent. */
char *bus_take(const struct bus_message *message, enum bus_field field);

/* Append the packet. -E2BIG: a field or the whole is too long; -EINVAL: a field that the kind has
 * not. Nothing is appended then. */
int bus_encode(struct buf *out, const struct bus_message *message, struct error *err);
/* -EPROTO, with the field named. */
int bus_decode(struct wire_bytes packet, struct bus_message *ret, struct error *err);

#endif
