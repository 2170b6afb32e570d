/* SPDX-License-Identifier: MIT */
/* The pure parts of MCP, and the engine against messages that are broken in every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/own.h"
#include "gateway/mcp-lines.h"
#include "gateway/mcp-rpc.h"
#include "gateway/mcp-uri.h"
#include "gateway/mcp.h"
#include "mcp-core.h"

/* --- URIs --- */

static void test_uri_there_and_back(void **state)
{
	static const char *const paths[] = {"a", "a b", "src/main.c", "%41", "?#[]", "\xc3\xa9",
		"~x", "@y", "a..b", "...", "x\ny", "\"<>\\^`{|}"};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		_cleanup_buf_ struct buf uri = {0}, back = {0};
		struct error err;

		mcp_uri_add(&uri, paths[i]);
		assert_int_equal(strspn(uri.data, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
						  "WXYZ0123456789-._~/!$&'()*+,;=:@%"),
			uri.len);
		assert_int_equal(mcp_uri_parse(uri.data, &back, &err), 0);
		assert_string_equal(back.data, paths[i]);
	}
}

static void test_uri_refused(void **state)
{
	static const char *const uris[] = {"", "workspace:", "workspace://", "workspace:///",
		"workspace:////etc/passwd", "workspace:///..", "workspace:///a/../b",
		"workspace:///%2e%2e/x", "workspace:///a//b", "workspace:///a/", "workspace:///./a",
		"workspace:///a%00b", "workspace:///a%", "workspace:///a%4", "workspace:///a%zz",
		"workspace:///a?b", "workspace:///a#b", "workspace:///%ff", "workspace:///%2Fetc",
		"WORKSPACE:///a", "file:///a", "workspace://host/a", " workspace:///a"};

	(void)state;
	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
		_cleanup_buf_ struct buf path = {0};
		struct error err;

		if (mcp_uri_parse(uris[i], &path, &err) != -EINVAL || path.len > 0) {
			fail_msg("'%s' was taken", uris[i]);
		}
	}
}

/* --- lines --- */

static void expect_line(struct mcp_lines *lines, const char *wanted)
{
	const char *line = NULL;
	size_t len = 0;

	assert_int_equal(mcp_lines_next(lines, &line, &len), MCP_LINE);
	assert_int_equal(len, strlen(wanted));
	assert_memory_equal(line, wanted, len);
}

static void expect_no_line(struct mcp_lines *lines)
{
	const char *line;
	size_t len;

	assert_int_equal(mcp_lines_next(lines, &line, &len), MCP_LINE_NONE);
}

static void test_lines_in_any_pieces(void **state)
{
	static const char text[] = "one\n\n \t\r\ntwo\r\nthree\nrest";

	(void)state;
	for (size_t piece = 1; piece <= sizeof(text); piece++) {
		struct mcp_lines lines = {0};
		static const char *const wanted[] = {"one", "two\r", "three"};
		size_t found = 0;

		for (size_t at = 0; at < strlen(text); at += piece) {
			size_t left = strlen(text) - at;
			const char *line;
			size_t len;

			mcp_lines_add(&lines, text + at, left < piece ? left : piece);
			while (mcp_lines_next(&lines, &line, &len) == MCP_LINE) {
				assert_true(found < 3);
				assert_int_equal(len, strlen(wanted[found]));
				assert_memory_equal(line, wanted[found], len);
				found++;
			}
		}
		assert_int_equal(found, 3);
		mcp_lines_finish(&lines);
	}
}

static void test_line_too_long(void **state)
{
	struct mcp_lines lines = {0};
	_cleanup_free_ char *chunk = xmalloc(1024 * 1024);
	const char *line;
	size_t len;
	unsigned refused = 0;

	(void)state;
	memset(chunk, 'x', 1024 * 1024);
	mcp_lines_add(&lines, "before\n", 7);
	expect_line(&lines, "before");
	for (int i = 0; i < 130; i++) {
		mcp_lines_add(&lines, chunk, 1024 * 1024);
		if (mcp_lines_next(&lines, &line, &len) == MCP_LINE_TOO_LONG) {
			refused++;
		}
		assert_true(lines.bytes.len <= LIMIT_MCP_MESSAGE + 2 * 1024 * 1024);
	}
	assert_int_equal(refused, 1);
	mcp_lines_add(&lines, "end\nafter\n", 10);
	expect_line(&lines, "after");
	expect_no_line(&lines);
	/* The longest that is allowed. */
	for (int i = 0; i < 64; i++) {
		mcp_lines_add(&lines, chunk, 1024 * 1024);
		expect_no_line(&lines);
	}
	mcp_lines_add(&lines, "\n", 1);
	assert_int_equal(mcp_lines_next(&lines, &line, &len), MCP_LINE);
	assert_int_equal(len, LIMIT_MCP_MESSAGE);
	mcp_lines_finish(&lines);
}

