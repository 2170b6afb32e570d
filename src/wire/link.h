/* SPDX-License-Identifier: MIT */
/*
 * The gateway's end of one sandbox's stream. It owns the descriptor, the buffers and the table of
 * processes; it does no waiting of its own, so that a poll loop (CLI), libevent (gateway) and a test
 * drive it alike: wait for link_events() on link_fd(), then call link_pump().
 *
 * Everything that arrives is hostile: a malformed frame, a frame for an unknown stream, bytes over
 * the credit that was granted, a wrong token end the link with -EPROTO and nothing else.
 */
#ifndef WIRE_LINK_H
#define WIRE_LINK_H

#include <stdint.h>

#include "wire/frame.h"

struct link;

/* What happens to one process. All are optional. data is valid during the call only. A callback may
 * call any link function but link_free() and link_pump(). */
struct link_process_ops {
	void (*spawned)(void *arg, uint32_t pid);
	/* offset counts from the first byte the process wrote on that channel; a jump means that bytes
	 * fell out of the ring before they could be sent. */
	void (*output)(void *arg, enum wire_channel channel, uint64_t offset, const uint8_t *data,
		size_t len);
	void (*stdin_room)(
		void *arg, size_t bytes); /* that many more may be given to link_stdin() */
	void (*exited)(void *arg, const struct wire_exited *exited); /* all output came before */
	void (*failed)(void *arg, const struct wire_failed *failed); /* it never ran */
	void (*lost)(void *arg, const struct error *why); /* the link died first */
	void (*attached)(void *arg, const struct wire_process *process); /* see link_attach() */
	void (*fetched)(void *arg, const struct wire_process *process); /* see link_fetch() */
};

struct link_ops {
	void (*ready)(void *arg, const struct wire_hello *hello);
	void (*process)(void *arg, const struct wire_process *process); /* answer to link_list() */
	void (*list_end)(void *arg, uint32_t count);
	void (*pong)(void *arg, uint64_t value);
};

/*
 * adopt_fd: a connected SOCK_STREAM unix socket, made non-blocking here, closed by link_free().
 * token: WIRE_TOKEN_SIZE bytes that hello must carry (compared in constant time), NULL: any (the
 * descriptor was inherited, so nobody else can hold the other end). once: see struct wire_welcome.
 */
struct link *link_new(
	int adopt_fd, const uint8_t *token, bool once, const struct link_ops *ops, void *arg);
struct link *link_free(struct link *link); /* tells every process `lost`; returns NULL */

int link_fd(const struct link *link);
short link_events(const struct link *link); /* POLLIN, and POLLOUT while something is unsent */
bool link_is_ready(const struct link *link);
/* Bytes that came from the sandbox and went to it, frames and all. */
void link_traffic(const struct link *link, uint64_t *ret_in, uint64_t *ret_out);

/*
 * Read, dispatch and write as far as the socket allows. revents as from poll(2); POLLIN | POLLOUT is
 * always safe. 0, or the reason why the link is dead: -EPROTO (peer broke the rules), -EPIPE (peer
 * is gone), another errno. A dead link stays dead: every later call answers the same.
 */
int link_pump(struct link *link, short revents, struct error *err);

/*
 * Before hello came or link_greet(): what this link spawns or attaches to is killed and forgotten by
 * creel-init when the link ends, also when this process is killed. For a sandbox that lasts and a
 * caller who does not come back.
 */
void link_tie(struct link *link);

/*
 * Ask before hello came: WELCOME goes out with the first request, and link_spawn() is allowed from here
 * on. It saves a round trip at the start of a sandbox. For a stream that creel-init inherited; on one
 * with a token, and on one that is ready, it does nothing.
 */
void link_greet(struct link *link);

/* Wait with poll(2) and pump until ready, or -ETIMEDOUT. For callers without a loop. */
int link_wait_ready(struct link *link, int timeout_ms, struct error *err);

/*
 * Requests: queued at once, sent right here when the socket has room, else by the next pump. On a
 * dead link, and for a stream that the link does not know (any more), they do nothing.
 *
 * link_spawn: *ret_stream names the process until link_forget() or `failed`. Unless the flags say
 * WIRE_SPAWN_DETACHED its output is followed: LIMIT_CREDIT_WINDOW per channel is granted at the start
 * and renewed by link_consumed(), and a process whose reader is slow waits. -ENOTCONN before ready or link_greet();
 * -E2BIG and -EINVAL as frame_add_spawn(); the link lives on.
 */
int link_spawn(struct link *link, const struct wire_spawn *spawn,
	const struct link_process_ops *ops, void *arg, uint32_t *ret_stream, struct error *err);
/* The frame that link_spawn() would send, for whoever has to be asked first. Errors as there. */
int link_spawn_frame(
	struct buf *out, uint32_t stream, const struct wire_spawn *spawn, struct error *err);
/*
 * Follow a process from these offsets, one of this link or one that an earlier connection left:
 * `attached`, then `output`, then `exited` (again, if it was told before). -EBUSY while an earlier
 * attach or fetch of this process is unanswered. `failed` when creel-init does not know the stream.
 */
int link_attach(struct link *link, uint32_t stream, uint64_t out_offset, uint64_t err_offset,
	const struct link_process_ops *ops, void *arg, struct error *err);
/*
 * Read what the rings hold from these offsets, at most max bytes of each, and then follow no more:
 * `attached`, `output`, `fetched`. The process is never paused from then on; what it prints stays in
 * its ring, the oldest bytes give way. max 0 only stops following. Errors as link_attach().
 */
int link_fetch(struct link *link, uint32_t stream, uint64_t out_offset, uint64_t err_offset,
	uint32_t max, const struct link_process_ops *ops, void *arg, struct error *err);
/* The receiver of `output` says that it is done with so many bytes, which grants them anew. */
void link_consumed(struct link *link, uint32_t stream, enum wire_channel channel, size_t bytes);
/* How much link_stdin() takes now; it returns what it took (0..len). What a process does not want
 * any more is thrown away at the other end, so that room always comes back while it runs. */
size_t link_stdin_room(const struct link *link, uint32_t stream);
size_t link_stdin(struct link *link, uint32_t stream, const void *data, size_t len);
void link_stdin_eof(struct link *link, uint32_t stream);
void link_resize(struct link *link, uint32_t stream, uint16_t rows, uint16_t columns);
void link_signal(struct link *link, uint32_t stream, uint32_t signo, enum wire_signal_scope scope);
/* Its tree is killed if it runs; no callback comes for this stream after the call. */
void link_forget(struct link *link, uint32_t stream);
void link_list(struct link *link);
void link_ping(struct link *link, uint64_t value);
void link_shutdown(struct link *link, uint32_t grace_ms);

#endif
