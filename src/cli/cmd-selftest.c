/* SPDX-License-Identifier: MIT */
/* creel selftest: attack the sandboxes of this host and show what held. */
#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "cli/fail.h"
#include "cli/table.h"
#include "selftest/selftest.h"

struct selftest_args {
	struct common_args common;
	const char *backend, *only, *socket;
	bool verbose;
};

#define OFFSET(member) offsetof(struct selftest_args, member)
static const struct cmd_option options[] = {
	{"backend", 0, "NAME", OPTION_TEXT, OFFSET(backend),
		"try this one alone, native or docker, and fail when it does not start"},
	{"only", 0, "ATTACKS", OPTION_TEXT, OFFSET(only),
		"try these attacks alone, with commas between them"},
	{"socket", 0, "PATH", OPTION_TEXT, OFFSET(socket), "where the container engine listens"},
	{"verbose", 'v', NULL, OPTION_FLAG, OFFSET(verbose), "give the reason for every result"},
};

enum { COLUMN_WIDTH = 17, NAME_WIDTH = 26 };

/* --- as text --- */

static void add_heading(struct buf *out, const struct selftest *s)
{
	buf_addf(out, "%-*s", NAME_WIDTH, "ATTACK");
	for (size_t i = 0; i < s->column_count; i++) {
		if (s->columns[i]->ran && !s->columns[i]->decisions) {
			buf_addf(out, "%-*s", COLUMN_WIDTH, s->columns[i]->name);
		}
	}
	buf_add_char(out, '\n');
}

/* In capitals what must not be. */
static const char *cell(enum outcome outcome)
{
	return outcome == OUTCOME_FELL     ? "FELL"
	       : outcome == OUTCOME_BROKEN ? "BROKEN"
					   : outcome_name(outcome);
}

static void add_row(struct buf *out, const struct selftest *s, size_t attack)
{
	bool decisions = attacks[attack].area == AREA_CONTROL;

	buf_addf(out, "%-*s", NAME_WIDTH, attacks[attack].id);
	for (size_t i = 0; i < s->column_count; i++) {
		const struct selftest_column *column = s->columns[i];

		if (column->ran && column->decisions == decisions) {
			buf_addf(out, "%-*s", COLUMN_WIDTH, cell(column->results[attack].outcome));
		}
	}
	buf_addf(out, "%s", attacks[attack].title);
	if (attacks[attack].about[0] != '\0') {
		buf_addf(out, " (%s)", attacks[attack].about);
	}
	buf_add_char(out, '\n');
}

static void add_matrix(struct buf *out, const struct selftest *s)
{
	int area = -1;

	add_heading(out, s);
	for (size_t i = 0; i < attack_count; i++) {
		if (selftest_worst(s, i) == OUTCOME_NONE) {
			continue;
		}
		if ((int)attacks[i].area != area) {
			area = (int)attacks[i].area;
			buf_addf(out, "\n-- %s\n", attack_area_name(attacks[i].area));
		}
		add_row(out, s, i);
	}
}

static bool wants_reason(const struct selftest_args *args, enum outcome outcome)
{
	return outcome != OUTCOME_NONE && (args->verbose || outcome != OUTCOME_HELD);
}

/* Columns that say the same of the same attack share a line. */
static void add_reasons(struct buf *out, const struct selftest *s, const struct selftest_args *args)
{
	buf_add_char(out, '\n');
	for (size_t i = 0; i < attack_count; i++) {
		const struct selftest_result *last = NULL;

		for (size_t k = 0; k < s->column_count; k++) {
			const struct selftest_result *r = &s->columns[k]->results[i];

			if (!wants_reason(args, r->outcome)) {
				continue;
			}
			if (last != NULL && last->outcome == r->outcome &&
				strcmp(last->why, r->why) == 0) {
				continue;
			}
			last = r;
			buf_addf(out, "%s %s (%s): %s\n", cell(r->outcome), attacks[i].id,
				s->columns[k]->name, r->why);
		}
	}
}

static size_t attacks_tried(const struct selftest *s)
{
	size_t count = 0;

	for (size_t i = 0; i < attack_count; i++) {
		enum outcome worst = selftest_worst(s, i);

		count += worst != OUTCOME_NONE && worst != OUTCOME_NA;
	}
	return count;
}

static size_t columns_ran(const struct selftest *s)
{
	size_t count = 0;

	for (size_t i = 0; i < s->column_count; i++) {
		count += s->columns[i]->ran && !s->columns[i]->decisions;
	}
	return count;
}

static void add_summary(struct buf *out, const struct selftest *s)
{
	for (size_t i = 0; i < s->column_count; i++) {
		if (!s->columns[i]->ran) {
			buf_addf(out, "not tried: %s: %s\n", s->columns[i]->name,
				s->columns[i]->problem);
		}
	}
	buf_addf(out,
		"%zu attacks in %zu kinds of sandbox: %zu held, %zu fell, %zu broken, %zu not "
		"applicable\n",
		attacks_tried(s), columns_ran(s), selftest_count(s, OUTCOME_HELD),
		selftest_count(s, OUTCOME_FELL), selftest_count(s, OUTCOME_BROKEN),
		selftest_count(s, OUTCOME_NA));
}

/* --- as an object --- */

