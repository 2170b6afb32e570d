/* SPDX-License-Identifier: MIT */
/* A link that is told anything at all by the sandbox, with one process of each state on it. */
#include <assert.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/link_connect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	struct link *link;
	uint64_t bytes, granted;
	int ends;
};

static void on_output(
	void *arg, enum wire_channel channel, uint64_t offset, const uint8_t *data, size_t len)
{
	struct seen *seen = arg;

	(void)channel;
	(void)offset;
	(void)data;
	seen->bytes += len;
	/* Nothing is consumed: the first window is all that may ever come, on each channel. */
	assert(seen->bytes <= 2 * seen->granted);
}

static void on_end(void *arg, const struct wire_exited *exited)
{
	struct seen *seen = arg;

	(void)exited;
	seen->ends++;
	assert(seen->ends <= 1);
}

static const struct link_process_ops ops = {.output = on_output, .exited = on_end};

static void on_data(void *arg, const uint8_t *data, size_t len)
{
	struct seen *seen = arg;

	(void)data;
	seen->bytes += len;
	assert(seen->bytes <= seen->granted);
}

static void on_closed(void *arg, const struct wire_closed *closed)
{
	on_end(arg, NULL);
	assert(closed->text.len <= WIRE_MAX_TEXT);
}

static void on_lost(void *arg, const struct error *why)
{
	(void)why;
	on_end(arg, NULL);
}

static const struct link_connection_ops connection_ops = {
	.data = on_data, .closed = on_closed, .lost = on_lost};

static void say_hello(int peer)
{
	struct wire_hello hello = {.version = WIRE_VERSION, .next_stream = 1};
	_cleanup_buf_ struct buf out = {0};

	frame_add_hello(&out, &hello);
	(void)send(peer, out.data, out.len, MSG_NOSIGNAL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const argv[] = {"x", NULL};
	const struct wire_spawn spawn = {.argv = argv};
	struct seen followed = {.granted = LIMIT_CREDIT_WINDOW}, fetched = {.granted = 100};
	struct seen connection = {.granted = WIRE_CONN_WINDOW};
	struct link *link;
	uint32_t stream;
	struct error err;
	int fds[2];

	if (size == 0 || size > 100000 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0) {
		return 0;
	}
	link = link_new(fds[0], NULL, false, NULL, NULL);
	/* Half of the inputs start before hello. */
	if ((data[0] & 1) == 0) {
		say_hello(fds[1]);
		(void)link_pump(link, POLLIN | POLLOUT, &err);
		(void)link_spawn(link, &spawn, &ops, &followed, &stream, &err);
		(void)link_spawn(link, &spawn, &ops, &followed, &stream, &err);
		link_forget(link, stream);
		(void)link_fetch(link, 7, 0, 0, 100, &ops, &fetched, &err);
		(void)link_connect(link, 80, &connection_ops, &connection, &stream, &err);
		link_list(link);
		link_ping(link, 1);
	}
	(void)send(fds[1], data + 1, size - 1, MSG_NOSIGNAL);
	(void)close(fds[1]);
	while (link_pump(link, POLLIN | POLLOUT, &err) == 0) {
	}
	assert(link_pump(link, POLLIN, &err) < 0);
	link = link_free(link);
	assert(connection.ends == ((data[0] & 1) == 0));
	return 0;
}
