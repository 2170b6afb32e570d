/* SPDX-License-Identifier: MIT */
/* The gateway's end of a stream: the processes on it, what they may send and what is asked of them. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/link-internal.h"

enum {
	/* Granted anew in pieces of this size: few frames, and the window never runs dry. */
	CREDIT_STEP = LIMIT_CREDIT_WINDOW / 4,
	STDIN_FRAME = 64 * 1024,
};

static struct link_process **slot_of(const struct link *link, uint32_t stream)
{
	struct link *mutable_link = (struct link *)(uintptr_t)link;
	struct link_process **at = &mutable_link->buckets[stream % LINK_BUCKETS];

	while (*at != NULL && (*at)->stream != stream) {
		at = &(*at)->next;
	}
	return at;
}

struct link_process *link_find(const struct link *link, uint32_t stream)
{
	return *slot_of(link, stream);
}

/* What a request is about: known, and the link alive. */
static struct link_process *find_usable(const struct link *link, uint32_t stream)
{
	struct link_process *p = link->dead == 0 ? link_find(link, stream) : NULL;

	return p != NULL && p->state != LINK_FORGOTTEN ? p : NULL;
}

static struct link_process *add(
	struct link *link, uint32_t stream, const struct link_process_ops *ops, void *arg)
{
	static const struct link_process_ops no_ops;
	struct link_process **at = slot_of(link, stream);
	struct link_process *p = xcalloc(1, sizeof(*p));

	assert(*at == NULL);
	*p = (struct link_process){
		.stream = stream,
		.ops = ops != NULL ? ops : &no_ops,
		.arg = arg,
	};
	*at = p;
	return p;
}

/* Out of the table; the caller frees it. */
static void detach(struct link *link, struct link_process *p)
{
	struct link_process **at = &link->buckets[p->stream % LINK_BUCKETS];

	while (*at != p) {
		at = &(*at)->next;
	}
	*at = p->next;
}

void link_processes_lost(struct link *link)
{
	for (size_t i = 0; i < LINK_BUCKETS; i++) {
		for (struct link_process *p = link->buckets[i]; p != NULL; p = p->next) {
			bool waiting = !p->exited || p->attaching || p->fetching;

			if (p->state != LINK_FORGOTTEN && waiting && p->ops->lost != NULL) {
				p->ops->lost(p->arg, &link->why);
			}
		}
	}
}

void link_processes_free(struct link *link)
{
	for (size_t i = 0; i < LINK_BUCKETS; i++) {
		while (link->buckets[i] != NULL) {
			struct link_process *p = link->buckets[i];

			link->buckets[i] = p->next;
			free(p);
		}
	}
}

static int unexpected(const struct frame_header *header, struct error *err)
{
	return error_plain(err, EPROTO, "frame of kind %u does not fit the state of stream %u",
		header->kind, header->stream);
}

static int on_spawned(struct link_process *p, const struct frame_header *header,
	struct wire_bytes payload, struct error *err)
{
	uint32_t pid;
	int r;

	if (p->state != LINK_STARTING) {
		return unexpected(header, err);
	}
	r = frame_get_u32(payload, &pid, err);
	if (r < 0) {
		return r;
	}
	p->state = LINK_KNOWN;
	if (p->ops->spawned != NULL) {
		p->ops->spawned(p->arg, pid);
	}
	return 0;
}

/* FAILED ends the stream at both ends: no FORGET is due. */
static int on_failed(struct link *link, struct link_process *p, const struct frame_header *header,
	struct wire_bytes payload, struct error *err)
{
	struct wire_failed failed;
	int r;

	if (p->state != LINK_STARTING && !p->attaching) {
		return unexpected(header, err);
	}
	r = frame_get_failed(payload, &failed, err);
	if (r < 0) {
		return r;
	}
	detach(link, p);
	if (p->ops->failed != NULL) {
		p->ops->failed(p->arg, &failed);
	}
	free(p);
	return 0;
}

static int on_output(struct link_process *p, const struct frame_header *header,
	struct wire_bytes payload, struct error *err)
{
	enum wire_channel channel;
	struct link_channel *c;
	struct wire_bytes data;
	uint64_t offset;
	int r = frame_get_output(payload, &channel, &offset, &data, err);

