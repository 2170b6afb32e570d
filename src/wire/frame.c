/* SPDX-License-Identifier: MIT */
/* The frame codec: plain integers and length-prefixed strings, checked field by field. */
#include "wire/frame.h"

#include <errno.h>
#include <string.h>

#include "wire/cursor.h"

enum { OUTPUT_HEAD = 1 + 8 };

int frame_peek(const uint8_t *data, size_t len, struct frame_header *ret_header, struct error *err)
{
	struct cursor c = {.at = data, .left = len};
	struct frame_header header;
	uint16_t flags;

	if (len < FRAME_HEADER_SIZE) {
		return 0;
	}
	header.length = cursor_u32(&c, "length");
	header.kind = cursor_u16(&c, "kind");
	flags = cursor_u16(&c, "flags");
	header.stream = cursor_u32(&c, "stream");
	if (header.length > LIMIT_FRAME_PAYLOAD) {
		return error_plain(err, EPROTO, "frame of %u bytes is over the limit of %d",
			header.length, LIMIT_FRAME_PAYLOAD);
	}
	if (flags != 0) {
		return error_plain(err, EPROTO, "frame has unknown flags 0x%x", (unsigned)flags);
	}
	if (len - FRAME_HEADER_SIZE < header.length) {
		return 0;
	}
	*ret_header = header;
	return 1;
}

void frame_add_header(struct buf *out, enum frame_kind kind, uint32_t stream, uint32_t length)
{
	buf_add_u32le(out, length);
	buf_add_u16le(out, (uint16_t)kind);
	buf_add_u16le(out, 0);
	buf_add_u32le(out, stream);
}

void frame_add_empty(struct buf *out, enum frame_kind kind, uint32_t stream)
{
	frame_add_header(out, kind, stream, 0);
}

void frame_add_u32(struct buf *out, enum frame_kind kind, uint32_t stream, uint32_t value)
{
	frame_add_header(out, kind, stream, 4);
	buf_add_u32le(out, value);
}

void frame_add_u64(struct buf *out, enum frame_kind kind, uint32_t stream, uint64_t value)
{
	frame_add_header(out, kind, stream, 8);
	buf_add_u64le(out, value);
}

void frame_add_bytes(
	struct buf *out, enum frame_kind kind, uint32_t stream, const void *data, size_t len)
{
	frame_add_header(out, kind, stream, (uint32_t)len);
	buf_add(out, data, len);
}

int frame_get_empty(struct wire_bytes payload, struct error *err)
{
	struct cursor c = cursor_on(payload);

	return cursor_end(&c, "empty", err);
}

int frame_get_u32(struct wire_bytes payload, uint32_t *ret, struct error *err)
{
	struct cursor c = cursor_on(payload);
	uint32_t value = cursor_u32(&c, "number");
	int r = cursor_end(&c, "number", err);

	if (r == 0) {
		*ret = value;
	}
	return r;
}

int frame_get_u64(struct wire_bytes payload, uint64_t *ret, struct error *err)
{
	struct cursor c = cursor_on(payload);
	uint64_t value = cursor_u64(&c, "number");
	int r = cursor_end(&c, "number", err);

	if (r == 0) {
		*ret = value;
	}
	return r;
}

int frame_get_string(struct wire_bytes payload, struct wire_bytes *ret, struct error *err)
{
	struct cursor c = cursor_on(payload);
	struct wire_bytes text = cursor_string(&c, WIRE_MAX_TEXT, "text");
	int r = cursor_end(&c, "text", err);

	if (r == 0) {
		*ret = text;
	}
	return r;
}

/* Cut, and up to a byte 0: what is sent must pass the peer's own check. */
static void add_string(struct buf *out, struct wire_bytes text)
{
	buf_add_u32le(out, (uint32_t)text.len);
	buf_add(out, text.data, text.len);
}

static struct wire_bytes clipped(struct wire_bytes text, size_t max)
{
	size_t len = text.len < max ? text.len : max;
	const uint8_t *nul = len > 0 ? memchr(text.data, '\0', len) : NULL;

	return (struct wire_bytes){
		.data = text.data, .len = nul != NULL ? (size_t)(nul - text.data) : len};
}

void frame_add_string(
	struct buf *out, enum frame_kind kind, uint32_t stream, struct wire_bytes text)
{
	struct wire_bytes cut = clipped(text, WIRE_MAX_TEXT);

