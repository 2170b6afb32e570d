/* SPDX-License-Identifier: MIT */
/* Requests of the file tools: collected, handed to a worker, the answer passed on. */
#include "init/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/own.h"

enum {
	/* At work at once; more wait. Writers of one file wait for each other, readers need the disk. */
	WORKERS_MAX = 8,
	/* A worker that nobody needed for so long goes: an idle sandbox has none. */
	WORKER_IDLE_MS = 5000,
	/* Requests that wait, and their bytes. */
	WAITING_MAX = 1024,
	WAITING_BYTES_MAX = 64 * 1024 * 1024,
	/* While the gateway does not take so much, no more answers are read. */
	OUT_HIGH = LIMIT_SEND_QUEUE,
	OUT_RETRY_MS = 5,
	READ_SIZE = 64 * 1024,
	/* What only looks and takes longer is ended from here: a regular expression can keep its
	 * worker busy for hours between two looks at the clock. */
	LOOK_MS_MAX = 30000,
};

/* A request: its frames as they came. */
struct file_request {
	struct file_request *next; /* in struct file_pool */
	uint32_t stream;
	bool looks_only; /* may be killed at any moment */
	size_t body_left; /* bytes that have not come yet */
	struct buf frames;
};

struct worker {
	struct worker *next;
	struct init *init;
	struct watch watch;
	pid_t pid;
	uint32_t stream; /* of the request at work; 0: idle */
	bool looks_only;
	bool unheard; /* the answer is thrown away */
	struct buf out; /* frames that the worker has not taken yet */
	size_t out_sent;
	struct buf in; /* less than a whole frame of its */
	struct timer timer;
	struct timer deadline; /* of a request that only looks, until it is answered */
};

struct file_pool {
	struct worker *workers;
	size_t worker_count;
	struct file_request *coming; /* bodies are not whole */
	struct file_request *waiting, **end; /* for a worker, in order */
	size_t waiting_count, waiting_bytes;
};

static void on_worker(struct watch *watch, uint32_t events);
static void on_timer(struct timer *timer);
static void on_deadline(struct timer *timer);

static struct file_pool *files_of(struct init *init)
{
	if (init->file_pool == NULL) {
		init->file_pool = xcalloc(1, sizeof(*init->file_pool));
		init->file_pool->end = &init->file_pool->waiting;
	}
	return init->file_pool;
}

static void request_free(struct file_request *request)
{
	buf_finish(&request->frames);
	free(request);
}

static void worker_free(struct worker *w)
{
	struct file_pool *files = w->init->file_pool;
	struct worker **at = &files->workers;

	while (*at != w) {
		at = &(*at)->next;
	}
	*at = w->next;
	files->worker_count--;
	watch_stop(&w->init->loop, &w->watch);
	timer_cancel(&w->timer);
	timer_cancel(&w->deadline);
	cleanup_closep(&w->watch.fd);
	buf_finish(&w->out);
	buf_finish(&w->in);
	free(w);
}

static void fail(struct init *init, uint32_t stream, int num, const char *text)
{
	struct wire_file_done done = {
		.errnum = (uint32_t)num,
		.text = {(const uint8_t *)text, strlen(text)},
	};

	if (conn_is_up(init)) {
		frame_add_file_done(conn_out(init), stream, &done);
	}
}

/* Forked, not executed: the program may not be there under any name inside the sandbox. */
static struct worker *worker_new(struct init *init)
{
	struct file_pool *files = files_of(init);
	struct worker *w;
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		return NULL;
	}
	pid = fork();
	if (pid == 0) {
		file_worker_run(fds[1]);
	}
	(void)close(fds[1]);
	if (pid < 0 || fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0) {
		(void)close(fds[0]);
		return NULL;
	}
	w = xcalloc(1, sizeof(*w));
	*w = (struct worker){
		.next = files->workers,
		.init = init,
		.watch = {.fd = fds[0], .ready = on_worker},
		.pid = pid,
	};
	files->workers = w;
	files->worker_count++;
	return w;
}

static void rearm(struct worker *w)
{
	uint32_t events = w->out.len > w->out_sent ? EPOLLIN | EPOLLOUT : EPOLLIN;

	/* The timer looks again when the gateway had time to take something. */
	if (w->stream != 0 && !w->unheard && conn_is_up(w->init) &&
		conn_out(w->init)->len > OUT_HIGH) {
		timer_set(&w->init->loop, &w->timer, OUT_RETRY_MS, on_timer);
		events &= ~(uint32_t)EPOLLIN;
	}
	(void)watch_set(&w->init->loop, &w->watch, events);
}

static void on_timer(struct timer *timer)
{
	struct worker *w = container_of(timer, struct worker, timer);

	if (w->stream == 0) {
		worker_free(w);
		return;
	}
	rearm(w);
}

