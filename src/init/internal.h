/* SPDX-License-Identifier: MIT */
/* The state of creel-init, and what its files do for each other. */
#ifndef INIT_INTERNAL_H
#define INIT_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "init/loop.h"
#include "init/ring.h"
#include "init/tree.h"
#include "wire/frame.h"

struct init;
struct process;
struct file_pool;
struct connection;

/* One output of a process: from its pipe or terminal into a ring, from there to the gateway. */
struct channel {
	struct watch watch;
	struct process *process;
	enum wire_channel id;
	bool grown; /* the pipe was enlarged, for one that prints a lot */
	bool queued; /* in init->sendable */
	struct ring ring;
	uint64_t sent; /* the next byte to send; >= ring.first */
	uint64_t credit;
	uint64_t complete_at; /* once the process ended: its own output is what is below this */
	struct channel *prev, *next; /* in init->sendable */
};

struct input {
	struct watch watch; /* the write end of a pipe, or a second descriptor of the terminal */
	struct buf pending; /* bytes that the process has not taken yet */
	size_t written; /* of pending */
	size_t credit; /* what the gateway may still send */
	size_t taken; /* taken, not yet granted anew */
	bool eof; /* nothing more comes after pending */
	char last; /* the last byte written, to know whether a line is open */
};

struct process {
	struct init *init;
	struct process *next_stream, *next_pid; /* in their buckets */
	uint32_t stream;
	pid_t pid; /* 0 before the login environment is there and after it was reaped */
	uint32_t shown_pid; /* what it was */
	uint64_t serial; /* of this spawn, see init/tree.h */
	bool terminal;
	bool reaped; /* wait4(2) gave its status */
	bool finished; /* and its output is complete: exited is final */
	bool known; /* to the gateway of this connection: it spawned or attached to it */
	bool reported; /* EXITED was sent on this connection, or is not wanted */
	bool followed; /* the gateway reads its output: it waits for a slow reader */
	bool fetching; /* an ATTACH without follow is being served */
	bool ending; /* its whole tree is on the way out: finished only when that is gone */
	bool last; /* the sandbox ends with it */
	bool overdue; /* what still holds the output is not waited for any more */
	unsigned kills; /* how often KILL was sent to the tree */
	uint32_t grace_ms;
	uint64_t started_ms;
	struct timer timeout, kill, quiet, patience;
	struct wire_exited exited;
	struct channel channels[2]; /* stdout, stderr */
	struct input input;
	char *tag; /* NULL: none */
	struct buf request; /* the SPAWN payload, while the login environment is awaited */
	char *name;
};

enum conn_state { CONN_DOWN, CONN_GREETED /* hello sent */, CONN_UP };

/* An OUTPUT frame of which a part is sent. The bytes stay in their ring, which is not overwritten
 * there meanwhile; spill holds them instead when the ring cannot wait (conn_release()). */
struct inflight {
	bool active;
	uint8_t head[FRAME_HEADER_SIZE + 9];
	size_t head_len, head_sent;
	struct channel *channel; /* NULL: the rest is in spill */
	uint64_t offset;
	size_t left;
	struct buf spill;
	size_t spill_sent;
};

struct conn {
	struct watch watch;
	struct watch notices; /* of new files in dir */
	enum conn_state state;
	const char *dir; /* NULL: an inherited descriptor */
	bool once;
	bool tied; /* WIRE_WELCOME_TIED */
	bool reconnect;
	uint8_t token[WIRE_TOKEN_SIZE];
	uint8_t *in; /* mapped, IN_SIZE */
	size_t in_len;
	struct buf out; /* control frames */
	size_t out_sent;
	struct inflight inflight;
	bool blocked; /* the socket is full: wait for EPOLLOUT */
	size_t in_touched; /* how far into it bytes ever came */
	uint32_t backoff_ms;
	struct timer redial;
};

enum login_state { LOGIN_NONE, LOGIN_RUNNING, LOGIN_READY };

struct login {
	enum login_state state;
	uint32_t uid, gid;
	pid_t pid;
	uint64_t serial;
	struct watch watch;
	struct timer timeout;
	struct buf output;
	char *text; /* the strings of env */
	const char **env;
};

enum { INIT_BUCKETS = 64 };