	frame_add_header(out, kind, stream, (uint32_t)(4 + cut.len));
	add_string(out, cut);
}

void frame_add_hello(struct buf *out, const struct wire_hello *hello)
{
	frame_add_header(out, FRAME_HELLO, 0, 4 + 4 + WIRE_TOKEN_SIZE + 8 + 4 + 4 + 1);
	buf_add_u32le(out, hello->version);
	buf_add_u32le(out, hello->capabilities);
	buf_add(out, hello->token, WIRE_TOKEN_SIZE);
	buf_add_u64le(out, hello->instance);
	buf_add_u32le(out, hello->processes);
	buf_add_u32le(out, hello->next_stream);
	buf_add_u8(out, hello->reconnect);
}

int frame_get_hello(struct wire_bytes payload, struct wire_hello *ret, struct error *err)
{
	struct cursor c = cursor_on(payload);
	struct wire_hello hello = {0};
	const uint8_t *token;
	int r;

	hello.version = cursor_u32(&c, "version");
	hello.capabilities = cursor_u32(&c, "capabilities");
	token = cursor_raw(&c, WIRE_TOKEN_SIZE, "token");
	if (token != NULL) {
		memcpy(hello.token, token, WIRE_TOKEN_SIZE);
	}
	hello.instance = cursor_u64(&c, "instance");
	hello.processes = cursor_range(&c, 4, 0, LIMIT_PROCESSES, "processes");
	hello.next_stream = cursor_u32(&c, "next stream");
	hello.reconnect = cursor_bool(&c, "reconnect");
	r = cursor_end(&c, "hello", err);
	if (r == 0) {
		*ret = hello;
	}
	return r;
}

void frame_add_welcome(struct buf *out, const struct wire_welcome *welcome)
{
	frame_add_header(out, FRAME_WELCOME, 0, 4 + 4 + 1);
	buf_add_u32le(out, welcome->version);
	buf_add_u32le(out, welcome->capabilities);
	buf_add_u8(out, welcome->once);
}

int frame_get_welcome(struct wire_bytes payload, struct wire_welcome *ret, struct error *err)
{
	struct cursor c = cursor_on(payload);
	struct wire_welcome welcome = {0};
	int r;

	welcome.version = cursor_u32(&c, "version");
	welcome.capabilities = cursor_u32(&c, "capabilities");
	welcome.once = cursor_bool(&c, "once");
	r = cursor_end(&c, "welcome", err);
	if (r == 0) {
		*ret = welcome;
	}
	return r;
}

void frame_add_failed(struct buf *out, uint32_t stream, const struct wire_failed *failed)
{
	struct wire_bytes text = clipped(failed->text, WIRE_MAX_TEXT);

	frame_add_header(out, FRAME_FAILED, stream, (uint32_t)(4 + 4 + 4 + text.len));
	buf_add_u32le(out, failed->stage);
	buf_add_u32le(out, failed->errnum);
	add_string(out, text);
}

int frame_get_failed(struct wire_bytes payload, struct wire_failed *ret, struct error *err)
{
	struct cursor c = cursor_on(payload);
	struct wire_failed failed = {0};
	int r;

	failed.stage = cursor_range(&c, 4, WIRE_FAIL_REQUEST, WIRE_FAIL_EXEC, "stage");
	/* 4095: MAX_ERRNO, the largest that a Linux system call can give. */
	failed.errnum = cursor_range(&c, 4, 1, 4095, "errno");
	failed.text = cursor_string(&c, WIRE_MAX_TEXT, "text");
	r = cursor_end(&c, "failed", err);
	if (r == 0) {
		*ret = failed;
	}
	return r;
}

void frame_add_output_header(
	struct buf *out, uint32_t stream, enum wire_channel channel, uint64_t offset, uint32_t len)
{
	frame_add_header(out, FRAME_OUTPUT, stream, OUTPUT_HEAD + len);
	buf_add_u8(out, (uint8_t)channel);
	buf_add_u64le(out, offset);
}

