/* SPDX-License-Identifier: MIT */
/*
 * A gateway that was killed leaves processes in its sandboxes, which creel-init keeps with their
 * output. Each carries a tag, JSON that says which session it is of; the next gateway reads it back.
 * The tag comes from the sandbox then, and is worth no more than that: names are escaped where they
 * are shown, and a session finds only what its own sandbox holds.
 */
#include "tools/recover.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/own.h"
#include "tools/utf8.h"

enum { COMMAND_MAX = 400, DIRECTORY_MAX = 200 };

/* A text that is no JSON string is left out; a long one is cut at a character. */
static void set_cut(json_t *object, const char *key, const char *text, size_t max)
{
	size_t len = strlen(text);
	json_t *string;

	while (len > max || (len > 0 && len < strlen(text) && (text[len] & 0xc0) == 0x80)) {
		len--;
	}
	string = json_stringn(text, len);
	if (string != NULL) {
		(void)json_object_set_new(object, key, string);
	}
}

char *recover_tag(const struct tool_session *session, const struct tool_process *process)
{
	const struct decision *decision = session->decision;
	json_t *object =
		json_pack("{s:s?,s:s?,s:b}", "s", decision != NULL ? decision->session_key : NULL,
			"i", process->slug, "p", process->pty);
	size_t command = COMMAND_MAX;
	char *text;

	if (object == NULL) {
		return NULL;
	}
	set_cut(object, "d", process->cwd, DIRECTORY_MAX);
	/* Escapes make a text longer than its bytes: cut until it fits. */
	for (;;) {
		set_cut(object, "c", process->command, command);
		text = json_dumps(object, JSON_COMPACT);
		if (text == NULL || strlen(text) <= WIRE_MAX_TAG || command == 0) {
			break;
		}
		free(text);
		command /= 2;
	}
	json_decref(object);
	if (text != NULL && strlen(text) > WIRE_MAX_TAG) {
		free(TAKE_PTR(text));
	}
	return text;
}

static json_t *read_tag(struct wire_bytes tag)
{
	return json_loadb((const char *)tag.data, tag.len, 0, NULL);
}

static const char *text_of(const json_t *tag, const char *key)
{
	return json_string_value(json_object_get(tag, key));
}

char *tool_tag_session(struct wire_bytes tag)
{
	json_t *object = tag.len > 0 ? read_tag(tag) : NULL;
	const char *key = text_of(object, "s");
	char *copy = key != NULL && text_of(object, "i") != NULL ? xstrdup(key) : NULL;

	json_decref(object);
	return copy;
}

int tool_session_adopt(
	struct tool_session *session, const struct wire_process *found, struct error *err)
{
	json_t *tag = read_tag(found->tag);
	const char *id = text_of(tag, "i"), *command = text_of(tag, "c"), *cwd = text_of(tag, "d");
	int r = process_adopt(session,
		&(struct process_found){
			.stream = found->stream,
			.pid = found->pid,
			.id = id != NULL ? id : "unknown",
			.command = command != NULL ? command : "",
			.cwd = cwd != NULL ? cwd : "/",
			.pty = json_is_true(json_object_get(tag, "p")),
			.started_ms = (int64_t)found->started_ms,
			.out_end = found->out_end,
		},
		err);

	json_decref(tag);
	return r;
}
