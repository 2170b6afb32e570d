/* SPDX-License-Identifier: MIT */
/* Tool calls against a scripted creel-init: what is asked of it, and what becomes of its answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tools/tool.h"
#include "wire/frame_file.h"

/* Both ends of a stream: the session's, and a peer that says what the test tells it to. */
struct rig {
	struct link *link;
	struct tool_session *session;
	struct decision decision;
	int peer;
	struct buf in; /* what the peer has read and not looked at */
	unsigned done;
	struct tool_result result;
};

static void peer_send(struct rig *rig, struct buf *out)
{
	struct error err;

	assert_int_equal(write(rig->peer, out->data, out->len), out->len);
	buf_clear(out);
	assert_int_equal(link_pump(rig->link, POLLIN | POLLOUT, &err), 0);
}

/* The next frame that the session sent; its payload is at the start of rig->in. */
static struct frame_header peer_read(struct rig *rig)
{
	struct frame_header header;
	struct error err;

	while (frame_peek((uint8_t *)rig->in.data, rig->in.len, &header, &err) != 1) {
		char *room = buf_reserve(&rig->in, 65536);
		ssize_t n = read(rig->peer, room, 65536);

		assert_true(n > 0);
		buf_commit(&rig->in, (size_t)n);
	}
	buf_consume(&rig->in, FRAME_HEADER_SIZE);
	return header;
}

static void peer_skip(struct rig *rig, struct frame_header header)
{
	buf_consume(&rig->in, header.length);
}

static void setup(struct rig *rig, bool may_background)
{
	struct wire_hello hello = {.version = WIRE_VERSION};
	_cleanup_buf_ struct buf out = {0};
	int fds[2];

	*rig = (struct rig){0};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	rig->peer = fds[1];
	rig->link = link_new(fds[0], NULL, true, NULL, NULL);
	frame_add_hello(&out, &hello);
	peer_send(rig, &out);
	peer_skip(rig, peer_read(rig)); /* welcome */
	rig->decision.sandboxed = true;
	rig->decision.session_key = "agent:main:main";
	rig->decision.spec.workdir = "/workspace";
	rig->decision.spec.workspace_dir = "/home/user/ws";
	rig->session = tool_session_new(&(struct tool_session_opts){
		.link = rig->link,
		.decision = &rig->decision,
		.backend_name = "fake",
		.may_background = may_background,
	});
}

static void teardown(struct rig *rig)
{
	(void)tool_session_free(rig->session);
	(void)link_free(rig->link);
	tool_result_finish(&rig->result);
	(void)close(rig->peer);
	buf_finish(&rig->in);
}

static void on_done(void *arg, struct tool_result *result)
{
	struct rig *rig = arg;

	rig->done++;
	tool_result_finish(&rig->result);
	rig->result = *result;
}

static struct tool_call *begin(
	struct rig *rig, const char *tool, json_t *args, const struct tool_verdict *verdict)
{
	struct tool_call *call = tool_call_start(rig->session, tool, args,
		&(struct tool_call_opts){.verdict = verdict, .done = on_done, .arg = rig});

	json_decref(args);
	return call;
}

static const char *result_text_of(const struct rig *rig)
{
	return json_string_value(json_object_get(json_array_get(rig->result.content, 0), "text"));
}

static void expect_spawn(
	struct rig *rig, struct arena *arena, struct wire_spawn *ret, uint32_t *ret_stream)
{
	struct frame_header header = peer_read(rig);
	struct error err;

	assert_int_equal(header.kind, FRAME_SPAWN);
	assert_int_equal(
		frame_get_spawn((struct wire_bytes){(uint8_t *)rig->in.data, header.length}, arena,
			ret, &err),
		0);
	*ret_stream = header.stream;
}

static void say_output(struct buf *out, uint32_t stream, uint64_t offset, const char *text)
{
	frame_add_output_header(out, stream, WIRE_STDOUT, offset, (uint32_t)strlen(text));
	buf_add_str(out, text);
}