int frame_get_output(struct wire_bytes payload, enum wire_channel *ret_channel,
	uint64_t *ret_offset, struct wire_bytes *ret_data, struct error *err)
{
	struct cursor c = cursor_on(payload);
	uint32_t channel = cursor_range(&c, 1, WIRE_STDOUT, WIRE_STDERR, "channel");
	uint64_t offset = cursor_u64(&c, "offset");
	struct wire_bytes data = {.data = c.at, .len = c.left};
	int r;

	if (c.bad == NULL && (data.len == 0 || offset > UINT64_MAX - data.len)) {
		cursor_reject(&c, data.len == 0 ? "length" : "offset");
	}
	c.left = 0;
	r = cursor_end(&c, "output", err);
	if (r == 0) {
		*ret_channel = (enum wire_channel)channel;
		*ret_offset = offset;
		*ret_data = data;
	}
	return r;
}

void frame_add_credit(struct buf *out, uint32_t stream, enum wire_channel channel, uint32_t bytes)
{
	frame_add_header(out, FRAME_CREDIT, stream, 1 + 4);
	buf_add_u8(out, (uint8_t)channel);
	buf_add_u32le(out, bytes);
}

int frame_get_credit(struct wire_bytes payload, enum wire_channel *ret_channel, uint32_t *ret_bytes,
	struct error *err)
{
	struct cursor c = cursor_on(payload);
	uint32_t channel = cursor_range(&c, 1, WIRE_STDOUT, WIRE_STDERR, "channel");
	uint32_t bytes = cursor_u32(&c, "bytes");
	int r = cursor_end(&c, "credit", err);

	if (r == 0) {
		*ret_channel = (enum wire_channel)channel;
		*ret_bytes = bytes;
	}
	return r;
}

void frame_add_resize(struct buf *out, uint32_t stream, uint16_t rows, uint16_t columns)
{
	frame_add_header(out, FRAME_RESIZE, stream, 2 + 2);
	buf_add_u16le(out, rows);
	buf_add_u16le(out, columns);
}

int frame_get_resize(
	struct wire_bytes payload, uint16_t *ret_rows, uint16_t *ret_columns, struct error *err)
{
	struct cursor c = cursor_on(payload);
	uint16_t rows = cursor_u16(&c, "rows");
	uint16_t columns = cursor_u16(&c, "columns");
	int r = cursor_end(&c, "resize", err);

	if (r == 0) {
		*ret_rows = rows;
		*ret_columns = columns;
	}
	return r;
}

void frame_add_signal(
	struct buf *out, uint32_t stream, uint32_t signo, enum wire_signal_scope scope)
{
	frame_add_header(out, FRAME_SIGNAL, stream, 4 + 1);
	buf_add_u32le(out, signo);
	buf_add_u8(out, (uint8_t)scope);
}

int frame_get_signal(struct wire_bytes payload, uint32_t *ret_signo,
	enum wire_signal_scope *ret_scope, struct error *err)
{
	struct cursor c = cursor_on(payload);
	uint32_t signo = cursor_range(&c, 4, 1, WIRE_MAX_SIGNAL, "signal");
	uint32_t scope = cursor_range(&c, 1, WIRE_SIGNAL_GROUP, WIRE_SIGNAL_END, "scope");
	int r = cursor_end(&c, "signal", err);

	if (r == 0) {
		*ret_signo = signo;
		*ret_scope = (enum wire_signal_scope)scope;
	}
	return r;
}

enum { EXITED_SIZE = 4 + 4 + 1 + 8 * 4 };

static void add_exited(struct buf *out, const struct wire_exited *exited)
{
	buf_add_u32le(out, (uint32_t)exited->code);
	buf_add_u32le(out, (uint32_t)exited->signal);
	buf_add_u8(out, exited->timed_out);
	buf_add_u64le(out, exited->out_bytes);
	buf_add_u64le(out, exited->err_bytes);
	buf_add_u64le(out, exited->cpu_us);
	buf_add_u64le(out, exited->max_rss_kib);
}

/* may_run: a process that still runs has neither code nor signal. */
static struct wire_exited get_exited(struct cursor *c, bool may_run)
{
	struct wire_exited exited = {0};
	uint32_t code = cursor_u32(c, "code");

	if (code > 255 && code != UINT32_MAX) {
		cursor_reject(c, "code");
	}
	exited.code = code == UINT32_MAX ? -1 : (int32_t)code;
	exited.signal = (int32_t)cursor_range(c, 4, 0, WIRE_MAX_SIGNAL, "signal");
	exited.timed_out = cursor_bool(c, "timed out");
	exited.out_bytes = cursor_u64(c, "stdout bytes");
	exited.err_bytes = cursor_u64(c, "stderr bytes");
	exited.cpu_us = cursor_u64(c, "cpu time");
	exited.max_rss_kib = cursor_u64(c, "memory");
	if (c->bad == NULL && !may_run && (exited.code < 0) == (exited.signal == 0)) {
		cursor_reject(c, "status: a code or a signal");
	}
	return exited;
}

