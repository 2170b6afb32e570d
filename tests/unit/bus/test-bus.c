/* SPDX-License-Identifier: MIT */
/* The codec between broker and front: every kind there and back, every cut, every bit flip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "bus/bus.h"

static const enum bus_kind all_kinds[] = {
	BUS_ACQUIRE,
	BUS_ELEVATE,
	BUS_ASK,
	BUS_CANCEL,
	BUS_RELEASE,
	BUS_AUDIT,
	BUS_PONG,
	BUS_READY,
	BUS_BUSY,
	BUS_REPLY,
	BUS_FAILURE,
	BUS_EVENT,
	BUS_SETTINGS,
	BUS_FORGET,
	BUS_DROP,
	BUS_PING,
	BUS_STOP,
};

static struct wire_bytes bytes_of(const struct buf *b)
{
	return (struct wire_bytes){(const uint8_t *)b->data, b->len};
}

/* A message of a kind with every field that it may have. */
static void fill(enum bus_kind kind, struct bus_message *ret)
{
	static const char *const texts[] = {"a", "", "longer text", "{\"x\":1}"};

	*ret = (struct bus_message){.kind = kind, .id = 7, .flags = BUS_LOCAL | BUS_HELD};
	for (size_t i = 0; i < BUS_FIELD_COUNT_; i++) {
		_cleanup_buf_ struct buf out = {0};
		struct bus_message probe = {.kind = kind};
		struct error err;

		bus_set(&probe, (enum bus_field)i, "x");
		if (bus_encode(&out, &probe, &err) == 0) {
			bus_set(ret, (enum bus_field)i, texts[i % ARRAY_SIZE(texts)]);
		} else {
			assert_int_equal(out.len, 0);
		}
	}
}

static void assert_same(const struct bus_message *a, const struct bus_message *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->id, b->id);
	assert_int_equal(a->flags, b->flags);
	for (size_t i = 0; i < BUS_FIELD_COUNT_; i++) {
		assert_int_equal(a->fields[i].data == NULL, b->fields[i].data == NULL);
		assert_int_equal(a->fields[i].len, b->fields[i].len);
		if (a->fields[i].len > 0) {
			assert_memory_equal(a->fields[i].data, b->fields[i].data, a->fields[i].len);
		}
	}
}

static void every_kind_comes_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all_kinds); i++) {
		_cleanup_buf_ struct buf packet = {0};
		struct bus_message sent, came;
		struct error err;

		fill(all_kinds[i], &sent);
		assert_int_equal(bus_encode(&packet, &sent, &err), 0);
		assert_int_equal(bus_decode(bytes_of(&packet), &came, &err), 0);
		assert_same(&sent, &came);
	}
}

static void absent_is_not_empty(void **state)
{
	struct bus_message sent = {.kind = BUS_FAILURE}, came;
	_cleanup_buf_ struct buf packet = {0};
	_cleanup_free_ char *empty = NULL;
	struct error err;

	(void)state;
	bus_set(&sent, BUS_TYPE, "");
	assert_int_equal(bus_encode(&packet, &sent, &err), 0);
	assert_int_equal(bus_decode(bytes_of(&packet), &came, &err), 0);
	empty = bus_take(&came, BUS_TYPE);
	assert_string_equal(empty, "");
	assert_null(bus_take(&came, BUS_MESSAGE));
}

/* A packet cut anywhere, and one with a byte too many, is refused. */
static void every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all_kinds); i++) {
		_cleanup_buf_ struct buf packet = {0};
		struct bus_message sent, came;
		struct error err;

		fill(all_kinds[i], &sent);
		assert_int_equal(bus_encode(&packet, &sent, &err), 0);
		for (size_t cut = 0; cut < packet.len; cut++) {
			/* On the heap and exact, so that a sanitizer sees a byte too far. */
			uint8_t *copy = xmalloc(cut + 1);

			memcpy(copy, packet.data, cut);
			copy = xreallocarray(copy, cut > 0 ? cut : 1, 1);
			assert_int_equal(
				bus_decode((struct wire_bytes){copy, cut}, &came, &err), -EPROTO);
			free(copy);
		}
		buf_add_u8(&packet, 0);
		assert_int_equal(bus_decode(bytes_of(&packet), &came, &err), -EPROTO);
	}
}