static void test_exec(void **state)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_buf_ struct buf out = {0};
	struct wire_exited exited = {.code = 2, .out_bytes = 6};
	struct wire_spawn spawn;
	struct rig rig;
	uint32_t stream;

	(void)state;
	setup(&rig, false);
	assert_non_null(begin(&rig, "bash",
		json_pack("{s:s, s:s, s:i, s:b}", "command", "ls", "workdir", "/home/user/ws/sub",
			"timeout", 7, "background", 1),
		NULL));
	expect_spawn(&rig, &arena, &spawn, &stream);
	assert_string_equal(spawn.argv[0], "/bin/sh");
	assert_string_equal(spawn.argv[1], "-c");
	assert_string_equal(spawn.argv[2], "ls");
	assert_null(spawn.argv[3]);
	assert_string_equal(spawn.cwd, "/workspace/sub");
	assert_int_equal(spawn.timeout_ms, 7000);
	assert_int_equal(spawn.flags, WIRE_SPAWN_MERGE | WIRE_SPAWN_LOGIN_ENV);
	frame_add_u32(&out, FRAME_SPAWNED, stream, 4);
	say_output(&out, stream, 0, "hello\n");
	frame_add_exited(&out, stream, &exited);
	peer_send(&rig, &out);
	assert_int_equal(rig.done, 1);
	assert_string_equal(result_text_of(&rig),
		"Warning: background execution is disabled; running synchronously. (Nothing could "
		"look after the command later: the process tool is denied here, or the sandbox "
		"ends with this call.)\n\n"
		"hello\n\n(Command exited with code 2)");
	assert_int_equal(json_integer_value(json_object_get(rig.result.details, "exitCode")), 2);
	teardown(&rig);
}

static void test_missing_workdir_falls_back(void **state)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_buf_ struct buf out = {0};
	struct wire_failed failed = {.stage = WIRE_FAIL_CWD, .errnum = ENOENT};
	struct wire_exited exited = {0};
	struct wire_spawn spawn;
	struct rig rig;
	uint32_t stream;

	(void)state;
	setup(&rig, false);
	(void)begin(
		&rig, "exec", json_pack("{s:s, s:s}", "command", "ls", "workdir", "gone"), NULL);
	expect_spawn(&rig, &arena, &spawn, &stream);
	assert_string_equal(spawn.cwd, "/workspace/gone");
	buf_consume(&rig.in, rig.in.len);
	frame_add_failed(&out, stream, &failed);
	peer_send(&rig, &out);
	assert_int_equal(rig.done, 0);
	expect_spawn(&rig, &arena, &spawn, &stream);
	assert_string_equal(spawn.cwd, "/workspace");
	frame_add_u32(&out, FRAME_SPAWNED, stream, 4);
	frame_add_exited(&out, stream, &exited);
	peer_send(&rig, &out);
	assert_int_equal(rig.done, 1);
	assert_string_equal(result_text_of(&rig),
		"Warning: workdir \"gone\" is unavailable; using \"/workspace\".\n\n(no output)");
	teardown(&rig);
}

static void test_yield_to_the_background(void **state)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_buf_ struct buf out = {0};
	struct wire_spawn spawn;
	struct rig rig;
	uint32_t stream;

	(void)state;
	setup(&rig, true);
	(void)begin(
		&rig, "exec", json_pack("{s:s, s:i}", "command", "sleep 9", "yieldMs", 50), NULL);
	expect_spawn(&rig, &arena, &spawn, &stream);
	assert_int_equal(spawn.timeout_ms, 0);
	assert_true((spawn.flags & WIRE_SPAWN_STDIN) != 0);
	frame_add_u32(&out, FRAME_SPAWNED, stream, 4);
	peer_send(&rig, &out);
	assert_int_equal(rig.done, 0);
	assert_true(tool_session_deadline(rig.session) < UINT64_MAX);
	tool_session_tick(rig.session, clock_now_ns() + NS_PER_S);
	assert_int_equal(rig.done, 1);
	assert_string_equal(
		json_string_value(json_object_get(rig.result.details, "status")), "running");
	assert_int_equal(tool_session_running(rig.session), 1);
	teardown(&rig);
}

