/* SPDX-License-Identifier: MIT */
#include "selftest/peer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/own.h"

enum { HELLO_TIMEOUT_MS = 10000 };

int peer_start(struct peer *peer, const struct sandbox_spec *spec, struct error *err)
{
	const struct backend_start_opts opts = {0};
	struct error ignored;
	int r;

	*peer = (struct peer){
		.backend = backend_by_kind(spec->backend), .sandbox = {.stream_fd = FD_NONE}};
	if (peer->backend == NULL) {
		return error_plain(err, ENOSYS, "this build has no such backend");
	}
	r = peer->backend->start(spec, &opts, &peer->sandbox, err);
	if (r < 0) {
		return r;
	}
	peer->started = true;
	peer->link = link_new(peer->sandbox.stream_fd,
		peer->sandbox.has_token ? peer->sandbox.token : NULL, true, NULL, NULL);
	r = link_wait_ready(peer->link, HELLO_TIMEOUT_MS, err);
	if (r < 0) {
		(void)peer_finish(peer, &ignored);
	}
	return r;
}

int peer_finish(struct peer *peer, struct error *err)
{
	if (!peer->started) {
		return 0;
	}
	peer->started = false;
	peer->link = link_free(peer->link);
	return peer->backend->finish(&peer->sandbox, err);
}

static void on_output(
	void *arg, enum wire_channel channel, uint64_t offset, const uint8_t *data, size_t len)
{
	struct peer_run *run = arg;

	(void)offset;
	run->out_bytes += len;
	if (run->out.len + len <= PEER_OUTPUT_MAX) {
		buf_add(&run->out, data, len);
	}
	if (run->greedy) {
		link_consumed(run->peer->link, run->stream, channel, len);
	}
}

static void on_exited(void *arg, const struct wire_exited *exited)
{
	struct peer_run *run = arg;

	run->over = true;
	run->exited = *exited;
}

static void on_failed(void *arg, const struct wire_failed *failed)
{
	struct peer_run *run = arg;
	_cleanup_buf_ struct buf text = {0};

	run->over = true;
	buf_add_printable(&text, (const char *)failed->text.data, failed->text.len, 300);
	(void)snprintf(run->failed, sizeof(run->failed), "%s",
		text.len > 0 ? text.data : "the program does not start");
}

static void on_lost(void *arg, const struct error *why)
{
	struct peer_run *run = arg;

	run->over = true;
	(void)snprintf(run->failed, sizeof(run->failed), "%.390s", why->text);
}

static const struct link_process_ops run_ops = {
	.output = on_output,
	.exited = on_exited,
	.failed = on_failed,
	.lost = on_lost,
};

int peer_spawn(struct peer *peer, struct peer_run *run, const char *const *argv, uint32_t flags,
	struct error *err)
{
	static const char *const env[] = {
		"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/workspace", NULL};
	const struct wire_spawn spawn = {
		.flags = flags,
		.uid = WIRE_NO_ID,
		.gid = WIRE_NO_ID,
		.cwd = run->cwd != NULL ? run->cwd : "/workspace",
		.argv = argv,
		.env = env,
	};

	run->peer = peer;
	return link_spawn(peer->link, &spawn, &run_ops, run, &run->stream, err);
}

void peer_run_finish(struct peer_run *run)
{
	if (run->peer != NULL && run->peer->link != NULL) {
		link_forget(run->peer->link, run->stream);
	}
	buf_finish(&run->out);
}

static int pump(struct peer *peer, int timeout_ms, struct error *err)
{
	struct pollfd p = {.fd = link_fd(peer->link), .events = link_events(peer->link)};
	int r = poll(&p, 1, timeout_ms);

	if (r < 0 && errno != EINTR) {
		return error_set(err, errno, "cannot wait for the sandbox");
	}
	return r > 0 ? link_pump(peer->link, p.revents, err) : 0;
}

int peer_wait_word(struct peer_run *run, const char *word, int timeout_ms, struct error *err)
{
	uint64_t deadline_ns = clock_after_ns((uint64_t)timeout_ms * NS_PER_MS);
	int r = 0;

	while (r == 0 && !run->over) {
		int left_ms = clock_left_ms(deadline_ns);

		if (word != NULL && run->out.data != NULL && strstr(run->out.data, word) != NULL) {
			return 0;
		}
		if (left_ms == 0) {
			return error_plain(
				err, ETIMEDOUT, "no answer within %d s", timeout_ms / 1000);
		}
		r = pump(run->peer, left_ms, err);
	}
	if (run->failed[0] != '\0') {
		return error_plain(err, EIO, "%s", run->failed);
	}
	return r;
}

int peer_wait(struct peer_run *run, int timeout_ms, struct error *err)
{
	return peer_wait_word(run, NULL, timeout_ms, err);
}

void peer_serve(struct peer *peer, int timeout_ms)
{
	uint64_t deadline_ns = clock_after_ns((uint64_t)timeout_ms * NS_PER_MS);
	struct error ignored;
	int left_ms;

	do {
		left_ms = clock_left_ms(deadline_ns);
	} while (pump(peer, left_ms, &ignored) == 0 && left_ms > 0);
}
