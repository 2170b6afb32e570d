/* SPDX-License-Identifier: MIT */
/* The DevTools protocol's messages and the WebSocket below them, against a scripted browser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "browser/cdp.h"
#include "browser/ws.h"

struct seen {
	struct buf sent;
	int answers, errors, events, messages;
	char last[200];
};

static void on_send(void *arg, const char *text, size_t len)
{
	struct seen *seen = arg;

	buf_add(&seen->sent, text, len);
}

static void on_event(void *arg, const char *session, const char *method, const json_t *params)
{
	struct seen *seen = arg;

	(void)params;
	seen->events++;
	(void)snprintf(seen->last, sizeof(seen->last), "%s/%s", session, method);
}

static void on_done(void *arg, const json_t *result, const char *error)
{
	struct seen *seen = arg;

	assert_true((result != NULL) != (error != NULL));
	seen->answers += result != NULL;
	seen->errors += error != NULL;
	(void)snprintf(seen->last, sizeof(seen->last), "%s", error != NULL ? error : "result");
}

static const struct cdp_ops cdp_ops = {.send = on_send, .event = on_event};

static int say(struct cdp *cdp, const char *text)
{
	struct error err;

	return cdp_receive(cdp, text, strlen(text), &err);
}

static void commands_and_events(void **state)
{
	struct seen seen = {0};
	struct cdp *cdp = cdp_new(&cdp_ops, &seen);
	uint32_t id;

	(void)state;
	id = cdp_command(cdp, "S", "A.b", json_pack("{s:i}", "x", 1), on_done, &seen);
	assert_int_equal(id, 1);
	assert_string_equal(seen.sent.data,
		"{\"method\":\"A.b\",\"id\":1,\"sessionId\":\"S\",\"params\":{\"x\":1}}");
	assert_int_equal(say(cdp, "{\"id\":1,\"result\":{}}"), 0);
	assert_int_equal(say(cdp, "{\"id\":1,\"result\":{}}"), 0); /* again: nobody asked */
	assert_int_equal(seen.answers, 1);
	(void)cdp_command(cdp, "", "A.c", NULL, on_done, &seen);
	assert_int_equal(say(cdp, "{\"id\":2,\"error\":{\"message\":\"no\"}}"), 0);
	assert_string_equal(seen.last, "no");
	(void)cdp_command(cdp, "S", "A.d", NULL, on_done, &seen);
	(void)cdp_command(cdp, "T", "A.e", NULL, on_done, &seen);
	cdp_session_gone(cdp, "S");
	assert_int_equal(seen.errors, 2);
	assert_int_equal(say(cdp, "{\"method\":\"X.y\",\"params\":{},\"sessionId\":\"T\"}"), 0);
	assert_string_equal(seen.last, "T/X.y");
	id = cdp_command(cdp, "T", "A.f", NULL, on_done, &seen);
	cdp_forget(cdp, id);
	cdp = cdp_free(cdp, "over");
	assert_int_equal(seen.errors, 3);
	assert_string_equal(seen.last, "over");
	buf_finish(&seen.sent);
}

static void nonsense(void **state)
{
	static const char *const harmless[] = {"{}", "{\"id\":-1}", "{\"id\":99999999999}",
		"{\"id\":7,\"result\":{}}", "{\"method\":1}", "{\"id\":\"1\"}",
		"{\"id\":1,\"result\":3}"};
	static const char *const deadly[] = {"", "[]", "1", "{", "\"x\"", "{\"a\":1}x", "\xff"};
	struct seen seen = {0};
	struct cdp *cdp = cdp_new(&cdp_ops, &seen);

	(void)state;
	(void)cdp_command(cdp, "", "A.b", NULL, on_done, &seen);
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		assert_int_equal(say(cdp, harmless[i]), 0);
	}
	assert_int_equal(seen.answers, 1);
	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
		assert_int_equal(say(cdp, deadly[i]), -EPROTO);
	}
	cdp = cdp_free(cdp, "over");
	buf_finish(&seen.sent);
}

/* --- the WebSocket --- */

static void on_ws_send(void *arg, const void *data, size_t len)
{
	struct seen *seen = arg;

	buf_add(&seen->sent, data, len);
}

static void on_message(void *arg, const char *text, size_t len)
{
	struct seen *seen = arg;

	seen->messages++;
	assert_true(len < sizeof(seen->last));
	memcpy(seen->last, text, len);
	seen->last[len] = '\0';
}

static const struct ws_ops ws_ops = {.send = on_ws_send, .message = on_message};

static struct ws *ws_start(struct seen *seen)
{
	struct ws *ws = NULL;
	struct error err;

	if (ws_new("/p", "h:1", &ws_ops, seen, &ws, &err) < 0) {
		fail_msg("%s", err.text);
	}
	assert_non_null(strstr(seen->sent.data, "GET /p HTTP/1.1\r\nHost: h:1\r\n"));
	assert_null(strstr(seen->sent.data, "Origin"));
	return ws;
}

static void a_websocket_byte_by_byte(void **state)
{
	static const char answer[] =
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
		"\x81\x02hi\x01\x01"
		"a\x80\x01"
		"b\x89\x01p";
	struct seen seen = {0};
	struct ws *ws = ws_start(&seen);
	struct error err;
	size_t before;

	(void)state;
	assert_int_equal(ws_send(ws, "early", 5, &err), 0);
	before = seen.sent.len;
	for (size_t i = 0; i < sizeof(answer) - 1; i++) {
		assert_int_equal(ws_receive(ws, answer + i, 1, &err), 0);
	}
	assert_true(ws_is_open(ws));
	assert_int_equal(seen.messages, 2);
	assert_string_equal(seen.last, "ab"); /* two fragments, one message */
	/* "early", masked, and a pong. */
	assert_int_equal(seen.sent.len - before, 6 + 5 + 6 + 1);
	ws = ws_free(ws);
	buf_finish(&seen.sent);
}

static void no_websocket(void **state)
{
	static const char *const answers[] = {"HTTP/1.1 404 Not Found\r\n\r\n",
		"HTTP/1.1 101 x\r\n\r\n\xf1\x01x", "HTTP/1.1 101 x\r\n\r\n\x88\x02\x03\xe8",
		/* A message of 2^62 bytes. */
		"HTTP/1.1 101 x\r\n\r\n\x81\x7f\x40\x01\x01\x01\x01\x01\x01\x01\x01"};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct seen seen = {0};
		struct ws *ws = ws_start(&seen);
		struct error err;

		if (ws_receive(ws, answers[i], strlen(answers[i]), &err) != -EPROTO) {
			fail_msg("answer %zu was taken", i);
		}
		assert_false(ws_is_open(ws));
		assert_int_equal(ws_send(ws, "x", 1, &err), -EPROTO);
		assert_int_equal(ws_receive(ws, "x", 1, &err), -EPROTO);
		ws = ws_free(ws);
		buf_finish(&seen.sent);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_and_events),
		cmocka_unit_test(nonsense),
		cmocka_unit_test(a_websocket_byte_by_byte),
		cmocka_unit_test(no_websocket),
	};

	return cmocka_run_group_tests_name("browser cdp", tests, NULL, NULL);
}
