/* SPDX-License-Identifier: MIT */
/* Rows of commands: from the sandbox, from how they ended, from what they printed. */
#include "tools/denied_command.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "tools/denied.h"
#include "tools/denied_hint.h"

/* Whoever watches hears of a refusal within 50 ms. A look that finds nothing is a few reads; those of the
 * network's counters cost ten times as much, and what has run for long has settled. */
#define LOOK_NS (25 * NS_PER_MS)
#define YOUNG_NS (60 * NS_PER_S)
enum { OLD_NETWORK_LOOKS = 40 };

static const char *text_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text != NULL ? text : "";
}

/* The row of the same kind. For what is only likely, a source that knows has said it if it told of this layer,
 * or of the same thing by another. */
static bool is_like(const json_t *row, const struct denial *denial)
{
	bool layer = strcmp(text_of(row, "layer"), denial->layer) == 0;
	bool what = strcmp(text_of(row, "what"), denial->what) == 0;
	bool likely = strcmp(text_of(row, "source"), denial_source_name(DENIAL_OUTPUT)) == 0;

	return (layer && what) || (denial->source == DENIAL_OUTPUT && !likely && (layer || what));
}

static json_t *row_like(const struct tool_process *p, const struct denial *denial)
{
	for (size_t i = 0; i < json_array_size(p->denied); i++) {
		json_t *row = json_array_get(p->denied, i);

		if (is_like(row, denial)) {
			return row;
		}
	}
	return NULL;
}

static void on_denial(void *arg, const struct denial *denial)
{
	struct tool_process *p = arg;
	json_t *row = row_like(p, denial);
	const json_t *count = json_object_get(row, "count");

	if (row != NULL) {
		if (denial->count > 0 && count != NULL) {
			(void)json_object_set_new(row, "count",
				json_integer(
					json_integer_value(count) + (json_int_t)denial->count));
		}
		return;
	}
	if (p->denied == NULL) {
		p->denied = json_array();
	}
	if (json_array_size(p->denied) < LIMIT_DENIED_ROWS) {
		row = denied_row(denial);
		(void)json_array_append_new(p->denied, row);
		denied_tell(p->watchers, p, row);
	}
}

static bool is_sandboxed(const struct tool_process *p)
{
	const struct tool_session *session = p->session;

	return p->link == session->link && session->decision != NULL &&
	       session->decision->sandboxed;
}

void denied_look(struct tool_process *p)
{
	if (is_sandboxed(p) && p->session->denials != NULL && p->pid != 0) {
		denials_collect(p->session->denials, p->pid, on_denial, p);
	}
}

/* What the end of a command says by itself. */
static void look_at_end(struct tool_process *p)
{
	struct denial row = {
		.source = DENIAL_EXIT,
		.layer = isolation_layer_name(LAYER_RLIMITS),
		.fix = {"agents.defaults.sandbox.docker.ulimits"},
	};

	if (p->failed && p->fail_stage == WIRE_FAIL_RESOURCES && p->fail_errnum == EAGAIN) {
		row.what = "one process more";
		row.rule = "docker.pidsLimit";
		row.fix[0] = "agents.defaults.sandbox.docker.pidsLimit";
	} else if (p->exited && p->exit.signal == SIGXFSZ) {
		row.what = "a larger file";
		row.rule = "docker.ulimits: fsize";
	} else if (p->exited && p->exit.signal == SIGXCPU) {
		row.what = "more processor time";
		row.rule = "docker.ulimits: cpu";
	} else {
		return;
	}
	on_denial(p, &row);
}

static bool has_failed(const struct tool_process *p)
{
	return !p->exited || p->exit.code != 0 || p->exit.signal != 0;
}

void denied_look_last(struct tool_process *p)
{
	const char *output;
	size_t len;
	uint64_t lost;

	if (!is_sandboxed(p)) {
		return;
	}
	denied_look(p);
	look_at_end(p);
	if (p->exited && has_failed(p)) {
		output = output_from(&p->out, 0, &len, &lost);
		denied_hints(&(struct hint_request){.output = output,
				     .len = len,
				     .cwd = p->cwd,
				     .spec = &p->session->decision->spec},
			on_denial, p);
	}
}

/* --- results --- */

static void add_row_text(struct buf *text, const json_t *row)
{
	json_int_t count = json_integer_value(json_object_get(row, "count"));

	buf_add_str(text, text_of(row, "what"));
	if (count > 0) {
		buf_addf(text, " (%" JSON_INTEGER_FORMAT ")", count);
	}
	buf_addf(text, " [%s%s]", text_of(row, "layer"),
		strcmp(text_of(row, "source"), denial_source_name(DENIAL_OUTPUT)) == 0
			? ", going by its output"
			: "");
}

/* Of the first row that somebody could allow. */
static const char *first_key(const json_t *rows)
{
	const char *key = NULL;

	for (size_t i = 0; key == NULL && i < json_array_size(rows); i++) {
		key = json_string_value(
			json_array_get(json_object_get(json_array_get(rows, i), "fix"), 0));
	}
	return key;
}

static void add_sentence(struct buf *text, const json_t *rows)
{
	const char *key = first_key(rows);

	buf_addf(text, "%s(The sandbox refused: ", text->len > 0 ? "\n\n" : "");
	for (size_t i = 0; i < json_array_size(rows); i++) {
		buf_add_str(text, i > 0 ? ", " : "");
		add_row_text(text, json_array_get(rows, i));
	}
	if (key != NULL) {
		buf_addf(text, ". Who runs it can change that, beginning with %s.)", key);
	} else {
		buf_add_str(text, ". No setting allows that.)");
	}
}

void denied_add(const struct tool_process *p, json_t *details, struct buf *text)
{
	if (p->denied == NULL) {
		return;
	}
	if (text != NULL && has_failed(p)) {
		add_sentence(text, p->denied);
	}
	/* A copy: the command may go on. */
	(void)json_object_set_new(details, "denied", json_deep_copy(p->denied));
}

/* --- time --- */

static const struct tool_process *youngest(const struct tool_session *session)
{
	const struct tool_process *p = session->processes;

	while (p != NULL && p->ended) {
		p = p->next;
	}
	return p;
}

uint64_t denied_deadline(const struct tool_session *session)
{
	if (session->denials == NULL || session->denied == NULL || youngest(session) == NULL) {
		return UINT64_MAX;
	}
	return session->looked_ns + LOOK_NS;
}

void denied_tick(struct tool_session *session, uint64_t now_ns)
{
	const struct tool_process *young = youngest(session);
	bool network;

	if (denied_deadline(session) > now_ns) {
		return;
	}
	session->looked_ns = now_ns;
	network =
		now_ns - young->started_ns < YOUNG_NS || ++session->looks % OLD_NETWORK_LOOKS == 0;
	if (!denials_pending(session->denials, network, &session->looked)) {
		return;
	}
	/* The newest first: counters know no command, and it is the likeliest. */
	for (struct tool_process *p = session->processes; p != NULL; p = p->next) {
		if (!p->ended) {
			denied_look(p);
		}
	}
}
