/* SPDX-License-Identifier: MIT */
/*
 * Conversations with the MCP engine, each in a file of mcp/. Its lines:
 *
 *	> TEXT		the client sends TEXT
 *	< JSON		the next message that comes out equals JSON; the string "..." equals anything
 *	! print TEXT	the oldest call at work prints TEXT and a line end
 *	! end TEXT	... ends with TEXT
 *	! fail TYPE TEXT
 *	! tick		time passes
 *	! event KIND	the core tells of KIND
 *	! refuse TYPE	every ask fails from now on; "-": no more
 *	! aborted N	so many calls were aborted
 *	! running N	so many calls are at work
 *	# TEXT		a comment
 *
 * At a line that sends, and at the end, every message must have been expected.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/own.h"
#include "gateway/mcp.h"
#include "mcp-core.h"

struct talk {
	struct gateway *core;
	struct mcp *mcp;
	json_t *out; /* messages that came out and were not expected yet */
	const char *file;
	unsigned line;
	unsigned deliveries, answered;
};

static void on_send(void *arg, const struct mcp_message *message)
{
	struct talk *talk = arg;
	json_t *json = json_loadb(message->text, message->len, 0, NULL);

	assert_non_null(json);
	assert_null(memchr(message->text, '\n', message->len));
	(void)json_array_append_new(talk->out, json);
}

static void on_answered(void *arg, void *origin)
{
	struct talk *talk = arg;

	assert_ptr_equal(origin, talk);
	talk->answered++;
}

static bool equals(const json_t *wanted, const json_t *got)
{
	const char *text = json_string_value(wanted);
	const char *key;
	json_t *value;
	size_t i;

	if (text != NULL && strcmp(text, "...") == 0) {
		return true;
	}
	if (json_is_object(wanted)) {
		if (json_object_size(wanted) != json_object_size(got)) {
			return false;
		}
		json_object_foreach((json_t *)(uintptr_t)wanted, key, value)
		{
			if (!equals(value, json_object_get(got, key))) {
				return false;
			}
		}
		return true;
	}
	if (json_is_array(wanted)) {
		if (json_array_size(wanted) != json_array_size(got)) {
			return false;
		}
		json_array_foreach((json_t *)(uintptr_t)wanted, i, value)
		{
			if (!equals(value, json_array_get(got, i))) {
				return false;
			}
		}
		return true;
	}
	return json_equal(wanted, got);
}

static void expect(struct talk *talk, const char *text)
{
	json_error_t why;
	json_t *wanted = json_loads(text, 0, &why);
	json_t *got = json_incref(json_array_get(talk->out, 0));
	_cleanup_free_ char *shown = got != NULL ? json_dumps(got, JSON_COMPACT) : NULL;

	if (wanted == NULL) {
		fail_msg("%s:%u: %s", talk->file, talk->line, why.text);
	}
	if (got == NULL || !equals(wanted, got)) {
		fail_msg("%s:%u: wanted %s\n  got %s", talk->file, talk->line, text,
			shown != NULL ? shown : "nothing");
	}
	(void)json_array_remove(talk->out, 0);
	json_decref(wanted);
	json_decref(got);
}

static void expect_silence(const struct talk *talk)
{
	if (json_array_size(talk->out) > 0) {
		_cleanup_free_ char *shown = json_dumps(json_array_get(talk->out, 0), JSON_COMPACT);

		fail_msg("%s:%u: not expected: %s", talk->file, talk->line, shown);
	}
}

static void say(struct talk *talk, const char *text)
{
	struct gateway_caller caller = {.local_fd = FD_NONE, .transport = "mcp"};

	talk->deliveries++;
	mcp_receive(talk->mcp, &caller, NULL, talk, text, strlen(text));
}

/* The word at the start of *text, which then stands behind it. */
static char *take_word(char **text)
{
	char *word = *text;
	size_t len = strcspn(word, " ");

	*text = word + len + (word[len] != '\0');
	word[len] = '\0';
	return word;
}

static void act(struct talk *talk, char *text)
{
	const char *what = take_word(&text);

	if (strcmp(what, "print") == 0) {
		_cleanup_free_ char *line = xasprintf("%s\n", text);

		assert_true(mcp_core_print(talk->core, line));
	} else if (strcmp(what, "end") == 0) {
		assert_true(mcp_core_end(talk->core, NULL, text));
	} else if (strcmp(what, "fail") == 0) {
		const char *type = take_word(&text);

		assert_true(mcp_core_end(talk->core, type, text));
	} else if (strcmp(what, "tick") == 0) {
		mcp_tick(talk->mcp, UINT64_MAX - 1);
		assert_true(mcp_deadline(talk->mcp) == UINT64_MAX);
	} else if (strcmp(what, "event") == 0) {
		mcp_core_event(talk->core, text);
	} else if (strcmp(what, "refuse") == 0) {
		mcp_core_refuse(
			talk->core, strcmp(text, "-") != 0 ? GATEWAY_FAIL_UNAUTHORIZED : NULL);
	} else if (strcmp(what, "aborted") == 0) {
		assert_int_equal(mcp_core_aborted(talk->core), strtoul(text, NULL, 10));
	} else if (strcmp(what, "running") == 0) {
		assert_int_equal(mcp_core_running(talk->core), strtoul(text, NULL, 10));
	} else {
		fail_msg("%s:%u: '%s'?", talk->file, talk->line, what);
	}
}

static void play_line(struct talk *talk, char *line)
{
	line[strcspn(line, "\n")] = '\0';
	switch (line[0]) {
	case '>':
		expect_silence(talk);
		say(talk, line + 2);
		break;
	case '<':
		expect(talk, line + 2);
		break;
	case '!':
		act(talk, line + 2);
		break;
	case '#':
	case '\0':
		break;
	default:
		fail_msg("%s:%u: which line is that?", talk->file, talk->line);
	}
}

static void play(const char *path)
{
	struct talk talk = {.core = mcp_core_new(), .out = json_array(), .file = path};
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;

	assert_non_null(file);
	talk.mcp = mcp_new(&(struct mcp_opts){
		.gateway = talk.core, .send = on_send, .answered = on_answered, .arg = &talk});
	while (getline(&line, &room, file) > 0) {
		talk.line++;
		play_line(&talk, line);
	}
	expect_silence(&talk);
	assert_int_equal(talk.answered + mcp_running(talk.mcp), talk.deliveries);
	free(line);
	(void)fclose(file);
	talk.mcp = mcp_free(talk.mcp);
	expect_silence(&talk);
	talk.core = mcp_core_free(talk.core);
	json_decref(talk.out);
}

static void test_transcripts(void **state)
{
	const char *folder = getenv("MCP_TRANSCRIPTS");
	unsigned played = 0;
	DIR *directory;
	const struct dirent *entry;

	(void)state;
	assert_non_null(folder);
	directory = opendir(folder);
	assert_non_null(directory);
	while ((entry = readdir(directory)) != NULL) {
		_cleanup_free_ char *path = xasprintf("%s/%s", folder, entry->d_name);

		if (strstr(entry->d_name, ".talk") != NULL) {
			play(path);
			played++;
		}
	}
	(void)closedir(directory);
	assert_true(played >= 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_transcripts)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
