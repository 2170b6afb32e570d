/* SPDX-License-Identifier: MIT */
/* The browser's services: the supervisor is started in the sandbox, and listened to. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/own.h"
#include "browser/internal.h"
#include "browser/supervise.sh.h"

enum {
	TAIL_MAX = 2000,
	SERVICE_RING = 64 * 1024,
	STOP_MS = 10000,
	EARLIER = 75, /* another supervisor is there already, whose browser is reached as well */
};

static void on_stopped(struct browser *b);

static void count_restarts(struct browser *b, const char *text, size_t len)
{
	static const char mark[] = ", restarted (";
	const char *at = text;

	while ((at = memmem(at, len - (size_t)(at - text), mark, sizeof(mark) - 1)) != NULL) {
		b->restarts++;
		at += sizeof(mark) - 1;
	}
}

static void on_output(
	void *arg, enum wire_channel channel, uint64_t offset, const uint8_t *data, size_t len)
{
	struct browser *b = arg;

	(void)offset;
	count_restarts(b, (const char *)data, len);
	buf_add(&b->service_tail, data, len);
	if (b->service_tail.len > TAIL_MAX) {
		buf_consume(&b->service_tail, b->service_tail.len - TAIL_MAX);
	}
	link_consumed(b->link, b->service, channel, len);
}

static void on_end(struct browser *b)
{
	b->service_ended = true;
	b->service = 0;
	if (b->state != BROWSER_UP && b->next_ns != UINT64_MAX) {
		b->next_ns = 0; /* look at once: nothing may come any more */
	}
}

static void on_exited(void *arg, const struct wire_exited *exited)
{
	struct browser *b = arg;
	uint32_t stream = b->service;

	if (exited->code == EARLIER) {
		b->service = 0;
	} else {
		on_end(b);
	}
	link_forget(b->link, stream);
	if (exited->code != EARLIER) {
		on_stopped(b);
	}
}

static void on_failed(void *arg, const struct wire_failed *failed)
{
	struct browser *b = arg;

	buf_add(&b->service_tail, failed->text.data, failed->text.len);
	on_end(b);
}

static void on_lost(void *arg, const struct error *why)
{
	(void)why;
	((struct browser *)arg)->service = 0;
}

static const struct link_process_ops service_ops = {
	.output = on_output,
	.exited = on_exited,
	.failed = on_failed,
	.lost = on_lost,
};

static void send_passwords(struct browser *b)
{
	char line[2 * BROWSER_PASSWORD_SIZE + 1];
	int len;

	len = snprintf(line, sizeof(line), "%s %s\n", b->passwords[0], b->passwords[1]);
	(void)link_stdin(b->link, b->service, line, (size_t)len);
	explicit_bzero(line, sizeof(line));
}

void service_start(struct browser *b)
{
	const char *const argv[] = {
		"/bin/sh", "-c", supervise_sh, "creel-browser", b->env_prefix, NULL};
	const struct wire_spawn spawn = {
		.flags = WIRE_SPAWN_MERGE | WIRE_SPAWN_STDIN,
		.uid = WIRE_NO_ID,
		.gid = WIRE_NO_ID,
		.ring_bytes = SERVICE_RING,
		.argv = argv,
		.env = (const char *const *)b->env,
	};
	struct error err;

	b->service_ended = false;
	buf_clear(&b->service_tail);
	if (link_spawn(b->link, &spawn, &service_ops, b, &b->service, &err) < 0) {
		buf_add_str(&b->service_tail, err.text);
		b->service = 0;
		b->service_ended = true;
		return;
	}
	if (b->settings->vnc) {
		send_passwords(b);
	}
}

/* --- the end --- */

static void on_stopped(struct browser *b)
{
	b->stopping = 0;
	/* One that is only on its way fails by itself, with what they printed. */
	if (b->state == BROWSER_UP) {
		browser_broken(b, "the browser's services ended");
	}
	browser_tell(b, NULL, BROWSER_EVENT_STOPPED, NULL);
}

static void on_killed(void *arg, const struct wire_exited *exited)
{
	struct browser *b = arg;

	(void)exited;
	link_forget(b->link, b->stopping);
	on_stopped(b);
}

static void on_kill_failed(void *arg, const struct wire_failed *failed)
{
	(void)failed;
	on_stopped(arg);
}

static void on_kill_lost(void *arg, const struct error *why)
{
	(void)why;
	((struct browser *)arg)->stopping = 0;
}

static const struct link_process_ops kill_ops = {
	.exited = on_killed,
	.failed = on_kill_failed,
	.lost = on_kill_lost,
};

/* The supervisor that an earlier gateway started is no process of this link's: it has left its number. */
static bool stop_earlier(struct browser *b)
{
	static const char script[] = "p=$(cat /tmp/creel-browser/pid) && kill \"$p\" && "
				     "while kill -0 \"$p\"; do sleep 0.02; done";
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};
	const struct wire_spawn spawn = {
		.uid = WIRE_NO_ID,
		.gid = WIRE_NO_ID,
		.timeout_ms = STOP_MS,
		.argv = argv,
		.env = (const char *const *)b->env,
	};
	struct error ignored;

	return link_spawn(b->link, &spawn, &kill_ops, b, &b->stopping, &ignored) == 0;
}

bool service_stop(struct browser *b)
{
	if (b->service != 0) {
		link_signal(b->link, b->service, SIGTERM, WIRE_SIGNAL_END);
		return true;
	}
	return b->stopping != 0 || (b->env != NULL && b->state != BROWSER_DOWN && stop_earlier(b));
}

void service_forget(struct browser *b)
{
	struct error err;

	if (b->service != 0) {
		/* Not link_forget(), which would kill it: followed by nobody, it goes on. */
		(void)link_fetch(b->link, b->service, 0, 0, 0, NULL, NULL, &err);
	}
}
