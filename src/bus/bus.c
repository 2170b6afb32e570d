/* SPDX-License-Identifier: MIT */
/* The codec: which fields a kind has, and how long each may be. */
#include "bus/bus.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "base/mem.h"
#include "wire/cursor.h"

enum { ABSENT = -1, KINDS = 64 };

static const struct {
	const char *name;
	size_t max;
} fields[BUS_FIELD_COUNT_] = {
	[BUS_TOKEN] = {"token", 4096},
	[BUS_TRANSPORT] = {"transport", 16},
	[BUS_MODEL] = {"model", 256},
	[BUS_SENDER_PROVIDER] = {"sender's channel", 256},
	[BUS_SENDER_ID] = {"sender's id", 256},
	[BUS_SENDER_NAME] = {"sender's name", 256},
	[BUS_SENDER_USERNAME] = {"sender's user name", 256},
	[BUS_SENDER_TAG] = {"sender's tag", 256},
	[BUS_SENDER_E164] = {"sender's number", 256},
	[BUS_SENDER_FROM] = {"sender's address", 256},
	[BUS_AGENT] = {"agent", LIMIT_NAME_BYTES},
	[BUS_SESSION] = {"session", LIMIT_NAME_BYTES},
	[BUS_TOOL] = {"tool", 256},
	[BUS_WORKSPACE] = {"workspace", 4096},
	[BUS_CONTROL] = {"browser's address", 2048},
	[BUS_OP] = {"operation", 64},
	[BUS_NAME] = {"name", 256},
	[BUS_TYPE] = {"type", 64},
	[BUS_MESSAGE] = {"message", 8192},
	[BUS_HINT] = {"hint", 2048},
	[BUS_SPAWN] = {"spawn", BUS_SPAWN_MAX},
	[BUS_JSON] = {"json", BUS_JSON_MAX},
};

#define BIT(field) (UINT32_C(1) << (field))
#define CALLER                                                                             \
	(BIT(BUS_TOKEN) | BIT(BUS_TRANSPORT) | BIT(BUS_MODEL) | BIT(BUS_SENDER_PROVIDER) | \
		BIT(BUS_SENDER_ID) | BIT(BUS_SENDER_NAME) | BIT(BUS_SENDER_USERNAME) |     \
		BIT(BUS_SENDER_TAG) | BIT(BUS_SENDER_E164) | BIT(BUS_SENDER_FROM))
#define SESSION (BIT(BUS_AGENT) | BIT(BUS_SESSION))

/* Bit KNOWN tells a kind without fields from one that is none. */
#define KNOWN BIT(31)
static const uint32_t kinds[KINDS] = {
	[BUS_ACQUIRE] =
		KNOWN | CALLER | SESSION | BIT(BUS_TOOL) | BIT(BUS_WORKSPACE) | BIT(BUS_CONTROL),
	[BUS_ELEVATE] = KNOWN | CALLER | SESSION | BIT(BUS_SPAWN),
	[BUS_ASK] = KNOWN | CALLER | BIT(BUS_OP) | BIT(BUS_JSON),
	[BUS_CANCEL] = KNOWN,
	[BUS_RELEASE] = KNOWN | BIT(BUS_NAME),
	[BUS_AUDIT] = KNOWN | CALLER | SESSION | BIT(BUS_NAME) | BIT(BUS_JSON),
	[BUS_PONG] = KNOWN,
	[BUS_READY] = KNOWN,
	[BUS_BUSY] = KNOWN | BIT(BUS_NAME),
	[BUS_REPLY] = KNOWN | BIT(BUS_JSON),
	[BUS_FAILURE] = KNOWN | BIT(BUS_TYPE) | BIT(BUS_MESSAGE) | BIT(BUS_HINT),
	[BUS_EVENT] = KNOWN | BIT(BUS_NAME) | BIT(BUS_JSON),
	[BUS_SETTINGS] = KNOWN | BIT(BUS_JSON),
	[BUS_FORGET] = KNOWN | BIT(BUS_SESSION) | BIT(BUS_NAME),
	[BUS_DROP] = KNOWN | BIT(BUS_NAME),
	[BUS_PING] = KNOWN,
	[BUS_STOP] = KNOWN,
};

static bool has_field(uint32_t kind, size_t field)
{
	return (kinds[kind] & BIT(field)) != 0;
}

