/* SPDX-License-Identifier: MIT */
/* The connection to the gateway: frames in, control frames and output out, all of it bounded. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/own.h"
#include "init/connect.h"
#include "init/file.h"
#include "init/internal.h"

enum {
	/* Holds the largest frame and room behind it. */
	IN_SIZE = 2 * (FRAME_HEADER_SIZE + LIMIT_FRAME_PAYLOAD),
	/* Touched memory above this goes back to the kernel when the buffer is empty. */
	IN_KEEP = 64 * 1024,
	/* One OUTPUT frame: what another stream has to wait for, at most. */
	CHUNK = 128 * 1024,
	/* Unsent control frames above which no more requests are read. */
	OUT_HIGH = 1024 * 1024,
	OUT_KEEP = 4 * 1024,
	OUT_TRIM = 256 * 1024,
	REDIAL_FIRST_MS = 100,
	REDIAL_MAX_MS = 2000,
};

static struct init *init_of(struct conn *conn)
{
	return container_of(conn, struct init, conn);
}

bool conn_is_up(const struct init *init)
{
	return init->conn.state == CONN_UP;
}

struct buf *conn_out(struct init *init)
{
	return &init->conn.out;
}

static size_t unsent(const struct conn *conn)
{
	return conn->out.len - conn->out_sent;
}

size_t conn_unsent(const struct init *init)
{
	return unsent(&init->conn);
}

static void update_watch(struct conn *conn)
{
	uint32_t events = unsent(conn) > OUT_HIGH ? 0 : EPOLLIN;

	if (conn->blocked) {
		events |= EPOLLOUT;
	}
	(void)watch_set(&init_of(conn)->loop, &conn->watch, events);
}

static void reset_inflight(struct inflight *f)
{
	buf_finish(&f->spill);
	*f = (struct inflight){0};
}

bool conn_is_idle(const struct init *init)
{
	return unsent(&init->conn) == 0 && !init->conn.inflight.active;
}

void conn_unqueue(struct channel *c)
{
	struct init *init = c->process->init;

	if (!c->queued) {
		return;
	}
	*(c->prev != NULL ? &c->prev->next : &init->sendable_first) = c->next;
	*(c->next != NULL ? &c->next->prev : &init->sendable_last) = c->prev;
	c->prev = c->next = NULL;
	c->queued = false;
}

void conn_queue(struct channel *c)
{
	struct init *init = c->process->init;

	if (c->queued || !channel_may_send(c)) {
		return;
	}
	c->prev = init->sendable_last;
	c->next = NULL;
	*(c->prev != NULL ? &c->prev->next : &init->sendable_first) = c;
	init->sendable_last = c;
	c->queued = true;
}

void conn_release(struct init *init, struct channel *channel)
{
	struct inflight *f = &init->conn.inflight;
	struct iovec spans[2];
	int count;

	if (!f->active || f->channel != channel) {
		return;
	}
	count = f->left > 0 ? ring_read_spans(&channel->ring, f->offset, f->left, spans) : 0;
	for (int i = 0; i < count; i++) {
		buf_add(&f->spill, spans[i].iov_base, spans[i].iov_len);
	}
	f->channel = NULL;
}

static void detach_process(struct process *p)
{
	process_detach(p);
}

/* What another connection left is none of this one's. */
static void drop_process(struct process *p)
{
	if (p->known) {
		process_forget(p);
	} else {
		process_detach(p);
	}
}

static void on_redial(struct timer *timer)
{
	struct conn *conn = container_of(timer, struct conn, redial);
	struct error err;

	if (conn->state != CONN_DOWN) {
		return;
	}
	if (conn_dial(init_of(conn), &err) < 0) {
		timer_set(&init_of(conn)->loop, &conn->redial, conn->backoff_ms, on_redial);
		conn->backoff_ms *= 2;
		if (conn->backoff_ms > REDIAL_MAX_MS) {
			conn->backoff_ms = REDIAL_MAX_MS;
		}
	}
}

/* Something new in the directory: the socket of a gateway that came, most likely. */
static void on_notice(struct watch *watch, uint32_t events)
{
	struct conn *conn = container_of(watch, struct conn, notices);
	_Alignas(struct inotify_event) char notices[4096];

	(void)events;
	if (read(watch->fd, notices, sizeof(notices)) <= 0 || conn->state != CONN_DOWN) {
		return;
	}
	timer_cancel(&conn->redial);
	conn->backoff_ms = REDIAL_FIRST_MS;
	on_redial(&conn->redial);
}