	if (r < 0) {
		return r;
	}
	if (p->attaching && p->state == LINK_KNOWN) {
		return 0;
	}
	if (p->state != LINK_KNOWN || !(p->fetching || (p->followed && !p->exited))) {
		return unexpected(header, err);
	}
	c = &p->channels[channel - WIRE_STDOUT];
	if (data.len > c->credit) {
		return error_plain(
			err, EPROTO, "output over the credit granted on stream %u", header->stream);
	}
	if (offset < c->next) {
		return error_plain(
			err, EPROTO, "output goes backwards on stream %u", header->stream);
	}
	c->credit -= data.len;
	c->next = offset + data.len;
	if (p->ops->output != NULL) {
		p->ops->output(p->arg, channel, offset, data.data, data.len);
	}
	return 0;
}

static int on_exited(struct link_process *p, const struct frame_header *header,
	struct wire_bytes payload, struct error *err)
{
	struct wire_exited exited;
	int r = frame_get_exited(payload, &exited, err);

	if (r < 0) {
		return r;
	}
	if (p->attaching && p->asked.follow) {
		return 0; /* it is told again to who follows from now on */
	}
	if (p->state != LINK_KNOWN || p->exited) {
		return unexpected(header, err);
	}
	p->exited = true;
	p->stdin_open = false;
	if (p->ops->exited != NULL) {
		p->ops->exited(p->arg, &exited);
	}
	return 0;
}

static int on_attached(struct link_process *p, const struct frame_header *header,
	struct wire_bytes payload, struct error *err)
{
	struct wire_process process;
	int r = frame_get_process(payload, &process, err);

	if (r < 0) {
		return r;
	}
	if (!p->attaching || process.stream != p->stream) {
		return unexpected(header, err);
	}
	p->attaching = false;
	p->state = LINK_KNOWN;
	p->followed = p->asked.follow;
	p->fetching = !p->asked.follow;
	/* Who follows hears of the end after the output, again if need be. */
	p->exited = !p->asked.follow && !process.running;
	p->channels[0] =
		(struct link_channel){.next = p->asked.out_offset, .credit = p->asked.out_credit};
	p->channels[1] =
		(struct link_channel){.next = p->asked.err_offset, .credit = p->asked.err_credit};
	if (p->ops->attached != NULL) {
		p->ops->attached(p->arg, &process);
	}
	return 0;
}

static int on_fetched(struct link_process *p, const struct frame_header *header,
	struct wire_bytes payload, struct error *err)
{
	struct wire_process process;
	int r = frame_get_process(payload, &process, err);

	if (r < 0) {
		return r;
	}
	if (p->attaching && p->state == LINK_KNOWN) {
		return 0;
	}
	if (!p->fetching || process.stream != p->stream) {
		return unexpected(header, err);
	}
	p->fetching = false;
	if (p->ops->fetched != NULL) {
		p->ops->fetched(p->arg, &process);
	}
	return 0;
}

static int on_stdin_credit(struct link_process *p, struct wire_bytes payload, struct error *err)
{
	uint32_t bytes;
	int r = frame_get_u32(payload, &bytes, err);

	if (r < 0) {
		return r;
	}
	if (bytes > WIRE_STDIN_WINDOW - p->stdin_credit) {
		return error_plain(
			err, EPROTO, "stdin credit over the window on stream %u", p->stream);
	}
	p->stdin_credit += bytes;
	if (p->stdin_open && p->ops->stdin_room != NULL) {
		p->ops->stdin_room(p->arg, p->stdin_credit);
	}
	return 0;
}

static int on_forgotten(struct link *link, struct link_process *p,
	const struct frame_header *header, struct wire_bytes payload, struct error *err)
{
	int r = frame_get_empty(payload, err);

	if (r < 0) {
		return r;
	}
	if (p->state != LINK_FORGOTTEN) {
		return unexpected(header, err);
	}
	detach(link, p);
	free(p);
	return 0;
}

int link_process_frame(struct link *link, const struct frame_header *header,
	struct wire_bytes payload, struct error *err)
{
	struct link_process *p = link_find(link, header->stream);

