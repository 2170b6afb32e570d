/* SPDX-License-Identifier: MIT */
/* Output of a process: read into its ring, and who waits for whom. */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/own.h"
#include "init/internal.h"

enum {
	/* What one turn of the loop reads of one output. Measured: with this and the pipe below all that
	 * is under way stays in the cache; four times as much costs a fifth more. */
	READ_MAX = 128 * 1024,
	/* A pipe is made larger only for a process that fills it: all pipes of a user share a soft
	 * limit of 64 MiB, pipe(7), and most processes print a line. */
	PIPE_DEFAULT = 64 * 1024,
	PIPE_LARGE = 256 * 1024,
};

/* Bytes that may be read now without losing one that a reader still wants. */
static size_t room_of(const struct channel *c)
{
	const struct inflight *f = &c->process->init->conn.inflight;
	uint64_t kept = c->ring.end;

	if (c->process->followed) {
		kept = c->sent;
	}
	if (f->active && f->channel == c && f->offset < kept) {
		kept = f->offset;
	}
	return c->ring.size - (size_t)(c->ring.end - kept);
}

static void ended(struct channel *c)
{
	channel_close(c);
	process_check(c->process);
}

static void grow_pipe(struct channel *c, size_t got)
{
	if (!c->grown && !c->process->terminal && got >= PIPE_DEFAULT) {
		c->grown = true;
		/* Refused beyond the user's share: the pipe stays as it is. */
		(void)fcntl(c->watch.fd, F_SETPIPE_SZ, PIPE_LARGE);
	}
}

/*
 * Nobody writes any more, and nothing is left to read: no need for a ring, which most standard errors
 * never fill. To be asked after the hang-up: poll(2) looks at the two without a lock, and the last
 * bytes may have come in between.
 */
static bool is_dry(const struct channel *c, uint32_t events)
{
	int left = 0;

	return (events & (EPOLLIN | EPOLLHUP)) == EPOLLHUP && !c->process->terminal &&
	       ioctl(c->watch.fd, FIONREAD, &left) == 0 && left == 0;
}

static void on_output(struct watch *watch, uint32_t events)
{
	struct channel *c = container_of(watch, struct channel, watch);
	struct process *p = c->process;
	size_t room = room_of(c);
	struct iovec spans[2];
	ssize_t n;
	int count;

	if (is_dry(c, events)) {
		ended(c);
		return;
	}
	if (room == 0 && !p->followed) {
		/* A connection that stands still must not stop a process that nobody follows. */
		conn_release(p->init, c);
		room = room_of(c);
	}
	if (room == 0) {
		(void)watch_set(&p->init->loop, watch, 0);
		return;
	}
	count = ring_write_spans(&c->ring, room < READ_MAX ? room : READ_MAX, spans);
	if (count == 0) {
		ended(c); /* no memory for a ring: better a lost output than a stuck process */
		return;
	}
	n = readv(c->watch.fd, spans, count);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	/* EIO: the last process closed the terminal, pty(7). */
	if (n <= 0) {
		ended(c);
		return;
	}
	ring_commit(&c->ring, (size_t)n);
	if (c->sent < c->ring.first) {
		c->sent = c->ring.first;
	}
	grow_pipe(c, (size_t)n);
	conn_queue(c);
	if (p->reaped && !p->finished) {
		process_check(p);
	}
}

void channel_open(struct channel *c, int adopt_fd)
{
	c->watch = (struct watch){.fd = adopt_fd, .ready = on_output};
	(void)fcntl(adopt_fd, F_SETFL, O_NONBLOCK);
	if (watch_set(&c->process->init->loop, &c->watch, EPOLLIN) < 0) {
		channel_close(c);
	}
}

void channel_close(struct channel *c)
{
	if (c->watch.fd >= 0) {
		watch_stop(&c->process->init->loop, &c->watch);
		(void)close(c->watch.fd);
		c->watch.fd = FD_NONE;
	}
}

void channel_resume(struct channel *c)
{
	struct process *p = c->process;

	conn_queue(c);
	/* A quarter, so that it does not wake for every few bytes. */
	if (c->watch.fd < 0 || c->watch.events != 0 || room_of(c) < c->ring.size / 4) {
		return;
	}
	(void)watch_set(&p->init->loop, &c->watch, EPOLLIN);
	if (p->reaped && !p->finished) {
		process_check(p); /* nothing more may come that would ask */
	}
}

bool channel_may_send(const struct channel *c)
{
	const struct process *p = c->process;

	return conn_is_up(p->init) && (p->fetching || (p->followed && !p->reported)) &&
	       c->credit > 0 && c->sent < c->ring.end;
}

bool channel_is_done(const struct channel *c)
{
	/* Not while a slow reader keeps it from being read at all. */
	return c->watch.fd < 0 || (c->watch.events != 0 && c->ring.end >= c->complete_at);
}

void process_detach(struct process *p)
{
	p->known = false;
	p->followed = false;
	p->fetching = false;
	p->input.credit = WIRE_STDIN_WINDOW;
	p->input.taken = 0;
	for (int i = 0; i < 2; i++) {
		conn_release(p->init, &p->channels[i]);
		conn_unqueue(&p->channels[i]);
		p->channels[i].credit = 0;
		channel_resume(&p->channels[i]);
	}
}

static void set_reader(struct channel *c, uint64_t offset, uint32_t credit)
{
	if (offset < c->ring.first) {
		offset = c->ring.first;
	}
	c->sent = offset < c->ring.end ? offset : c->ring.end;
	c->credit = credit;
}

void process_attach(struct process *p, const struct wire_attach *attach)
{
	/* What is in flight was promised: it goes out before the answer. */
	for (int i = 0; i < 2; i++) {
		conn_release(p->init, &p->channels[i]);
	}
	p->known = true;
	p->followed = attach->follow;
	p->fetching = !attach->follow;
	/* Who follows hears of the end in any case, after the output that is still there. */
	p->reported = !attach->follow && p->finished;
	set_reader(&p->channels[0], attach->out_offset, attach->out_credit);
	set_reader(&p->channels[1], attach->err_offset, attach->err_credit);
	if (p->finished) {
		p->exited.out_bytes = p->channels[0].ring.end;
		p->exited.err_bytes = p->channels[1].ring.end;
	}
}