void frame_add_exited(struct buf *out, uint32_t stream, const struct wire_exited *exited)
{
	frame_add_header(out, FRAME_EXITED, stream, EXITED_SIZE);
	add_exited(out, exited);
}

int frame_get_exited(struct wire_bytes payload, struct wire_exited *ret, struct error *err)
{
	struct cursor c = cursor_on(payload);
	struct wire_exited exited = get_exited(&c, false);
	int r = cursor_end(&c, "exited", err);

	if (r == 0) {
		*ret = exited;
	}
	return r;
}

void frame_add_attach(struct buf *out, uint32_t stream, const struct wire_attach *attach)
{
	frame_add_header(out, FRAME_ATTACH, stream, 8 + 8 + 4 + 4 + 1);
	buf_add_u64le(out, attach->out_offset);
	buf_add_u64le(out, attach->err_offset);
	buf_add_u32le(out, attach->out_credit);
	buf_add_u32le(out, attach->err_credit);
	buf_add_u8(out, attach->follow);
}

int frame_get_attach(struct wire_bytes payload, struct wire_attach *ret, struct error *err)
{
	struct cursor c = cursor_on(payload);
	struct wire_attach attach = {0};
	int r;

	attach.out_offset = cursor_u64(&c, "stdout offset");
	attach.err_offset = cursor_u64(&c, "stderr offset");
	attach.out_credit = cursor_u32(&c, "stdout credit");
	attach.err_credit = cursor_u32(&c, "stderr credit");
	attach.follow = cursor_bool(&c, "follow");
	r = cursor_end(&c, "attach", err);
	if (r == 0) {
		*ret = attach;
	}
	return r;
}

void frame_add_process(
	struct buf *out, enum frame_kind kind, uint32_t stream, const struct wire_process *process)
{
	struct wire_bytes name = clipped(process->name, WIRE_MAX_NAME);
	struct wire_bytes tag = clipped(process->tag, WIRE_MAX_TAG);

	frame_add_header(out, kind, stream,
		(uint32_t)(4 + 4 + 1 + EXITED_SIZE + 8 * 5 + 4 + name.len + 4 + tag.len));
	buf_add_u32le(out, process->stream);
	buf_add_u32le(out, process->pid);
	buf_add_u8(out, process->running);
	add_exited(out, &process->exited);
	buf_add_u64le(out, process->out_first);
	buf_add_u64le(out, process->out_end);
	buf_add_u64le(out, process->err_first);
	buf_add_u64le(out, process->err_end);
	buf_add_u64le(out, process->started_ms);
	add_string(out, name);
	add_string(out, tag);
}

int frame_get_process(struct wire_bytes payload, struct wire_process *ret, struct error *err)
{
	struct cursor c = cursor_on(payload);
	struct wire_process process = {0};
	int r;

	process.stream = cursor_range(&c, 4, 1, UINT32_MAX, "stream");
	process.pid = cursor_u32(&c, "pid");
	process.running = cursor_bool(&c, "running");
	process.exited = get_exited(&c, process.running);
	process.out_first = cursor_u64(&c, "stdout start");
	process.out_end = cursor_u64(&c, "stdout end");
	process.err_first = cursor_u64(&c, "stderr start");
	process.err_end = cursor_u64(&c, "stderr end");
	process.started_ms = cursor_u64(&c, "start time");
	process.name = cursor_string(&c, WIRE_MAX_NAME, "name");
	process.tag = cursor_string(&c, WIRE_MAX_TAG, "tag");
	if (c.bad == NULL &&
		(process.out_end < process.out_first || process.err_end < process.err_first)) {
		cursor_reject(&c, "ring: the end is before the start");
	}
	r = cursor_end(&c, "process", err);
	if (r == 0) {
		*ret = process;
	}
	return r;
}