/* --- the engine --- */

struct rig {
	struct gateway *core;
	struct mcp *mcp;
	unsigned answers, answered;
	int status; /* of the last answer */
	int code; /* of the last error, 0: it was a result */
};

static void on_send(void *arg, const struct mcp_message *message)
{
	struct rig *rig = arg;
	json_t *json = json_loadb(message->text, message->len, JSON_REJECT_DUPLICATES, NULL);

	/* Whatever came in, what goes out is JSON-RPC on one line. */
	assert_non_null(json);
	assert_null(memchr(message->text, '\n', message->len));
	if (message->is_answer) {
		const json_t *error = json_object_get(json, "error");

		rig->answers++;
		rig->status = message->http_status;
		rig->code = (int)json_integer_value(json_object_get(error, "code"));
		assert_true(json_is_array(json) ||
			    (error != NULL) != (json_object_get(json, "result") != NULL));
	}
	json_decref(json);
}

static void on_answered(void *arg, void *origin)
{
	struct rig *rig = arg;

	(void)origin;
	rig->answered++;
}

static void setup(struct rig *rig)
{
	*rig = (struct rig){.core = mcp_core_new()};
	rig->mcp = mcp_new(&(struct mcp_opts){
		.gateway = rig->core, .send = on_send, .answered = on_answered, .arg = rig});
}

static void teardown(struct rig *rig)
{
	rig->mcp = mcp_free(rig->mcp);
	rig->core = mcp_core_free(rig->core);
}

static void say(struct rig *rig, const struct mcp_headers *headers, const char *text, size_t len)
{
	struct gateway_caller caller = {.local_fd = FD_NONE, .transport = "mcp"};

	mcp_receive(rig->mcp, &caller, headers, rig, text, len);
}

#define MODERN                                                    \
	"\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":" \
	"\"2026-07-28\",\"io.modelcontextprotocol/clientCapabilities\":{}}"

static const char *const messages[] = {
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":"
	"\"2025-03-26\",\"capabilities\":{},\"clientInfo\":{\"name\":\"c\",\"version\":\"1\"}}}",
	"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"tools/call\",\"params\":{\"name\":\"exec\","
	"\"arguments\":{\"command\":\"true\"},\"_meta\":{\"progressToken\":1}}}",
	"[{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"resources/list\"},{\"jsonrpc\":\"2.0\","
	"\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":\"x\"}}]",
	"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"resources/read\",\"params\":{\"uri\":"
	"\"workspace:///a%20b.txt\"," MODERN "}}",
	"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"subscriptions/listen\",\"params\":{"
	"\"notifications\":{\"toolsListChanged\":true}," MODERN "}}",
};

static void test_mutations(void **state)
{
	(void)state;
	for (size_t m = 0; m < sizeof(messages) / sizeof(messages[0]); m++) {
		size_t len = strlen(messages[m]);

		for (size_t i = 0; i < len * 9; i++) {
			/* Of the exact size, so that a sanitizer sees a byte too far. */
			size_t cut = i >= len * 8 ? i - len * 8 : len;
			_cleanup_free_ char *text = xmalloc(cut > 0 ? cut : 1);
			struct rig rig;

			memcpy(text, messages[m], cut);
			if (i < len * 8) {
				text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
			}
			setup(&rig);
			say(&rig, NULL, messages[0], strlen(messages[0]));
			say(&rig, NULL, text, cut);
			mcp_core_event(rig.core, "config.reloaded");
			(void)mcp_core_print(rig.core, "\xff\xc3");
			(void)mcp_core_end(rig.core, NULL, "end");
			/* Both deliveries have been answered, unless the request listens. */
			assert_int_equal(rig.answered + mcp_running(rig.mcp), 2);
			teardown(&rig);
		}
	}
}

static void test_deep_and_wide(void **state)
{
	static const int depth = 100000;
	_cleanup_buf_ struct buf text = {0};
	struct rig rig;

	(void)state;
	setup(&rig);
	for (int i = 0; i < depth; i++) {
		buf_add_char(&text, '[');
	}
	say(&rig, NULL, text.data, text.len);
	assert_int_equal(rig.code, RPC_PARSE);
	buf_clear(&text);
	buf_add_str(&text, "{\"jsonrpc\":\"2.0\",\"id\":\"");
	for (int i = 0; i < LIMIT_NAME_BYTES + 1; i++) {
		buf_add_char(&text, 'x');
	}
	buf_add_str(&text, "\",\"method\":\"ping\"}");
	say(&rig, NULL, text.data, text.len);
	assert_int_equal(rig.code, RPC_INVALID);
	say(&rig, NULL, "\xff{}", 3);
	assert_int_equal(rig.code, RPC_PARSE);
	say(&rig, NULL, "{\"a\":\"\xc3\x28\"}", 10);
	assert_int_equal(rig.code, RPC_PARSE);
	say(&rig, NULL, "", 0);
	assert_int_equal(rig.code, RPC_PARSE);
	assert_int_equal(rig.answers, 5);
	teardown(&rig);
}