/* Each flipped bit gives a refusal, or a message that encodes to these very bytes. */
static void every_bit_flip(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all_kinds); i++) {
		_cleanup_buf_ struct buf packet = {0};
		struct bus_message sent, came;
		struct error err;

		fill(all_kinds[i], &sent);
		assert_int_equal(bus_encode(&packet, &sent, &err), 0);
		for (size_t bit = 0; bit < packet.len * 8; bit++) {
			_cleanup_buf_ struct buf again = {0};

			packet.data[bit / 8] = (char)(packet.data[bit / 8] ^ (1 << (bit % 8)));
			if (bus_decode(bytes_of(&packet), &came, &err) == 0) {
				assert_int_equal(bus_encode(&again, &came, &err), 0);
				assert_int_equal(again.len, packet.len);
				assert_memory_equal(again.data, packet.data, packet.len);
			}
			packet.data[bit / 8] = (char)(packet.data[bit / 8] ^ (1 << (bit % 8)));
		}
	}
}

static void limits_hold(void **state)
{
	_cleanup_free_ char *big = xmalloc(BUS_JSON_MAX + 2);
	struct bus_message sent = {.kind = BUS_ASK}, came;
	_cleanup_buf_ struct buf packet = {0};
	struct error err;

	(void)state;
	memset(big, 'x', BUS_JSON_MAX + 1);
	big[BUS_JSON_MAX + 1] = '\0';
	bus_set(&sent, BUS_JSON, big);
	assert_int_equal(bus_encode(&packet, &sent, &err), -E2BIG);
	assert_int_equal(packet.len, 0);
	big[BUS_JSON_MAX] = '\0';
	bus_set(&sent, BUS_JSON, big);
	assert_int_equal(bus_encode(&packet, &sent, &err), 0);
	assert_int_equal(bus_decode(bytes_of(&packet), &came, &err), 0);
	assert_int_equal(came.fields[BUS_JSON].len, BUS_JSON_MAX);
}

static void nul_is_no_text(void **state)
{
	struct bus_message sent = {.kind = BUS_ELEVATE}, came;
	_cleanup_buf_ struct buf packet = {0};
	struct error err;

	(void)state;
	sent.fields[BUS_SPAWN] = (struct wire_bytes){(const uint8_t *)"a\0b", 3};
	assert_int_equal(bus_encode(&packet, &sent, &err), 0);
	assert_int_equal(bus_decode(bytes_of(&packet), &came, &err), 0);
	assert_int_equal(came.fields[BUS_SPAWN].len, 3);
	buf_clear(&packet);
	sent.fields[BUS_AGENT] = (struct wire_bytes){(const uint8_t *)"a\0b", 3};
	assert_int_equal(bus_encode(&packet, &sent, &err), -EINVAL);
}

static void unknown_kinds(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 256; kind++) {
		_cleanup_buf_ struct buf packet = {0};
		struct bus_message came;
		struct error err;
		bool known = false;

		for (size_t i = 0; i < ARRAY_SIZE(all_kinds); i++) {
			known = known || (unsigned)all_kinds[i] == kind;
		}
		buf_add_u16le(&packet, (uint16_t)kind);
		buf_add_u16le(&packet, 0);
		buf_add_u32le(&packet, 1);
		if (!known) {
			assert_int_equal(bus_decode(bytes_of(&packet), &came, &err), -EPROTO);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_comes_back),
		cmocka_unit_test(absent_is_not_empty),
		cmocka_unit_test(every_cut),
		cmocka_unit_test(every_bit_flip),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(nul_is_no_text),
		cmocka_unit_test(unknown_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