void bus_set(struct bus_message *message, enum bus_field field, const char *text)
{
	message->fields[field] = (struct wire_bytes){
		.data = (const uint8_t *)text,
		.len = text != NULL ? strlen(text) : 0,
	};
}

char *bus_take(const struct bus_message *message, enum bus_field field)
{
	const struct wire_bytes *bytes = &message->fields[field];

	return bytes->data != NULL ? xstrndup((const char *)bytes->data, bytes->len) : NULL;
}

/* SPAWN is a frame's payload, not a text. */
static bool is_text(size_t field)
{
	return field != BUS_SPAWN;
}

static int check(const struct bus_message *message, struct error *err)
{
	size_t total = 8;

	if ((unsigned)message->kind >= KINDS || kinds[message->kind] == 0 ||
		(message->flags & ~(uint32_t)BUS_FLAGS_) != 0) {
		return error_plain(err, EINVAL, "a message of unknown kind");
	}
	for (size_t i = 0; i < BUS_FIELD_COUNT_; i++) {
		const struct wire_bytes *bytes = &message->fields[i];

		total += has_field(message->kind, i) ? 4 + bytes->len : 0;
		if (bytes->data == NULL) {
			continue;
		}
		if (!has_field(message->kind, i) ||
			(is_text(i) && bytes->len > 0 &&
				memchr(bytes->data, '\0', bytes->len) != NULL)) {
			return error_plain(err, EINVAL, "the %s cannot be sent", fields[i].name);
		}
		if (bytes->len > fields[i].max) {
			return error_plain(err, E2BIG,
				"the %s is %zu bytes long; at most %zu are taken", fields[i].name,
				bytes->len, fields[i].max);
		}
	}
	if (total > BUS_MESSAGE_MAX) {
		return error_plain(err, E2BIG,
			"the request is %zu bytes long; at most %d are taken", total,
			BUS_MESSAGE_MAX);
	}
	return 0;
}

int bus_encode(struct buf *out, const struct bus_message *message, struct error *err)
{
	int r = check(message, err);

	if (r < 0) {
		return r;
	}
	buf_add_u16le(out, (uint16_t)message->kind);
	buf_add_u16le(out, (uint16_t)message->flags);
	buf_add_u32le(out, message->id);
	for (size_t i = 0; i < BUS_FIELD_COUNT_; i++) {
		const struct wire_bytes *bytes = &message->fields[i];

		if (!has_field(message->kind, i)) {
			continue;
		}
		buf_add_u32le(out, bytes->data != NULL ? (uint32_t)bytes->len : (uint32_t)ABSENT);
		buf_add(out, bytes->data, bytes->len);
	}
	return 0;
}

static struct wire_bytes get_field(struct cursor *c, size_t field)
{
	const char *name = fields[field].name;
	uint32_t len = cursor_u32(c, name);
	const uint8_t *at;

	if (c->bad != NULL || len == (uint32_t)ABSENT) {
		return (struct wire_bytes){0};
	}
	if (len > fields[field].max) {
		cursor_reject(c, name);
	}
	at = cursor_raw(c, len, name);
	if (at != NULL && is_text(field) && len > 0 && memchr(at, '\0', len) != NULL) {
		cursor_reject(c, name);
	}
	return c->bad == NULL ? (struct wire_bytes){at, len} : (struct wire_bytes){0};
}

int bus_decode(struct wire_bytes packet, struct bus_message *ret, struct error *err)
{
	struct cursor c = cursor_on(packet);
	struct bus_message message = {0};
	uint32_t kind = cursor_range(&c, 2, 0, KINDS - 1, "kind");
	int r;

	if (kinds[kind] == 0) {
		cursor_reject(&c, "kind");
	}
	message.kind = (enum bus_kind)kind;
	message.flags = cursor_range(&c, 2, 0, BUS_FLAGS_, "flags");
	message.id = cursor_u32(&c, "id");
	for (size_t i = 0; i < BUS_FIELD_COUNT_; i++) {
		if (has_field(kind, i)) {
			message.fields[i] = get_field(&c, i);
		}
	}
	r = packet.len > BUS_MESSAGE_MAX ? error_plain(err, EPROTO, "a message over the limit")
					 : cursor_end(&c, "bus", err);
	if (r == 0) {
		*ret = message;
	}
	return r;
}
