/* SPDX-License-Identifier: MIT */
/*
 * What a sandbox could be once creel-init in it was taken over: dials home with the right token, and does
 * what the command that it is asked to run says. Put in creel-init's place by
 * tests/integration/test_gateway_hostile.py.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "wire/frame.h"

enum { CHUNK = 64 * 1024, REDIAL_US = 2000, HALF = 3 };

static uint8_t token[WIRE_TOKEN_SIZE];

static void on_term(int signo)
{
	(void)signo;
	_exit(0);
}

/* false: the gateway has cut the stream. */
static bool send_all(int fd, const void *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = send(fd, (const char *)data + done, len - done, MSG_NOSIGNAL);

		if (n <= 0) {
			return false;
		}
		done += (size_t)n;
	}
	return true;
}

static bool send_buf(int fd, struct buf *out)
{
	bool sent = send_all(fd, out->data, out->len);

	buf_finish(out);
	return sent;
}

static void add_output(struct buf *out, uint32_t stream, uint64_t offset, size_t len)
{
	_cleanup_free_ char *text = xcalloc(1, len + 1);

	memset(text, 'x', len);
	frame_add_output_header(out, stream, WIRE_STDOUT, offset, (uint32_t)len);
	buf_add(out, text, len);
}

/* --- ways to be hostile: fd, and the stream of the command --- */

static void garbage(int fd, uint32_t stream)
{
	char noise[CHUNK];

	(void)stream;
	do {
		if (getrandom(noise, sizeof(noise), 0) != (ssize_t)sizeof(noise)) {
			return;
		}
	} while (send_all(fd, noise, sizeof(noise)));
}

static void too_long(int fd, uint32_t stream)
{
	struct buf out = {0};

	frame_add_header(&out, FRAME_OUTPUT, stream, UINT32_MAX);
	(void)send_buf(fd, &out);
}

static void stranger(int fd, uint32_t stream)
{
	struct buf out = {0};

	frame_add_u32(&out, FRAME_SPAWNED, stream + 1000, 1);
	(void)send_buf(fd, &out);
}

static void hello_again(int fd, uint32_t stream)
{
	struct wire_hello hello = {.version = WIRE_VERSION, .next_stream = stream + 1};
	struct buf out = {0};

	memcpy(hello.token, token, sizeof(token));
	frame_add_hello(&out, &hello);
	(void)send_buf(fd, &out);
}

static void backwards(int fd, uint32_t stream)
{
	struct buf out = {0};

	frame_add_u32(&out, FRAME_SPAWNED, stream, 1);
	add_output(&out, stream, 1000, 10);
	add_output(&out, stream, 0, 10);
	(void)send_buf(fd, &out);
}

/* Output without end, which is allowed: who reads it asks for more. */
static void flood(int fd, uint32_t stream)
{
	struct buf out = {0};
	uint64_t offset = 0;

	frame_add_u32(&out, FRAME_SPAWNED, stream, 1);
	do {
		add_output(&out, stream, offset, CHUNK);
		offset += CHUNK;
	} while (send_buf(fd, &out));
}

/* Output of no bytes costs no credit. */
static void empty_frames(int fd, uint32_t stream)
{
	struct buf out = {0}, frames = {0};

	frame_add_u32(&out, FRAME_SPAWNED, stream, 1);
	(void)send_buf(fd, &out);
	while (frames.len < CHUNK) {
		frame_add_output_header(&frames, stream, WIRE_STDOUT, 0, 0);
	}
	while (send_all(fd, frames.data, frames.len)) {
	}
	buf_finish(&frames);
}

static void exits_again(int fd, uint32_t stream)
{
	struct wire_exited exited = {0};
	struct buf out = {0};

	do {
		frame_add_exited(&out, stream, &exited);
	} while (send_buf(fd, &out));
}

static void unasked(int fd, uint32_t stream)
{
	struct wire_process process = {.stream = stream, .pid = 1};
	struct buf out = {0};

	do {
		frame_add_process(&out, FRAME_PROCESS, 0, &process);
	} while (send_buf(fd, &out));
}

