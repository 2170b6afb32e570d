/* SPDX-License-Identifier: MIT */
/* Input of a process: what it does not take at once waits here, within the gateway's credit. */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/own.h"
#include "init/internal.h"

/* Granted anew in pieces of this size, and always when everything was taken. */
enum { GRANT_STEP = WIRE_STDIN_WINDOW / 4 };

static void grant(struct process *p, bool all)
{
	struct input *in = &p->input;

	if (in->taken > 0 && p->known && conn_is_up(p->init) && (all || in->taken >= GRANT_STEP)) {
		frame_add_u32(
			conn_out(p->init), FRAME_STDIN_CREDIT, p->stream, (uint32_t)in->taken);
		in->credit += in->taken;
		in->taken = 0;
	}
}

static void drop_pending(struct input *in)
{
	in->taken += in->pending.len - in->written;
	in->written = 0;
	buf_finish(&in->pending);
}

void input_close(struct process *p)
{
	struct input *in = &p->input;

	if (in->watch.fd >= 0) {
		watch_stop(&p->init->loop, &in->watch);
		(void)close(in->watch.fd);
		in->watch.fd = FD_NONE;
	}
	drop_pending(in);
}

static void send_eof(struct process *p)
{
	struct input *in = &p->input;
	char marks[2];
	size_t count;

	if (p->terminal) {
		count = pty_eof(in->watch.fd, in->last != '\n', marks);
		/* A terminal with a full queue loses it: whoever does not read does not ask. */
		(void)!write(in->watch.fd, marks, count);
	}
	input_close(p);
}

/* As much as the process takes now. false: its end is closed. */
static bool write_some(struct input *in)
{
	while (in->written < in->pending.len) {
		ssize_t n = write(in->watch.fd, in->pending.data + in->written,
			in->pending.len - in->written);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return errno == EAGAIN;
		}
		in->written += (size_t)n;
		in->taken += (size_t)n;
		in->last = in->pending.data[in->written - 1];
	}
	return true;
}

static void pump(struct process *p)
{
	struct input *in = &p->input;
	bool alive = write_some(in);
	bool empty = in->written == in->pending.len;

	if (!alive) {
		input_close(p); /* EPIPE: nobody reads, now or later */
		grant(p, true);
		return;
	}
	if (empty) {
		in->written = 0;
		buf_finish(&in->pending);
		(void)watch_set(&p->init->loop, &in->watch, 0);
		if (in->eof) {
			send_eof(p);
			return;
		}
	} else {
		(void)watch_set(&p->init->loop, &in->watch, EPOLLOUT);
	}
	grant(p, empty);
}

static void on_writable(struct watch *watch, uint32_t events)
{
	(void)events;
	pump(container_of(container_of(watch, struct input, watch), struct process, input));
}

void input_open(struct input *input, struct process *p, int adopt_fd)
{
	input->watch = (struct watch){.fd = adopt_fd, .ready = on_writable};
	(void)fcntl(adopt_fd, F_SETFL, O_NONBLOCK);
	if (input->pending.len > 0 || input->eof) {
		pump(p);
	}
}

void input_add(struct process *p, struct wire_bytes data)
{
	struct input *in = &p->input;
	bool waits_for_start = p->request.len > 0;

	in->credit -= data.len;
	if (in->eof || (in->watch.fd < 0 && !waits_for_start)) {
		in->taken += data.len;
		grant(p, true);
		return;
	}
	buf_add(&in->pending, data.data, data.len);
	if (in->watch.fd >= 0) {
		pump(p);
	}
}

void input_eof(struct process *p)
{
	struct input *in = &p->input;

	in->eof = true;
	if (in->watch.fd >= 0) {
		pump(p);
	}
}