/* Without it, where the kernel or its stand-in has none, redialling takes its time. */
static void watch_dir(struct conn *conn)
{
	conn->notices =
		(struct watch){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), .ready = on_notice};
	if (conn->notices.fd >= 0 &&
		inotify_add_watch(conn->notices.fd, conn->dir, IN_CREATE | IN_MOVED_TO) >= 0) {
		(void)watch_set(&init_of(conn)->loop, &conn->notices, EPOLLIN);
	}
}

/* The stream ended, whoever's fault it is. Processes go on, unless it was a tied one; nobody follows
 * them. */
static void conn_lost(struct conn *conn)
{
	struct init *init = init_of(conn);
	bool was_up = conn->state == CONN_UP;

	watch_stop(&init->loop, &conn->watch);
	cleanup_closep(&conn->watch.fd);
	conn->watch.fd = FD_NONE;
	conn->state = CONN_DOWN;
	conn->reconnect = true;
	conn->blocked = false;
	conn->in_len = 0;
	buf_finish(&conn->out);
	conn->out_sent = 0;
	reset_inflight(&conn->inflight);
	process_each(init, TAKE(conn->tied, false) ? drop_process : detach_process);
	file_detach(init);
	connect_detach(init);
	if (conn->once || conn->dir == NULL) {
		init_quit(init);
		return;
	}
	/* The next gateway may be there already. One that turned us away is given time. */
	timer_set(&init->loop, &conn->redial, was_up ? 0 : conn->backoff_ms, on_redial);
}

/* The next output gets its frame, whose bytes stay in the ring. */
static void start_frame(struct init *init)
{
	struct inflight *f = &init->conn.inflight;
	struct channel *c = init->sendable_first;
	struct buf head = {0};
	size_t len;

	while (c != NULL && !channel_may_send(c)) {
		conn_unqueue(c);
		c = init->sendable_first;
	}
	if (c == NULL) {
		return;
	}
	conn_unqueue(c);
	len = (size_t)(c->ring.end - c->sent);
	len = len < CHUNK ? len : CHUNK;
	len = len < c->credit ? len : (size_t)c->credit;
	frame_add_output_header(&head, c->process->stream, c->id, c->sent, (uint32_t)len);
	memcpy(f->head, head.data, head.len);
	f->head_len = head.len;
	buf_finish(&head);
	f->active = true;
	f->head_sent = 0;
	f->channel = c;
	f->offset = c->sent;
	f->left = len;
	c->sent += len;
	c->credit -= len;
}

static int add_inflight(const struct inflight *f, struct iovec *spans)
{
	int count = 0;

	if (!f->active) {
		return 0;
	}
	if (f->head_sent < f->head_len) {
		/* iovec has no const; sendmsg(2) only reads. */
		spans[count++] = (struct iovec){
			(uint8_t *)(uintptr_t)f->head + f->head_sent, f->head_len - f->head_sent};
	}
	if (f->channel != NULL && f->left > 0) {
		count += ring_read_spans(&f->channel->ring, f->offset, f->left, spans + count);
	} else if (f->left > 0) {
		spans[count++] = (struct iovec){f->spill.data + f->spill_sent, f->left};
	}
	return count;
}

static size_t take_inflight(struct conn *conn, size_t sent)
{
	struct inflight *f = &conn->inflight;
	size_t part;

	if (!f->active) {
		return sent;
	}
	part = f->head_len - f->head_sent < sent ? f->head_len - f->head_sent : sent;
	f->head_sent += part;
	sent -= part;
	part = f->left < sent ? f->left : sent;
	f->left -= part;
	f->offset += part;
	f->spill_sent += part;
	sent -= part;
	if (f->head_sent == f->head_len && f->left == 0) {
		struct channel *c = f->channel;

		reset_inflight(f);
		if (c != NULL) {
			channel_resume(c);
			process_check(c->process);
		}
	}
	return sent;
}