static void test_too_many_requests(void **state)
{
	struct rig rig;

	(void)state;
	setup(&rig);
	say(&rig, NULL, messages[0], strlen(messages[0]));
	for (int i = 0; i <= LIMIT_MCP_REQUESTS; i++) {
		_cleanup_free_ char *text = xasprintf(
			"{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"tools/call\",\"params\":{"
			"\"name\":\"exec\"}}",
			i);

		say(&rig, NULL, text, strlen(text));
	}
	assert_int_equal(mcp_running(rig.mcp), LIMIT_MCP_REQUESTS);
	assert_int_equal(rig.answers, 2);
	assert_int_equal(rig.status, 429);
	/* The end of the peer ends all of it. */
	rig.mcp = mcp_free(rig.mcp);
	assert_int_equal(mcp_core_running(rig.core), 0);
	assert_int_equal(mcp_core_aborted(rig.core), LIMIT_MCP_REQUESTS);
	teardown(&rig);
}

static void test_forget(void **state)
{
	static const char hold[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\","
				   "\"params\":{\"name\":\"exec\"," MODERN "}}";
	struct rig rig;

	(void)state;
	setup(&rig);
	say(&rig, NULL, hold, strlen(hold));
	assert_int_equal(mcp_core_running(rig.core), 1);
	mcp_forget(rig.mcp, &rig.status); /* another one */
	assert_int_equal(mcp_core_running(rig.core), 1);
	mcp_forget(rig.mcp, &rig);
	assert_int_equal(mcp_core_running(rig.core), 0);
	assert_int_equal(mcp_core_aborted(rig.core), 1);
	assert_int_equal(rig.answers + rig.answered, 0);
	teardown(&rig);
}

static void test_headers(void **state)
{
	static const char call[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\","
				   "\"params\":{\"name\":\"grep\"," MODERN "}}";
	static const char list[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\","
				   "\"params\":{" MODERN "}}";
	static const struct {
		const char *text;
		struct mcp_headers headers;
		int code, status;
	} rows[] = {
		{call, {"2026-07-28", "tools/call", "grep"}, 0, 200},
		{call, {"2026-07-28", "tools/call", "exec"}, RPC_HEADERS, 400},
		{call, {"2026-07-28", "tools/call", NULL}, RPC_HEADERS, 400},
		{call, {"2026-07-28", "tools/list", "grep"}, RPC_HEADERS, 400},
		{call, {"2025-11-25", "tools/call", "grep"}, RPC_HEADERS, 400},
		{call, {NULL, NULL, NULL}, RPC_HEADERS, 400},
		{list, {"2026-07-28", "tools/list", NULL}, 0, 200},
		{list, {"2026-07-28", "tools/list", "whatever"}, 0, 200},
		{list, {"2026-07-28", NULL, NULL}, RPC_HEADERS, 400},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rig rig;

		setup(&rig);
		say(&rig, &rows[i].headers, rows[i].text, strlen(rows[i].text));
		assert_int_equal(rig.answers, 1);
		assert_int_equal(rig.code, rows[i].code);
		assert_int_equal(rig.status, rows[i].status);
		teardown(&rig);
	}
}

static void test_first_page_of_resources(void **state)
{
	static const char list[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"resources/list\","
				   "\"params\":{" MODERN "}}";
	struct rig rig;

	(void)state;
	setup(&rig);
	say(&rig, NULL, list, strlen(list));
	assert_int_equal(rig.code, 0);
	assert_int_equal(rig.answers, 1);
	teardown(&rig);
}

static void test_unknown_method_status(void **state)
{
	static const char modern[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"no\",\"params\":{" MODERN "}}";
	static const char old[] = "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"no\"}";
	struct rig rig;

	(void)state;
	setup(&rig);
	say(&rig, NULL, modern, strlen(modern));
	assert_int_equal(rig.code, RPC_NO_METHOD);
	assert_int_equal(rig.status, 404);
	say(&rig, NULL, messages[0], strlen(messages[0]));
	say(&rig, NULL, old, strlen(old));
	assert_int_equal(rig.code, RPC_NO_METHOD);
	assert_int_equal(rig.status, 200);
	teardown(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uri_there_and_back),
		cmocka_unit_test(test_uri_refused),
		cmocka_unit_test(test_lines_in_any_pieces),
		cmocka_unit_test(test_line_too_long),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_deep_and_wide),
		cmocka_unit_test(test_too_many_requests),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_first_page_of_resources),
		cmocka_unit_test(test_unknown_method_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