struct init {
	struct loop loop;
	struct tree tree;
	struct conn conn;
	struct login login;
	struct watch signals;
	int null_fd;
	uint64_t instance;
	uint64_t serial;
	uint32_t next_stream;
	uint32_t process_count;
	bool shutting; /* no new processes; ends when the last one is gone */
	bool childless; /* the last wait4(2) said that there is no child at all */
	bool quit;
	bool leaving; /* quit when everything is sent */
	struct timer shutdown;
	struct rlimit file_limit; /* RLIMIT_NOFILE as it was found, for the processes */
	const char *const *environ;
	struct channel *sendable_first, *sendable_last;
	struct process *by_stream[INIT_BUCKETS];
	struct process *by_pid[INIT_BUCKETS];
	struct file_pool *file_pool; /* file.c; NULL until a file tool is used */
	struct connection *connections; /* connect.c */
	uint32_t connection_count;
	bool connections_paused; /* one or more wait until the gateway reads */
};

/* conn.c: the connection. */
int conn_start(struct init *init, int adopt_fd, const char *dir, bool once, struct error *err);
int conn_adopt(struct init *init, int adopt_fd); /* the stream starts: say hello */
void conn_finish(struct init *init);
struct buf *conn_out(struct init *init); /* append control frames here, sent after this turn */
bool conn_is_up(const struct init *init);
size_t conn_unsent(const struct init *init); /* bytes of control frames not sent yet */
void conn_flush(struct init *init); /* called after every turn of the loop */
bool conn_is_idle(const struct init *init); /* nothing is left to send of what was begun */
void conn_release(struct init *init, struct channel *channel); /* lets go of its ring */
void conn_queue(struct channel *channel); /* it may have something to send */
void conn_unqueue(struct channel *channel);

/* conn_dial.c */
int conn_dial(struct init *init, struct error *err);
int conn_read_token(struct init *init, struct error *err);

/* dispatch.c: one frame of the gateway's. 0, or -EPROTO with the reason. */
int dispatch_frame(struct init *init, const struct frame_header *header, struct wire_bytes payload,
	struct error *err);

/* process.c: the table and the life of a process. */
struct process *process_find(const struct init *init, uint32_t stream);
void process_spawn(struct init *init, uint32_t stream, struct wire_bytes payload,
	const struct wire_spawn *request);
void process_start(struct process *p, const struct wire_spawn *request);
void process_start_pending(struct init *init); /* the login environment is there */
void process_signal(struct process *p, int signo, enum wire_signal_scope scope);
void process_forget(struct process *p);
void process_reap(struct init *init);
void process_check(struct process *p); /* look whether it is finished, and report what is due */
void process_describe(const struct process *p, struct wire_process *ret);
void process_each(struct init *init, void (*fn)(struct process *p));
bool process_any_runs(const struct init *init);
void process_end(struct process *p, int signo); /* WIRE_SIGNAL_END */
void init_shutdown(struct init *init, uint32_t grace_ms);
void init_quit(struct init *init); /* kill everything and leave the loop */

/* output.c */
void channel_open(struct channel *c, int adopt_fd);
void channel_close(struct channel *c);
void channel_resume(struct channel *c); /* room or credit came: read on, send on */
bool channel_may_send(const struct channel *c);
bool channel_is_done(const struct channel *c); /* no more of the process's own output comes */
void process_detach(struct process *p); /* nobody follows any more */
void process_attach(struct process *p, const struct wire_attach *attach);

/* input.c */
void input_open(struct input *input, struct process *p, int adopt_fd);
void input_close(struct process *p);
void input_add(struct process *p, struct wire_bytes data);
void input_eof(struct process *p);

/* pty.c. 0 or a negative errno. */
int pty_open(uint16_t rows, uint16_t columns, uint32_t uid, int *ret_master, int *ret_terminal);
void pty_resize(int master, uint16_t rows, uint16_t columns);
/* The characters that end the input of whoever reads: none, one or two. */
size_t pty_eof(int master, bool line_open, char ret[2]);

/* login.c */
bool login_is_ready(const struct init *init, const struct wire_spawn *request);
void login_start(struct init *init, const struct wire_spawn *request);
bool login_reaped(struct init *init, pid_t pid);
/* The login environment with env on top; strings stay where they are. */
const char *const *login_merge(
	const struct init *init, struct arena *arena, const char *const *env);

/* look.c: print what this process is and sees; the exit status. */
int look_print(void);

#endif