static void test_abort_ends_the_tree(void **state)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_buf_ struct buf out = {0};
	struct wire_exited exited = {.code = -1, .signal = 15};
	struct frame_header header;
	struct wire_spawn spawn;
	enum wire_signal_scope scope;
	struct tool_call *call;
	struct error err;
	struct rig rig;
	uint32_t stream, signo;

	(void)state;
	setup(&rig, false);
	call = begin(&rig, "exec", json_pack("{s:s}", "command", "sleep 9"), NULL);
	expect_spawn(&rig, &arena, &spawn, &stream);
	buf_consume(&rig.in, rig.in.len);
	frame_add_u32(&out, FRAME_SPAWNED, stream, 4);
	peer_send(&rig, &out);
	tool_call_abort(call);
	tool_call_abort(call);
	header = peer_read(&rig);
	assert_int_equal(header.kind, FRAME_SIGNAL);
	assert_int_equal(
		frame_get_signal((struct wire_bytes){(uint8_t *)rig.in.data, header.length}, &signo,
			&scope, &err),
		0);
	assert_int_equal(signo, 15);
	assert_int_equal(scope, WIRE_SIGNAL_END);
	frame_add_exited(&out, stream, &exited);
	peer_send(&rig, &out);
	assert_int_equal(rig.done, 1);
	assert_string_equal(rig.result.failure.type, TOOL_FAIL_ABORTED);
	teardown(&rig);
}

static void test_denied(void **state)
{
	const char *fix[] = {"tools.deny", NULL};
	struct tool_verdict verdict = {
		.tool = "exec",
		.layer = "global",
		.rule = "tools.deny: exec",
		.reason = "it is in the deny list",
		.fix = {.items = fix, .count = 1},
	};
	const json_t *denied;
	struct rig rig;

	(void)state;
	setup(&rig, true);
	assert_null(begin(&rig, "exec", json_pack("{s:s}", "command", "id"), &verdict));
	assert_int_equal(rig.done, 1);
	assert_string_equal(rig.result.failure.type, TOOL_FAIL_DENIED);
	denied = json_array_get(json_object_get(rig.result.details, "denied"), 0);
	assert_string_equal(json_string_value(json_object_get(denied, "rule")), "tools.deny: exec");
	rig.decision.spec.access = ACCESS_RO;
	assert_null(begin(&rig, "write", json_object(), NULL));
	assert_string_equal(rig.result.failure.type, TOOL_FAIL_DENIED);
	assert_null(begin(&rig, "no-such-tool", json_object(), NULL));
	assert_string_equal(rig.result.failure.type, TOOL_FAIL_NOT_FOUND);
	assert_null(begin(&rig, "exec", json_array(), NULL));
	assert_string_equal(rig.result.failure.type, TOOL_FAIL_ARGUMENTS);
	teardown(&rig);
}

static void expect_file(struct rig *rig, uint32_t op, uint32_t *ret_stream)
{
	struct frame_header header = peer_read(rig);
	struct wire_file_request request;
	struct error err;

	assert_int_equal(header.kind, FRAME_FILE_REQUEST);
	assert_int_equal(
		frame_get_file_request((struct wire_bytes){(uint8_t *)rig->in.data, header.length},
			&request, &err),
		0);
	assert_int_equal(request.op, op);
	*ret_stream = header.stream;
	peer_skip(rig, header);
}

