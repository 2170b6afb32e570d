/* SPDX-License-Identifier: MIT */
/* Commands and events of the DevTools protocol. */
#include "browser/cdp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/own.h"

struct command {
	struct command *next;
	uint32_t id;
	char *session;
	cdp_done_fn done;
	void *arg;
};

struct cdp {
	const struct cdp_ops *ops;
	void *arg;
	uint32_t last_id;
	struct command *commands; /* unanswered, newest first */
	size_t count;
};

static void command_free(struct command *command)
{
	free(command->session);
	free(command);
}

struct cdp *cdp_new(const struct cdp_ops *ops, void *arg)
{
	struct cdp *cdp = xcalloc(1, sizeof(*cdp));

	*cdp = (struct cdp){.ops = ops, .arg = arg};
	return cdp;
}

/* Out of the list before anybody hears of it: the callback may ask the next thing. */
static struct command *take(struct cdp *cdp, struct command **at)
{
	struct command *command = *at;

	*at = command->next;
	cdp->count--;
	return command;
}

struct cdp *cdp_free(struct cdp *cdp, const char *why)
{
	if (cdp == NULL) {
		return NULL;
	}
	while (cdp->commands != NULL) {
		struct command *command = take(cdp, &cdp->commands);

		command->done(command->arg, NULL, why);
		command_free(command);
	}
	free(cdp);
	return NULL;
}

uint32_t cdp_command(struct cdp *cdp, const char *session, const char *method, json_t *params,
	cdp_done_fn done, void *arg)
{
	json_t *message = json_pack("{s:s}", "method", method);
	struct command *command = xcalloc(1, sizeof(*command));
	_cleanup_free_ char *text = NULL;

	cdp->last_id = cdp->last_id < INT32_MAX - 1 ? cdp->last_id + 1 : 1;
	(void)json_object_set_new(message, "id", json_integer(cdp->last_id));
	if (*session != '\0') {
		(void)json_object_set_new(message, "sessionId", json_string(session));
	}
	(void)json_object_set_new(message, "params", params != NULL ? params : json_object());
	*command = (struct command){
		.next = cdp->commands,
		.id = cdp->last_id,
		.session = xstrdup(session),
		.done = done,
		.arg = arg,
	};
	cdp->commands = command;
	cdp->count++;
	text = json_dumps(message, JSON_COMPACT);
	json_decref(message);
	if (text != NULL && cdp->count <= LIMIT_CDP_COMMANDS) {
		cdp->ops->send(cdp->arg, text, strlen(text));
	}
	return command->id;
}

void cdp_forget(struct cdp *cdp, uint32_t id)
{
	for (struct command **at = &cdp->commands; *at != NULL; at = &(*at)->next) {
		if ((*at)->id == id) {
			command_free(take(cdp, at));
			return;
		}
	}
}

void cdp_session_gone(struct cdp *cdp, const char *session)
{
	struct command **at = &cdp->commands;

	while (*at != NULL) {
		struct command *command;

		if (strcmp((*at)->session, session) != 0) {
			at = &(*at)->next;
			continue;
		}
		command = take(cdp, at);
		command->done(command->arg, NULL, "the tab is gone");
		command_free(command);
		/* The callback may have changed the list. */
		at = &cdp->commands;
	}
}

static void answer(struct cdp *cdp, const json_t *message, uint32_t id)
{
	const json_t *error = json_object_get(message, "error");
	const char *text = json_string_value(json_object_get(error, "message"));
	struct command **at = &cdp->commands;
	struct command *command;

	while (*at != NULL && (*at)->id != id) {
		at = &(*at)->next;
	}
	if (*at == NULL) {
		return; /* forgotten, or made up */
	}
	command = take(cdp, at);
	if (error != NULL) {
		command->done(command->arg, NULL, text != NULL ? text : "refused without a reason");
	} else {
		static json_t *empty; /* kept: one for the process */
		const json_t *result = json_object_get(message, "result");

		if (!json_is_object(result)) {
			empty = empty != NULL ? empty : json_object();
			result = empty;
		}
		command->done(command->arg, result, NULL);
	}
	command_free(command);
}

int cdp_receive(struct cdp *cdp, const char *text, size_t len, struct error *err)
{
	json_t *message = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
	const json_t *id = json_object_get(message, "id");
	const char *method = json_string_value(json_object_get(message, "method"));
	const char *session = json_string_value(json_object_get(message, "sessionId"));

	if (!json_is_object(message)) {
		json_decref(message);
		return error_plain(err, EPROTO, "the browser sent something that is no message");
	}
	if (json_is_integer(id) && json_integer_value(id) > 0 &&
		json_integer_value(id) <= INT32_MAX) {
		answer(cdp, message, (uint32_t)json_integer_value(id));
	} else if (method != NULL && cdp->ops->event != NULL) {
		cdp->ops->event(cdp->arg, session != NULL ? session : "", method,
			json_object_get(message, "params"));
	}
	json_decref(message);
	return 0;
}