	if (p == NULL && link_file_known(link, header->stream)) {
		return link_file_frame(link, header, payload, err);
	}
	if (p == NULL && link_connection_known(link, header->stream)) {
		return link_connection_frame(link, header, payload, err);
	}
	if (p == NULL) {
		return error_plain(err, EPROTO, "frame of kind %u for the unknown stream %u",
			header->kind, header->stream);
	}
	if (p->state == LINK_FORGOTTEN && header->kind != FRAME_FORGOTTEN) {
		return 0;
	}
	switch (header->kind) {
	case FRAME_SPAWNED:
		return on_spawned(p, header, payload, err);
	case FRAME_FAILED:
		return on_failed(link, p, header, payload, err);
	case FRAME_OUTPUT:
		return on_output(p, header, payload, err);
	case FRAME_EXITED:
		return on_exited(p, header, payload, err);
	case FRAME_ATTACHED:
		return on_attached(p, header, payload, err);
	case FRAME_FETCHED:
		return on_fetched(p, header, payload, err);
	case FRAME_STDIN_CREDIT:
		return on_stdin_credit(p, payload, err);
	case FRAME_FORGOTTEN:
		return on_forgotten(link, p, header, payload, err);
	default:
		return error_plain(err, EPROTO, "unknown frame kind %u", header->kind);
	}
}

/* Numbers come back after four billion requests only. */
uint32_t link_new_stream(struct link *link)
{
	uint32_t stream;

	do {
		stream = link->next_stream++;
	} while (stream == 0 || link_find(link, stream) != NULL || link_file_known(link, stream) ||
		 link_connection_known(link, stream));
	return stream;
}

int link_not_ready(const struct link *link, struct error *err)
{
	if (link->dead != 0) {
		*err = link->why;
		return link->dead;
	}
	return error_plain(err, ENOTCONN, "creel-init has not said hello yet");
}

int link_may_ask(const struct link *link, struct error *err)
{
	if (!link_is_ready(link) && (link->dead != 0 || !link->greeted)) {
		return link_not_ready(link, err);
	}
	if (link->out.len - link->out_sent >= LIMIT_REQUEST_QUEUE) {
		return error_plain(err, EAGAIN,
			"the sandbox does not read what is sent to it, and %d MiB wait already",
			LIMIT_REQUEST_QUEUE / 1024 / 1024);
	}
	return 0;
}

int link_spawn_frame(
	struct buf *out, uint32_t stream, const struct wire_spawn *spawn, struct error *err)
{
	struct wire_spawn request = *spawn;

	request.credit = (spawn->flags & WIRE_SPAWN_DETACHED) == 0 ? LIMIT_CREDIT_WINDOW : 0;
	return frame_add_spawn(out, stream, &request, err);
}

int link_spawn(struct link *link, const struct wire_spawn *spawn,
	const struct link_process_ops *ops, void *arg, uint32_t *ret_stream, struct error *err)
{
	bool followed = (spawn->flags & WIRE_SPAWN_DETACHED) == 0;
	struct link_process *p;
	uint32_t stream;
	int r = link_may_ask(link, err);

	if (r < 0) {
		return r;
	}
	stream = link_new_stream(link);
	r = link_spawn_frame(&link->out, stream, spawn, err);
	if (r < 0) {
		return r;
	}
	p = add(link, stream, ops, arg);
	p->state = LINK_STARTING;
	p->followed = followed;
	p->stdin_open = (spawn->flags & WIRE_SPAWN_STDIN) != 0;
	p->stdin_credit = WIRE_STDIN_WINDOW;
	p->channels[0].credit = followed ? LIMIT_CREDIT_WINDOW : 0;
	p->channels[1].credit = p->channels[0].credit;
	*ret_stream = stream;
	link_flush(link);
	return 0;
}

static int ask_output(struct link *link, uint32_t stream, const struct wire_attach *attach,
	const struct link_process_ops *ops, void *arg, struct error *err)
{
	struct link_process *p = link_find(link, stream);

	if (!link_is_ready(link)) {
		return link_not_ready(link, err);
	}
	if (stream == 0) {
		return error_plain(err, EINVAL, "stream 0 is the connection itself");
	}
	if (p != NULL && (p->attaching || p->state != LINK_KNOWN)) {
		return error_plain(
			err, EBUSY, "an earlier request for stream %u is unanswered", stream);
	}
	if (p == NULL) {
		p = add(link, stream, ops, arg);
		p->state = LINK_STARTING;
		/* How much its earlier connection had sent is not known: creel-init starts anew. */
		p->stdin_open = true;
		p->stdin_credit = WIRE_STDIN_WINDOW;
	} else if (ops != NULL) {
		p->ops = ops;
		p->arg = arg;
	}
	p->attaching = true;
	p->asked = *attach;
	frame_add_attach(&link->out, stream, attach);
	link_flush(link);
	return 0;
}