static json_t *column_json(const struct selftest_column *column)
{
	json_t *object = json_object(), *results = json_array();

	json_object_set_new(object, "name", json_string(column->name));
	json_object_set_new(object, "ran", json_boolean(column->ran));
	json_object_set_new(
		object, "problem", column->ran ? json_null() : json_string(column->problem));
	for (size_t i = 0; i < attack_count; i++) {
		const struct selftest_result *result = &column->results[i];

		if (result->outcome != OUTCOME_NONE) {
			json_array_append_new(results,
				json_pack("{s:s,s:s,s:s}", "attack", attacks[i].id, "outcome",
					outcome_name(result->outcome), "reason", result->why));
		}
	}
	json_object_set_new(object, "results", results);
	return object;
}

static json_t *report_json(const struct selftest *s, bool ok)
{
	json_t *object = json_object(), *columns = json_array(), *list = json_array();

	for (size_t i = 0; i < s->column_count; i++) {
		json_array_append_new(columns, column_json(s->columns[i]));
	}
	for (size_t i = 0; i < attack_count; i++) {
		json_array_append_new(
			list, json_pack("{s:s,s:s,s:s,s:s}", "id", attacks[i].id, "area",
				      attack_area_name(attacks[i].area), "about", attacks[i].about,
				      "title", attacks[i].title));
	}
	json_object_set_new(object, "ok", json_boolean(ok));
	json_object_set_new(
		object, "held", json_integer((json_int_t)selftest_count(s, OUTCOME_HELD)));
	json_object_set_new(
		object, "fell", json_integer((json_int_t)selftest_count(s, OUTCOME_FELL)));
	json_object_set_new(
		object, "broken", json_integer((json_int_t)selftest_count(s, OUTCOME_BROKEN)));
	json_object_set_new(object, "attacks", list);
	json_object_set_new(object, "columns", columns);
	return object;
}

/* --- the command --- */

static bool are_attacks(const char *list)
{
	while (*list != '\0') {
		char name[PROBE_NAME_MAX];
		size_t len = strcspn(list, ",");

		(void)snprintf(
			name, sizeof(name), "%.*s", (int)(len < sizeof(name) ? len : 0), list);
		if (attack_index(name) < 0) {
			return false;
		}
		list += len + (list[len] == ',' ? 1 : 0);
	}
	return true;
}

static int check_args(const struct cmd_call *call, const struct selftest_args *args)
{
	const char *message = NULL;

	if (args->backend != NULL && strcmp(args->backend, "host") == 0) {
		message = "the host backend isolates nothing, so there is nothing to attack";
	} else if (args->backend != NULL && strcmp(args->backend, "native") != 0 &&
		   strcmp(args->backend, "docker") != 0) {
		message = "option '--backend' takes native or docker";
	} else if (args->only != NULL && !are_attacks(args->only)) {
		message = "option '--only' takes names of attacks; 'creel selftest' lists them";
	}
	return message == NULL ? STATUS_OK
			       : fail(call, STATUS_USAGE,
					 &(struct failure){.code = CODE_USAGE, .message = message});
}

/* Nothing fell, something was tried, and what was asked for by name was. */
static bool is_good(const struct selftest *s, const struct selftest_args *args)
{
	bool all_ran = true;

	for (size_t i = 0; i < s->column_count; i++) {
		all_ran = all_ran && (s->columns[i]->ran || s->columns[i]->decisions);
	}
	return selftest_count(s, OUTCOME_FELL) == 0 && selftest_count(s, OUTCOME_BROKEN) == 0 &&
	       columns_ran(s) > 0 && (args->backend == NULL || all_ran);
}

static int run(const struct cmd_call *call)
{
	const struct selftest_args *args = call->args;
	const struct selftest_opts opts = {
		.backend = args->backend, .only = args->only, .docker_socket = args->socket};
	_cleanup_buf_ struct buf out = {0};
	struct selftest *s = NULL;
	struct error err;
	json_t *object;
	int status = check_args(call, args);
	bool good;

	if (status != STATUS_OK) {
		return status;
	}
	if (selftest_run(&opts, &s, &err) < 0) {
		return fail_error(call, STATUS_FAILED, CODE_SANDBOX, &err);
	}
	good = is_good(s, args);
	if (args->common.json) {
		object = report_json(s, good);
		status = print_json(call, object);
		json_decref(object);
	} else {
		add_matrix(&out, s);
		add_reasons(&out, s, args);
		add_summary(&out, s);
		status = print_text(call, &out);
	}
	(void)selftest_free(s);
	return status != STATUS_OK ? status : good ? STATUS_OK : STATUS_FAILED;
}

const struct cmd cmd_selftest = {
	.name = "selftest",
	.summary = "attack the sandboxes of this host and show what held",
	.operands = "",
	.failed_status = STATUS_FAILED,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.args_size = sizeof(struct selftest_args),
	.description =
		"Starts sandboxes in every way that this host knows, with decoys around them, and "
		"tries to get out: each known attack once in each, by a program that runs inside. "
		"Says of each whether it held, fell, or does not apply here and why. What an attack "
		"reached on the host counts, not what it was told. Nothing is changed that was there "
		"before. Status 1 when anything fell.",
	.run = run,
};