static void half_a_frame(int fd, uint32_t stream)
{
	struct buf out = {0};

	frame_add_u32(&out, FRAME_SPAWNED, stream, 1);
	(void)send_all(fd, out.data, HALF);
	buf_finish(&out);
}

/* Reads nothing any more. */
static void deaf(int fd, uint32_t stream)
{
	(void)stream;
	for (;;) {
		char byte;

		(void)usleep(REDIAL_US);
		if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) {
			return;
		}
	}
}

static void silence(int fd, uint32_t stream)
{
	(void)fd;
	(void)stream;
}

/* What a command that prints one line does. */
static void polite(int fd, uint32_t stream)
{
	struct wire_exited exited = {.out_bytes = 7};
	struct buf out = {0};

	frame_add_u32(&out, FRAME_SPAWNED, stream, 1);
	frame_add_output_header(&out, stream, WIRE_STDOUT, 0, 7);
	buf_add_str(&out, "polite\n");
	frame_add_exited(&out, stream, &exited);
	(void)send_buf(fd, &out);
}

static const struct {
	const char *word;
	void (*act)(int fd, uint32_t stream);
} acts[] = {
	{"garbage", garbage},
	{"too-long", too_long},
	{"stranger", stranger},
	{"hello-again", hello_again},
	{"backwards", backwards},
	{"flood", flood},
	{"empty-frames", empty_frames},
	{"exits-again", exits_again},
	{"unasked", unasked},
	{"half-a-frame", half_a_frame},
	{"deaf", deaf},
	{"silence", silence},
	{"polite", polite},
};

static void on_spawn(int fd, uint32_t stream, struct wire_bytes payload)
{
	_cleanup_arena_ struct arena arena = {0};
	struct wire_spawn spawn;
	struct error err;

	if (frame_get_spawn(payload, &arena, &spawn, &err) < 0) {
		return;
	}
	for (size_t i = 0; spawn.argv[i] != NULL; i++) {
		for (size_t a = 0; a < ARRAY_SIZE(acts); a++) {
			if (strstr(spawn.argv[i], acts[a].word) != NULL) {
				acts[a].act(fd, stream);
				return;
			}
		}
	}
}

static void on_frame(int fd, const struct frame_header *header, struct wire_bytes payload)
{
	struct buf out = {0};

	if (header->kind == FRAME_SPAWN) {
		on_spawn(fd, header->stream, payload);
	} else if (header->kind == FRAME_FORGET) {
		frame_add_empty(&out, FRAME_FORGOTTEN, header->stream);
	} else if (header->kind == FRAME_LIST) {
		frame_add_u32(&out, FRAME_LIST_END, 0, 0);
	} else if (header->kind == FRAME_SHUTDOWN) {
		_exit(0);
	}
	(void)send_buf(fd, &out);
}

static void serve(int fd)
{
	struct wire_hello hello = {.version = WIRE_VERSION, .instance = 1, .next_stream = 1};
	struct buf in = {0}, out = {0};
	struct frame_header header;
	char chunk[CHUNK];
	struct error err;
	ssize_t n;

	memcpy(hello.token, token, sizeof(token));
	frame_add_hello(&out, &hello);
	(void)send_buf(fd, &out);
	while ((n = recv(fd, chunk, sizeof(chunk), 0)) > 0) {
		buf_add(&in, chunk, (size_t)n);
		while (frame_peek((const uint8_t *)in.data, in.len, &header, &err) == 1) {
			struct wire_bytes payload = {
				(const uint8_t *)in.data + FRAME_HEADER_SIZE, header.length};

			on_frame(fd, &header, payload);
			buf_consume(&in, FRAME_HEADER_SIZE + header.length);
		}
	}
	buf_finish(&in);
}

int main(void)
{
	const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/creel/socket"};
	int fd = open("/run/creel/token", O_RDONLY | O_CLOEXEC);

	(void)signal(SIGTERM, on_term);
	if (fd < 0 || read(fd, token, sizeof(token)) != (ssize_t)sizeof(token)) {
		return 1;
	}
	(void)close(fd);
	for (;;) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
			serve(fd);
		}
		(void)close(fd);
		(void)usleep(REDIAL_US);
	}
}