static void send_to(struct worker *w)
{
	while (w->out_sent < w->out.len) {
		ssize_t n = send(w->watch.fd, w->out.data + w->out_sent, w->out.len - w->out_sent,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			break; /* EAGAIN: later. Else the end shows when its answer is read. */
		}
		w->out_sent += (size_t)n;
	}
	if (w->out_sent == w->out.len) {
		buf_finish(&w->out);
		w->out_sent = 0;
	}
	rearm(w);
}

static void give(struct worker *w, struct file_request *request)
{
	timer_cancel(&w->timer);
	w->stream = request->stream;
	w->looks_only = request->looks_only;
	w->unheard = false;
	w->out = request->frames;
	w->out_sent = 0;
	if (w->looks_only) {
		timer_set(&w->init->loop, &w->deadline, LOOK_MS_MAX, on_deadline);
	}
	request->frames = (struct buf){0};
	request_free(request);
	send_to(w);
}

static void on_deadline(struct timer *timer)
{
	struct worker *w = container_of(timer, struct worker, deadline);

	if (!w->unheard) {
		fail(w->init, w->stream, ETIMEDOUT,
			"this takes longer than 30 seconds: look at less, or ask for something simpler");
	}
	w->unheard = true;
	(void)kill(w->pid, SIGKILL);
}

static struct worker *idle_worker(struct init *init)
{
	struct file_pool *files = files_of(init);

	for (struct worker *w = files->workers; w != NULL; w = w->next) {
		if (w->stream == 0) {
			return w;
		}
	}
	return files->worker_count < WORKERS_MAX ? worker_new(init) : NULL;
}

static void serve_waiting(struct init *init)
{
	struct file_pool *files = files_of(init);

	while (files->waiting != NULL) {
		struct file_request *request = files->waiting;
		struct worker *w = idle_worker(init);

		if (w == NULL && files->worker_count > 0) {
			return;
		}
		files->waiting = request->next;
		if (files->waiting == NULL) {
			files->end = &files->waiting;
		}
		files->waiting_count--;
		files->waiting_bytes -= request->frames.len;
		if (w == NULL) {
			fail(init, request->stream, EAGAIN,
				"no process could be started for file tools: the sandbox is at its limit");
			request_free(request);
			continue;
		}
		give(w, request);
	}
}

/* It has answered: the next one, or rest. */
static void worker_done(struct worker *w)
{
	w->stream = 0;
	timer_set(&w->init->loop, &w->timer, WORKER_IDLE_MS, on_timer);
	serve_waiting(w->init);
}

static void worker_lost(struct worker *w)
{
	struct init *init = w->init;
	uint32_t stream = w->unheard ? 0 : w->stream;

	worker_free(w);
	if (stream != 0) {
		fail(init, stream, EINTR, "the file tools' process was ended from outside");
	}
	serve_waiting(init);
}

/* Whole frames go to the gateway as they are. false: it is done, or broken and gone. */
static bool pass_on(struct worker *w)
{
	while (w->stream != 0) {
		struct frame_header header;
		struct error err;
		size_t whole;
		int r = frame_peek((const uint8_t *)w->in.data, w->in.len, &header, &err);

		if (r < 0 || (r > 0 && header.stream != w->stream)) {
			worker_lost(w);
			return false;
		}
		if (r == 0) {
			return true;
		}
		timer_cancel(&w->deadline);
		whole = FRAME_HEADER_SIZE + header.length;
		if (!w->unheard && conn_is_up(w->init)) {
			buf_add(conn_out(w->init), w->in.data, whole);
		}
		buf_consume(&w->in, whole);
		if (header.kind == FRAME_FILE_DONE) {
			worker_done(w);
			return false;
		}
	}
	return true;
}

static void on_worker(struct watch *watch, uint32_t events)
{
	struct worker *w = container_of(watch, struct worker, watch);
	char *room;
	ssize_t n;

	if ((events & EPOLLOUT) != 0) {
		send_to(w);
	}
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) {
		return;
	}
	room = buf_reserve(&w->in, READ_SIZE);
	n = recv(watch->fd, room, READ_SIZE, MSG_DONTWAIT);
	if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
		return;
	}
	if (n <= 0) {
		worker_lost(w);
		return;
	}
	buf_commit(&w->in, (size_t)n);
	if (pass_on(w)) {
		rearm(w);
	}
}