/* What all strings of a list take in a frame, or -E2BIG / -EINVAL. entry_is_env: NAME=value. */
static int measure_list(
	const char *const *list, bool entry_is_env, size_t *count, size_t *bytes, struct error *err)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
		const char *equals = strchr(list[i], '=');

		if (entry_is_env && (equals == NULL || equals == list[i])) {
			return error_plain(
				err, EINVAL, "environment entry %zu is not NAME=value", i);
		}
		*count += 1;
		*bytes += 4 + strlen(list[i]);
		if (*count > LIMIT_SPAWN_STRINGS) {
			return error_plain(err, E2BIG,
				"the command and its environment have more than %d strings",
				LIMIT_SPAWN_STRINGS);
		}
		if (*bytes > LIMIT_SPAWN_BYTES) {
			return error_plain(err, E2BIG,
				"the command and its environment are over %d bytes; pass long text "
				"through stdin or a file",
				LIMIT_SPAWN_BYTES);
		}
	}
	return 0;
}

static void add_list(struct buf *out, const char *const *list)
{
	uint32_t count = 0;

	while (list != NULL && list[count] != NULL) {
		count++;
	}
	buf_add_u32le(out, count);
	for (uint32_t i = 0; i < count; i++) {
		size_t len = strlen(list[i]);

		add_string(out, (struct wire_bytes){(const uint8_t *)list[i], len});
	}
}

enum { SPAWN_FIXED = 4 * 3 + 2 * 2 + 4 * 4, SPAWN_RLIMIT = 4 + 8 + 8 };

static int check_spawn(const struct wire_spawn *spawn, struct error *err)
{
	if (spawn->argv == NULL || spawn->argv[0] == NULL) {
		return error_plain(err, EINVAL, "there is no command to run");
	}
	if ((spawn->flags & ~(uint32_t)WIRE_SPAWN_FLAGS_) != 0) {
		return error_plain(err, EINVAL, "unknown spawn flags 0x%x", spawn->flags);
	}
	if (spawn->ring_bytes > LIMIT_RING_MAX) {
		return error_plain(err, E2BIG, "an output ring of %u bytes is over the limit of %d",
			spawn->ring_bytes, LIMIT_RING_MAX);
	}
	if (spawn->rlimit_count > WIRE_MAX_RLIMITS) {
		return error_plain(err, E2BIG,
			"%zu resource limits are over the %d that one "
			"command can have",
			spawn->rlimit_count, WIRE_MAX_RLIMITS);
	}
	if (spawn->tag != NULL && strlen(spawn->tag) > WIRE_MAX_TAG) {
		return error_plain(err, E2BIG, "a tag of %zu bytes is over the limit of %d",
			strlen(spawn->tag), WIRE_MAX_TAG);
	}
	return 0;
}

int frame_add_spawn(
	struct buf *out, uint32_t stream, const struct wire_spawn *spawn, struct error *err)
{
	const char *cwd = spawn->cwd != NULL ? spawn->cwd : "";
	const char *tag = spawn->tag != NULL ? spawn->tag : "";
	size_t count = 0, bytes = strlen(cwd) + 4;
	int r = check_spawn(spawn, err);

	if (r == 0) {
		r = measure_list(spawn->argv, false, &count, &bytes, err);
	}
	if (r == 0) {
		r = measure_list(spawn->env, true, &count, &bytes, err);
	}
	if (r < 0) {
		return r;
	}
	if (bytes > LIMIT_SPAWN_BYTES) {
		return error_plain(err, E2BIG, "the working directory's name is over %d bytes",
			LIMIT_SPAWN_BYTES);
	}
	bytes += SPAWN_FIXED + 4 + spawn->rlimit_count * SPAWN_RLIMIT + 4 + 4 + 4 + strlen(tag);
	frame_add_header(out, FRAME_SPAWN, stream, (uint32_t)bytes);
	buf_add_u32le(out, spawn->flags);
	buf_add_u32le(out, spawn->uid);
	buf_add_u32le(out, spawn->gid);
	buf_add_u16le(out, spawn->rows);
	buf_add_u16le(out, spawn->columns);
	buf_add_u32le(out, spawn->ring_bytes);
	buf_add_u32le(out, spawn->timeout_ms);
	buf_add_u32le(out, spawn->grace_ms);
	buf_add_u32le(out, spawn->credit);
	buf_add_u32le(out, (uint32_t)spawn->rlimit_count);
	for (size_t i = 0; i < spawn->rlimit_count; i++) {
		buf_add_u32le(out, spawn->rlimits[i].resource);
		buf_add_u64le(out, spawn->rlimits[i].soft);
		buf_add_u64le(out, spawn->rlimits[i].hard);
	}
	add_string(out, (struct wire_bytes){(const uint8_t *)cwd, strlen(cwd)});
	add_list(out, spawn->argv);
	add_list(out, spawn->env);
	add_string(out, (struct wire_bytes){(const uint8_t *)tag, strlen(tag)});
	return 0;
}