int link_attach(struct link *link, uint32_t stream, uint64_t out_offset, uint64_t err_offset,
	const struct link_process_ops *ops, void *arg, struct error *err)
{
	struct wire_attach attach = {
		.out_offset = out_offset,
		.err_offset = err_offset,
		.out_credit = LIMIT_CREDIT_WINDOW,
		.err_credit = LIMIT_CREDIT_WINDOW,
		.follow = true,
	};

	return ask_output(link, stream, &attach, ops, arg, err);
}

/* The parts of one request. NOLINTNEXTLINE(readability-function-size) */
int link_fetch(struct link *link, uint32_t stream, uint64_t out_offset, uint64_t err_offset,
	uint32_t max, const struct link_process_ops *ops, void *arg, struct error *err)
{
	struct wire_attach attach = {
		.out_offset = out_offset,
		.err_offset = err_offset,
		.out_credit = max,
		.err_credit = max,
	};

	return ask_output(link, stream, &attach, ops, arg, err);
}

void link_consumed(struct link *link, uint32_t stream, enum wire_channel channel, size_t bytes)
{
	struct link_process *p = find_usable(link, stream);
	struct link_channel *c;

	if (p == NULL || !p->followed || p->attaching || p->exited) {
		return;
	}
	c = &p->channels[channel - WIRE_STDOUT];
	c->consumed += bytes;
	/* Never more than the window: a caller that counts wrongly must not lift the limit. */
	if (c->consumed > LIMIT_CREDIT_WINDOW - c->credit) {
		c->consumed = (size_t)(LIMIT_CREDIT_WINDOW - c->credit);
	}
	if (c->consumed >= CREDIT_STEP) {
		frame_add_credit(&link->out, stream, channel, (uint32_t)c->consumed);
		c->credit += c->consumed;
		c->consumed = 0;
		link_flush(link);
	}
}

size_t link_stdin_room(const struct link *link, uint32_t stream)
{
	const struct link_process *p = find_usable(link, stream);

	if (p == NULL || !p->stdin_open || link->out.len >= LIMIT_SEND_QUEUE) {
		return 0;
	}
	return p->stdin_credit;
}

size_t link_stdin(struct link *link, uint32_t stream, const void *data, size_t len)
{
	size_t room = link_stdin_room(link, stream);
	size_t taken = len < room ? len : room;
	struct link_process *p = link_find(link, stream);
	const uint8_t *bytes = data;

	for (size_t at = 0; at < taken; at += STDIN_FRAME) {
		size_t piece = taken - at < STDIN_FRAME ? taken - at : STDIN_FRAME;

		frame_add_bytes(&link->out, FRAME_STDIN, stream, bytes + at, piece);
	}
	if (taken > 0) {
		p->stdin_credit -= taken;
		link_flush(link);
	}
	return taken;
}

void link_stdin_eof(struct link *link, uint32_t stream)
{
	struct link_process *p = find_usable(link, stream);

	if (p != NULL && p->stdin_open) {
		p->stdin_open = false;
		frame_add_empty(&link->out, FRAME_STDIN_EOF, stream);
		link_flush(link);
	}
}

void link_resize(struct link *link, uint32_t stream, uint16_t rows, uint16_t columns)
{
	if (find_usable(link, stream) != NULL) {
		frame_add_resize(&link->out, stream, rows, columns);
		link_flush(link);
	}
}

void link_signal(struct link *link, uint32_t stream, uint32_t signo, enum wire_signal_scope scope)
{
	if (find_usable(link, stream) != NULL && signo >= 1 && signo <= WIRE_MAX_SIGNAL) {
		frame_add_signal(&link->out, stream, signo, scope);
		link_flush(link);
	}
}

void link_forget(struct link *link, uint32_t stream)
{
	struct link_process *p = find_usable(link, stream);

	if (p != NULL) {
		p->state = LINK_FORGOTTEN;
		frame_add_empty(&link->out, FRAME_FORGET, stream);
		link_flush(link);
	}
}