static bool is_known(struct init *init, uint32_t stream)
{
	const struct file_pool *files = files_of(init);

	for (const struct file_request *r = files->coming; r != NULL; r = r->next) {
		if (r->stream == stream) {
			return true;
		}
	}
	for (const struct file_request *r = files->waiting; r != NULL; r = r->next) {
		if (r->stream == stream) {
			return true;
		}
	}
	for (const struct worker *w = files->workers; w != NULL; w = w->next) {
		if (w->stream == stream) {
			return true;
		}
	}
	return process_find(init, stream) != NULL;
}

static void wait_for_worker(struct init *init, struct file_request *request)
{
	struct file_pool *files = files_of(init);

	if (files->waiting_count == WAITING_MAX ||
		request->frames.len > WAITING_BYTES_MAX - files->waiting_bytes) {
		fail(init, request->stream, EAGAIN, "too many file requests wait already");
		request_free(request);
		return;
	}
	request->next = NULL;
	*files->end = request;
	files->end = &request->next;
	files->waiting_count++;
	files->waiting_bytes += request->frames.len;
	serve_waiting(init);
}

static void add_frame(
	struct buf *frames, const struct frame_header *header, struct wire_bytes payload)
{
	frame_add_bytes(
		frames, (enum frame_kind)header->kind, header->stream, payload.data, payload.len);
}

static int on_request(struct init *init, const struct frame_header *header,
	struct wire_bytes payload, struct error *err)
{
	struct wire_file_request wire;
	struct file_request *request;
	int r = frame_get_file_request(payload, &wire, err);

	if (r < 0) {
		return r;
	}
	if (header->stream == 0 || is_known(init, header->stream)) {
		return error_plain(err, EPROTO, "stream %u is in use", header->stream);
	}
	request = xcalloc(1, sizeof(*request));
	*request = (struct file_request){
		.stream = header->stream,
		.looks_only = wire.op != WIRE_FILE_WRITE && wire.op != WIRE_FILE_EDIT &&
			      wire.op != WIRE_FILE_PATCH,
		.body_left = (size_t)wire.a_len + wire.b_len,
	};
	if (header->stream >= init->next_stream) {
		init->next_stream = header->stream + 1;
	}
	add_frame(&request->frames, header, payload);
	if (request->body_left == 0) {
		wait_for_worker(init, request);
		return 0;
	}
	request->next = files_of(init)->coming;
	files_of(init)->coming = request;
	return 0;
}

static int on_body(struct init *init, const struct frame_header *header, struct wire_bytes payload,
	struct error *err)
{
	struct file_request **at = &files_of(init)->coming;
	struct file_request *request;

	while (*at != NULL && (*at)->stream != header->stream) {
		at = &(*at)->next;
	}
	request = *at;
	if (request == NULL || payload.len == 0 || payload.len > request->body_left) {
		return error_plain(err, EPROTO, "a body that no file request announced");
	}
	add_frame(&request->frames, header, payload);
	request->body_left -= payload.len;
	if (request->body_left == 0) {
		*at = request->next;
		wait_for_worker(init, request);
	}
	return 0;
}

/* What writes is left to its end: half a patch is worse than a late answer. */
static void on_abort(struct init *init, uint32_t stream)
{
	for (struct worker *w = files_of(init)->workers; w != NULL; w = w->next) {
		if (w->stream == stream && w->looks_only) {
			(void)kill(w->pid, SIGKILL);
			return;
		}
	}
}

int file_frame(struct init *init, const struct frame_header *header, struct wire_bytes payload,
	struct error *err)
{
	switch (header->kind) {
	case FRAME_FILE_REQUEST:
		return on_request(init, header, payload, err);
	case FRAME_FILE_BODY:
		return on_body(init, header, payload, err);
	case FRAME_FILE_ABORT:
		on_abort(init, header->stream);
		return frame_get_empty(payload, err);
	default:
		return error_plain(err, EPROTO, "unknown frame kind %u", header->kind);
	}
}

static void free_requests(struct file_request *request)
{
	while (request != NULL) {
		struct file_request *next = request->next;

		request_free(request);
		request = next;
	}
}

void file_detach(struct init *init)
{
	struct file_pool *files = init->file_pool;

	if (files == NULL) {
		return;
	}
	free_requests(files->coming);
	free_requests(files->waiting);
	files->coming = files->waiting = NULL;
	files->end = &files->waiting;
	files->waiting_count = files->waiting_bytes = 0;
	for (struct worker *w = files->workers; w != NULL; w = w->next) {
		w->unheard = true;
		if (w->stream != 0 && w->looks_only) {
			(void)kill(w->pid, SIGKILL);
		}
	}
}

void file_finish(struct init *init)
{
	if (init->file_pool == NULL) {
		return;
	}
	file_detach(init);
	while (init->file_pool->workers != NULL) {
		worker_free(init->file_pool->workers);
	}
	free(init->file_pool);
	init->file_pool = NULL;
}