static const struct wire_rlimit *get_rlimits(struct cursor *c, struct arena *arena, size_t *ret)
{
	uint32_t count = cursor_range(c, 4, 0, WIRE_MAX_RLIMITS, "number of limits");
	struct wire_rlimit *list = arena_calloc(arena, count + 1, sizeof(*list));

	for (uint32_t i = 0; i < count && c->bad == NULL; i++) {
		/* 15: RLIMIT_RTTIME, the last that Linux has. */
		list[i].resource = cursor_range(c, 4, 0, 15, "limit");
		list[i].soft = cursor_u64(c, "soft limit");
		list[i].hard = cursor_u64(c, "hard limit");
		if (list[i].soft > list[i].hard) {
			cursor_reject(c, "limit: soft over hard");
		}
	}
	*ret = count;
	return list;
}

static const char *const *get_list(
	struct cursor *c, struct arena *arena, size_t *strings, const char *field)
{
	uint32_t count = cursor_range(c, 4, 0, LIMIT_SPAWN_STRINGS, field);
	const char **list;

	/* Each string takes four bytes or more: a count that cannot fit allocates nothing. */
	if (count > c->left / 4 || count > LIMIT_SPAWN_STRINGS - *strings) {
		cursor_reject(c, field);
		count = 0;
	}
	*strings += count;
	list = arena_calloc(arena, count + 1, sizeof(*list));
	for (uint32_t i = 0; i < count && c->bad == NULL; i++) {
		struct wire_bytes text = cursor_string(c, LIMIT_SPAWN_BYTES, field);

		if (text.data != NULL) {
			list[i] = arena_strndup(arena, (const char *)text.data, text.len);
		}
	}
	return list;
}

static bool env_is_sound(const char *const *env)
{
	for (size_t i = 0; env[i] != NULL; i++) {
		const char *equals = strchr(env[i], '=');

		if (equals == NULL || equals == env[i]) {
			return false;
		}
	}
	return true;
}

int frame_get_spawn(
	struct wire_bytes payload, struct arena *arena, struct wire_spawn *ret, struct error *err)
{
	struct cursor c = cursor_on(payload);
	struct wire_spawn spawn = {0};
	struct wire_bytes cwd, tag;
	size_t strings = 0;
	int r;

	spawn.flags = cursor_range(&c, 4, 0, WIRE_SPAWN_FLAGS_, "flags");
	spawn.uid = cursor_u32(&c, "uid");
	spawn.gid = cursor_u32(&c, "gid");
	spawn.rows = cursor_u16(&c, "rows");
	spawn.columns = cursor_u16(&c, "columns");
	spawn.ring_bytes = cursor_range(&c, 4, 0, LIMIT_RING_MAX, "ring size");
	spawn.timeout_ms = cursor_u32(&c, "timeout");
	spawn.grace_ms = cursor_u32(&c, "grace");
	spawn.credit = cursor_u32(&c, "credit");
	spawn.rlimits = get_rlimits(&c, arena, &spawn.rlimit_count);
	if (c.left > LIMIT_SPAWN_BYTES + 8 + 4 + WIRE_MAX_TAG) {
		cursor_reject(&c, "size of the command and its environment");
	}
	cwd = cursor_string(&c, LIMIT_SPAWN_BYTES, "working directory");
	if (cwd.len > 0) {
		spawn.cwd = arena_strndup(arena, (const char *)cwd.data, cwd.len);
	}
	spawn.argv = get_list(&c, arena, &strings, "command");
	if (spawn.argv[0] == NULL) {
		cursor_reject(&c, "command");
	}
	spawn.env = get_list(&c, arena, &strings, "environment");
	if (c.bad == NULL && !env_is_sound(spawn.env)) {
		cursor_reject(&c, "environment");
	}
	tag = cursor_string(&c, WIRE_MAX_TAG, "tag");
	if (tag.len > 0) {
		spawn.tag = arena_strndup(arena, (const char *)tag.data, tag.len);
	}
	r = cursor_end(&c, "spawn", err);
	if (r == 0) {
		*ret = spawn;
	}
	return r;
}