/* A read behind a write of the same file, by another name for it, is sent when that is done. */
static void test_calls_on_one_file_wait(void **state)
{
	struct wire_file_done done = {.facts = {1, 1}};
	_cleanup_buf_ struct buf out = {0};
	uint32_t write_stream, read_stream, other_stream;
	struct rig rig;

	(void)state;
	setup(&rig, true);
	(void)begin(&rig, "write", json_pack("{s:s, s:s}", "path", "f", "content", "x"), NULL);
	(void)begin(&rig, "read", json_pack("{s:s}", "path", "/home/user/ws/./f"), NULL);
	(void)begin(&rig, "read", json_pack("{s:s}", "path", "other"), NULL);
	expect_file(&rig, WIRE_FILE_WRITE, &write_stream);
	peer_skip(&rig, peer_read(&rig)); /* its body */
	expect_file(&rig, WIRE_FILE_READ, &other_stream);
	frame_add_file_done(&out, write_stream, &done);
	peer_send(&rig, &out);
	assert_int_equal(rig.done, 1);
	assert_string_equal(result_text_of(&rig), "Successfully wrote 1 bytes to f");
	expect_file(&rig, WIRE_FILE_READ, &read_stream);
	assert_int_not_equal(read_stream, other_stream);
	teardown(&rig);
	assert_int_equal(rig.done, 3); /* the session's end aborts what is left */
}

static void test_lost_link_ends_calls(void **state)
{
	struct error err, why;
	struct rig rig;

	(void)state;
	setup(&rig, true);
	(void)begin(&rig, "exec", json_pack("{s:s}", "command", "id"), NULL);
	(void)begin(&rig, "read", json_pack("{s:s}", "path", "x"), NULL);
	(void)shutdown(rig.peer, SHUT_RDWR);
	assert_true(link_pump(rig.link, POLLIN | POLLOUT, &err) < 0);
	assert_int_equal(rig.done, 2);
	(void)error_plain(&why, EPIPE, "gone");
	tool_session_lost(rig.session, &why);
	assert_null(begin(&rig, "exec", json_pack("{s:s}", "command", "id"), NULL));
	assert_int_equal(rig.done, 3);
	assert_string_equal(rig.result.failure.type, TOOL_FAIL_UNAVAILABLE);
	teardown(&rig);
}

static void test_schemas_are_json(void **state)
{
	size_t count;
	const struct tool *const *table = tool_table(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		json_error_t why;
		json_t *schema = json_loads(table[i]->parameters, JSON_REJECT_DUPLICATES, &why);

		assert_non_null(schema);
		assert_string_equal(json_string_value(json_object_get(schema, "type")), "object");
		assert_ptr_equal(tool_by_name(table[i]->name), table[i]);
		json_decref(schema);
	}
	for (size_t i = 0; i < count; i++) {
		json_t *told = tool_describe(table[i]);
		const json_t *hints = json_object_get(told, "annotations");

		assert_true(json_string_length(json_object_get(told, "title")) > 0);
		assert_true(json_is_object(json_object_get(told, "parameters")));
		assert_int_equal(
			table[i]->output != NULL, json_is_object(json_object_get(told, "output")));
		/* A tool that writes cannot only read, and one that only reads destroys nothing. */
		if (json_is_true(json_object_get(hints, "readOnlyHint"))) {
			assert_false(table[i]->writes);
			assert_true(json_is_false(json_object_get(hints, "destructiveHint")));
		}
		json_decref(told);
	}
	assert_ptr_equal(tool_by_name("apply-patch"), tool_by_name("apply_patch"));
	assert_null(tool_by_name("canvas"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_missing_workdir_falls_back),
		cmocka_unit_test(test_yield_to_the_background),
		cmocka_unit_test(test_abort_ends_the_tree),
		cmocka_unit_test(test_denied),
		cmocka_unit_test(test_calls_on_one_file_wait),
		cmocka_unit_test(test_lost_link_ends_calls),
		cmocka_unit_test(test_schemas_are_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
