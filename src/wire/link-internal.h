/* SPDX-License-Identifier: MIT */
/* What link.c (the connection) and link_process.c (the processes on it) share. */
#ifndef WIRE_LINK_INTERNAL_H
#define WIRE_LINK_INTERNAL_H

#include "wire/link.h"

enum { LINK_BUCKETS = 64 };

/* What may come for a process. */
enum link_state {
	LINK_STARTING, /* SPAWN is unanswered */
	LINK_KNOWN, /* it was spawned, now or by an earlier connection */
	LINK_FORGOTTEN, /* FORGET is unanswered: everything before the answer is dropped unread */
};

struct link_channel {
	uint64_t next; /* the offset that output goes on from */
	uint64_t credit; /* bytes that may still come */
	size_t consumed; /* done with, not yet granted anew */
};

struct link_process {
	struct link_process *next; /* in its bucket */
	uint32_t stream;
	enum link_state state;
	bool attaching; /* ATTACH is unanswered: output that comes now belongs to before it */
	struct wire_attach asked; /* that one */
	bool followed;
	bool fetching; /* between ATTACHED and FETCHED */
	bool exited; /* and told so: nothing but an attach brings more output */
	bool stdin_open;
	size_t stdin_credit;
	struct link_channel channels[2]; /* stdout, stderr */
	const struct link_process_ops *ops;
	void *arg;
};

struct link_file;
struct link_connection;
struct link {
	int fd;
	bool once, tied, check_token, ready, pumping;
	bool greeted; /* WELCOME is out already, before hello came */
	uint8_t token[WIRE_TOKEN_SIZE];
	int dead; /* 0, or the negative errno that it died of */
	struct error why;
	uint8_t *in;
	size_t in_len, in_size;
	struct buf out;
	size_t out_sent; /* bytes of out that are gone already */
	uint64_t total_in, total_out; /* see link_traffic() */
	uint32_t next_stream;
	uint32_t lists, listed, pings; /* unanswered; PROCESS frames of the current answer */
	const struct link_ops *ops;
	void *arg;
	struct link_process *buckets[LINK_BUCKETS];
	struct link_file *files; /* requests at work, newest first */
	struct link_connection *connections; /* newest first */
};

/* May another request be queued? 0, the error of a link that is not ready, or -EAGAIN: what was asked
 * before is not read. */
int link_may_ask(const struct link *link, struct error *err);
/* End the link, once: every process that has not ended hears `lost`. Returns link->dead. */
int link_die(struct link *link, int num, const struct error *why);
/* Send what the socket takes now, unless a pump is at work, which does it at its end. */
void link_flush(struct link *link);

struct link_process *link_find(const struct link *link, uint32_t stream);
/* One frame that belongs to a process. 0, or -EPROTO with the reason. */
int link_process_frame(struct link *link, const struct frame_header *header,
	struct wire_bytes payload, struct error *err);
void link_processes_lost(struct link *link);
void link_processes_free(struct link *link);

/* The next number that is neither 0 nor in use. */
uint32_t link_new_stream(struct link *link);
/* Why nothing can be asked of the link now. */
int link_not_ready(const struct link *link, struct error *err);

/* link_file.c */
bool link_file_known(const struct link *link, uint32_t stream);
/* One frame for a request that is known. 0, or -EPROTO with the reason. */
int link_file_frame(struct link *link, const struct frame_header *header, struct wire_bytes payload,
	struct error *err);
void link_files_lost(struct link *link);

/* link_connect.c */
bool link_connection_known(const struct link *link, uint32_t stream);
/* One frame for a connection that is known. 0, or -EPROTO with the reason. */
int link_connection_frame(struct link *link, const struct frame_header *header,
	struct wire_bytes payload, struct error *err);
void link_connections_lost(struct link *link);

#endif