static size_t take_out(struct conn *conn, size_t sent)
{
	size_t part = unsent(conn) < sent ? unsent(conn) : sent;

	conn->out_sent += part;
	if (unsent(conn) == 0) {
		buf_clear(&conn->out);
		conn->out_sent = 0;
		if (conn->out.cap > OUT_KEEP) {
			buf_finish(&conn->out);
		}
	} else if (conn->out_sent >= OUT_TRIM) {
		/* A busy connection may keep it from ever being empty. */
		buf_consume(&conn->out, conn->out_sent);
		conn->out_sent = 0;
	}
	return sent - part;
}

/* One sendmsg(2) with everything that is next. 1: go on, 0: nothing left or full, or an errno. */
static int send_some(struct conn *conn)
{
	struct inflight *f = &conn->inflight;
	struct iovec spans[4];
	struct msghdr message = {.msg_iov = spans};
	size_t count = 0;
	/* A frame that was begun is finished first; one that was not lets control frames pass. */
	bool begun = f->active && f->head_sent > 0;
	ssize_t n;

	if (!f->active) {
		start_frame(init_of(conn));
	}
	if (begun) {
		count = (size_t)add_inflight(f, spans);
	}
	if (unsent(conn) > 0) {
		spans[count++] = (struct iovec){conn->out.data + conn->out_sent, unsent(conn)};
	}
	if (!begun) {
		count += (size_t)add_inflight(f, spans + count);
	}
	if (count == 0) {
		return 0;
	}
	message.msg_iovlen = count;
	n = sendmsg(conn->watch.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno == EINTR) {
		return 1;
	}
	if (n < 0 && errno == EAGAIN) {
		conn->blocked = true;
		return 0;
	}
	if (n < 0) {
		return -errno;
	}
	if (begun) {
		(void)take_out(conn, take_inflight(conn, (size_t)n));
	} else {
		(void)take_inflight(conn, take_out(conn, (size_t)n));
	}
	return 1;
}

void conn_flush(struct init *init)
{
	struct conn *conn = &init->conn;
	int r = 1;

	if (conn->state == CONN_DOWN) {
		return;
	}
	while (r > 0 && !conn->blocked) {
		r = send_some(conn);
	}
	if (r < 0) {
		conn_lost(conn);
		return;
	}
	if (unsent(conn) == 0) {
		connect_resume(init);
	}
	update_watch(conn);
}

static void reject_peer(struct conn *conn, const struct error *err)
{
	struct wire_bytes text = {(const uint8_t *)err->text, strlen(err->text)};

	frame_add_string(&conn->out, FRAME_ERROR, 0, text);
	conn->blocked = false;
	(void)send_some(conn);
	conn_lost(conn);
}

static int on_welcome(struct conn *conn, const struct frame_header *header,
	struct wire_bytes payload, struct error *err)
{
	struct wire_welcome welcome;
	int r;

	if (header->kind != FRAME_WELCOME || header->stream != 0) {
		return error_plain(err, EPROTO, "frame of kind %u before welcome", header->kind);
	}
	r = frame_get_welcome(payload, &welcome, err);
	if (r < 0) {
		return r;
	}
	if (welcome.version != WIRE_VERSION) {
		return error_plain(err, EPROTO,
			"the gateway speaks version %u of the protocol, "
			"creel-init version %d",
			welcome.version, WIRE_VERSION);
	}
	conn->state = CONN_UP;
	conn->once = conn->once || welcome.once;
	conn->tied = (welcome.capabilities & WIRE_WELCOME_TIED) != 0;
	conn->backoff_ms = REDIAL_FIRST_MS;
	return 0;
}

static int dispatch_one(struct conn *conn, size_t *done, struct error *err)
{
	struct frame_header header;
	struct wire_bytes payload;
	int r = frame_peek(conn->in + *done, conn->in_len - *done, &header, err);

	if (r <= 0) {
		return r;
	}
	payload.data = conn->in + *done + FRAME_HEADER_SIZE;
	payload.len = header.length;
	r = conn->state == CONN_UP ? dispatch_frame(init_of(conn), &header, payload, err)
				   : on_welcome(conn, &header, payload, err);
	*done += FRAME_HEADER_SIZE + header.length;
	return r < 0 ? r : 1;
}

