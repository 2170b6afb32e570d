/* SPDX-License-Identifier: MIT */
/* Every decoder of the frame codec: the input is a stream of frames. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_spawn(struct wire_bytes payload)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_buf_ struct buf again = {0};
	struct wire_spawn spawn;
	struct error err;

	if (frame_get_spawn(payload, &arena, &spawn, &err) == 0) {
		/* What was accepted is within the limits, so it can be sent on. */
		assert(frame_add_spawn(&again, 1, &spawn, &err) == 0);
		assert(again.len == FRAME_HEADER_SIZE + payload.len);
	}
}

static void decode_all(struct wire_bytes payload)
{
	enum wire_channel channel;
	enum wire_signal_scope scope;
	struct wire_hello hello;
	struct wire_welcome welcome;
	struct wire_failed failed;
	struct wire_exited exited;
	struct wire_attach attach;
	struct wire_process process;
	struct wire_bytes bytes;
	uint64_t u64;
	uint32_t u32;
	uint16_t rows, columns;
	struct error err;

	(void)frame_get_empty(payload, &err);
	(void)frame_get_u32(payload, &u32, &err);
	(void)frame_get_u64(payload, &u64, &err);
	if (frame_get_string(payload, &bytes, &err) == 0) {
		assert(bytes.len <= WIRE_MAX_TEXT);
	}
	(void)frame_get_hello(payload, &hello, &err);
	(void)frame_get_welcome(payload, &welcome, &err);
	if (frame_get_failed(payload, &failed, &err) == 0) {
		assert(failed.errnum > 0 && failed.text.len <= WIRE_MAX_TEXT);
	}
	if (frame_get_output(payload, &channel, &u64, &bytes, &err) == 0) {
		assert(bytes.len > 0 && u64 + bytes.len > u64);
	}
	(void)frame_get_credit(payload, &channel, &u32, &err);
	(void)frame_get_resize(payload, &rows, &columns, &err);
	if (frame_get_signal(payload, &u32, &scope, &err) == 0) {
		assert(u32 >= 1 && u32 <= WIRE_MAX_SIGNAL);
	}
	if (frame_get_exited(payload, &exited, &err) == 0) {
		assert((exited.code >= 0) != (exited.signal > 0));
	}
	(void)frame_get_attach(payload, &attach, &err);
	if (frame_get_process(payload, &process, &err) == 0) {
		assert(process.out_first <= process.out_end && process.name.len <= WIRE_MAX_NAME);
	}
	check_spawn(payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_header header;
	struct error err;

	while (frame_peek(data, size, &header, &err) == 1) {
		assert(header.length <= LIMIT_FRAME_PAYLOAD);
		decode_all((struct wire_bytes){data + FRAME_HEADER_SIZE, header.length});
		data += FRAME_HEADER_SIZE + header.length;
		size -= FRAME_HEADER_SIZE + header.length;
	}
	return 0;
}