static void trim_input(struct conn *conn)
{
	if (conn->in_len == 0 && conn->in_touched > IN_KEEP) {
		(void)madvise(conn->in, IN_SIZE, MADV_DONTNEED);
		conn->in_touched = 0;
	}
}

static void read_frames(struct conn *conn)
{
	struct error err;
	ssize_t n =
		recv(conn->watch.fd, conn->in + conn->in_len, IN_SIZE - conn->in_len, MSG_DONTWAIT);
	size_t done = 0;
	int r = 1;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n <= 0) {
		conn_lost(conn);
		return;
	}
	conn->in_len += (size_t)n;
	if (conn->in_len > conn->in_touched) {
		conn->in_touched = conn->in_len;
	}
	while (r > 0 && !init_of(conn)->quit) {
		r = dispatch_one(conn, &done, &err);
	}
	if (r < 0) {
		reject_peer(conn, &err);
		return;
	}
	conn->in_len -= done;
	memmove(conn->in, conn->in + done, conn->in_len);
	trim_input(conn);
}

static void on_stream(struct watch *watch, uint32_t events)
{
	struct conn *conn = container_of(watch, struct conn, watch);

	if ((events & EPOLLOUT) != 0) {
		conn->blocked = false;
	}
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
		read_frames(conn);
	}
}

/* Also what a command that is over has left in the background. */
static bool is_populated(const struct init *init)
{
	int found = 0;

	if (init->serial > 0 && !init->childless) {
		found = tree_has_any(&init->tree, init->serial);
	}
	return found < 0 ? process_any_runs(init) : found > 0;
}

static void send_hello(struct init *init)
{
	struct wire_hello hello = {
		.version = WIRE_VERSION,
		.capabilities = is_populated(init) ? WIRE_HELLO_POPULATED : 0,
		.instance = init->instance,
		.processes = init->process_count,
		.next_stream = init->next_stream,
		.reconnect = init->conn.reconnect,
	};

	memcpy(hello.token, init->conn.token, WIRE_TOKEN_SIZE);
	frame_add_hello(&init->conn.out, &hello);
}

int conn_adopt(struct init *init, int adopt_fd)
{
	struct conn *conn = &init->conn;
	int size = 1024 * 1024;
	int r;

	conn->watch = (struct watch){.fd = adopt_fd, .ready = on_stream};
	/* More in flight for each turn of the two ends; the kernel cuts it to what it allows. */
	(void)setsockopt(adopt_fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	r = watch_set(&init->loop, &conn->watch, EPOLLIN);
	if (r < 0) {
		return r;
	}
	conn->state = CONN_GREETED;
	send_hello(init);
	/* The gateway may have asked for something already (link_greet()): that is begun first, and the
	 * answer goes out together with hello. */
	read_frames(conn);
	conn_flush(init);
	return 0;
}

int conn_start(struct init *init, int adopt_fd, const char *dir, bool once, struct error *err)
{
	struct conn *conn = &init->conn;
	void *in = mmap(NULL, IN_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int r;

	*conn = (struct conn){
		.watch.fd = FD_NONE,
		.notices.fd = FD_NONE,
		.dir = dir,
		.once = once,
		.backoff_ms = REDIAL_FIRST_MS,
	};
	if (in == MAP_FAILED) {
		return error_set(err, errno, "no memory for the stream");
	}
	conn->in = in;
	if (dir == NULL) {
		r = conn_adopt(init, adopt_fd);
		return r < 0 ? error_set(err, -r, "cannot use the stream %d", adopt_fd) : 0;
	}
	r = conn_read_token(init, err);
	if (r < 0) {
		return r;
	}
	watch_dir(conn);
	/* The gateway listens before it starts a sandbox, but may be on its way up again. */
	on_redial(&conn->redial);
	return 0;
}

void conn_finish(struct init *init)
{
	struct conn *conn = &init->conn;

	timer_cancel(&conn->redial);
	watch_stop(&init->loop, &conn->watch);
	cleanup_closep(&conn->watch.fd);
	connect_detach(init);
	watch_stop(&init->loop, &conn->notices);
	cleanup_closep(&conn->notices.fd);
	buf_finish(&conn->out);
	reset_inflight(&conn->inflight);
	explicit_bzero(conn->token, sizeof(conn->token));
	if (conn->in != NULL) {
		(void)munmap(conn->in, IN_SIZE);
	}
}
