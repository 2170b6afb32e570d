/* SPDX-License-Identifier: MIT */
/* What the gateway did, as rows of the audit log. A log that cannot be written does not stop the work:
 * it is said once, and again when it works. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "broker/audit-secrets.h"
#include "broker/audit.h"
#include "broker/broker.h"
#include "broker/tally.h"

int64_t broker_wall_ms(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void mask_line(void *arg, const char *text, struct buf *out)
{
	audit_mask_text(arg, text, out);
}

void broker_record_secrets(
	struct broker *broker, const struct config *config, const struct tokens *tokens)
{
	_cleanup_arena_ struct arena arena = {0};
	struct strv values = {0};
	size_t copies;

	audit_secrets_of_config(config->root, &arena, &values);
	audit_secrets_of_env(environ, &arena, &values);
	copies = values.count;
	for (size_t i = 0; i < tokens->texts.count; i++) {
		strv_add_ref(&values, &arena, tokens->texts.items[i]);
	}
	audit_set_secrets(broker->audit, &values);
	for (size_t i = 0; i < copies; i++) {
		secret_wipe(values.items[i]);
	}
}

int broker_record_open(struct broker *broker, struct error *err)
{
	int r = 0;

	if (broker->tally == NULL) {
		broker->tally = tally_new();
		broker->started_wall_ms = broker_wall_ms();
	}
	if (broker->audit == NULL) {
		r = audit_open(
			broker->config->state_dir, &(struct audit_opts){0}, &broker->audit, err);
	}
	if (r == 0) {
		log_set_filter(mask_line, broker->audit);
	}
	return r;
}

static bool is_word(const char *text, const char *word)
{
	return text != NULL && strcmp(text, word) == 0;
}

/* Every denial is a row, so that this is the place where they are counted. */
static void count_row(struct broker *broker, const struct audit_entry *entry)
{
	const char *decision = entry->decision;

	if (is_word(entry->kind, "config")) {
		tally_add(broker->tally, "reloads", is_word(decision, "allowed") ? "ok" : "failed",
			NULL);
	}
	if (is_word(entry->kind, "elevation")) {
		tally_add(broker->tally, "elevations", decision != NULL ? decision : "asked", NULL);
	}
	/* The front counts what a sandbox tells of, and what a tool itself refused: that has no rule. */
	if ((is_word(decision, "denied") || is_word(decision, "deny")) &&
		!is_word(entry->kind, "denial") &&
		(entry->rule != NULL || !is_word(entry->kind, "call"))) {
		tally_add(broker->tally, "denials", entry->kind,
			entry->rule != NULL ? entry->rule : "other");
	}
}

static void write_row(struct broker *broker, const struct audit_entry *entry)
{
	static bool broken;
	struct error err;
	bool failed;

	count_row(broker, entry);
	if (broker->audit == NULL) {
		return;
	}
	failed = audit_row(broker->audit, entry, &err) < 0;
	if (failed && !broken) {
		log_error("the audit log cannot be written: %s", err.text);
	} else if (!failed && broken) {
		log_info("the audit log is written again");
	}
	broken = failed;
	if (failed) {
		tally_add(broker->tally, "auditFailures", NULL, NULL);
	}
}

static void fill_request(struct audit_entry *entry, const struct request *request)
{
	entry->actor = request != NULL ? request->principal.name : "gateway";
	if (request == NULL) {
		return;
	}
	entry->secret = request->token;
	entry->sender = request->sender.from != NULL ? request->sender.from : request->sender.id;
	entry->agent = request->ref.agent_id;
	entry->session = request->ref.key;
}

void broker_record(struct broker *broker, const struct request *request, const char *action,
	const struct record_fields *fields)
{
	struct audit_entry entry =
		AUDIT_ENTRY(fields->kind != NULL ? fields->kind : "gateway", action);

	fill_request(&entry, request);
	entry.tool = fields->tool;
	entry.decision = fields->decision;
	entry.rule = fields->rule;
	entry.reason = fields->reason;
	entry.sandbox = fields->sandbox;
	entry.backend = fields->backend;
	entry.duration_us = fields->duration_us > 0 ? fields->duration_us : -1;
	entry.detail = fields->detail;
	write_row(broker, &entry);
}

static const char *text_of(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key));
}

static int64_t number_of(const json_t *row, const char *key)
{
	const json_t *value = json_object_get(row, key);

	return json_is_integer(value) ? json_integer_value(value) : -1;
}

void broker_record_call(struct broker *broker, const struct request *request, const json_t *row)
{
	const char *kind = text_of(row, "kind"), *action = text_of(row, "action");
	struct audit_entry entry = AUDIT_ENTRY(
		kind != NULL ? kind : "call", action != NULL ? action : text_of(row, "tool"));
	const json_t *code = json_object_get(row, "exitCode");

	fill_request(&entry, request);
	if (request == NULL) {
		entry.agent = text_of(row, "agentId");
		entry.session = text_of(row, "sessionKey");
	}
	entry.tool = text_of(row, "tool");
	entry.sandbox = text_of(row, "sandbox");
	entry.backend = text_of(row, "backend");
	entry.decision = text_of(row, "decision");
	entry.rule = text_of(row, "rule");
	entry.reason = text_of(row, "reason");
	entry.duration_us = number_of(row, "durationUs");
	entry.bytes_in = number_of(row, "bytesIn");
	entry.bytes_out = number_of(row, "bytesOut");
	entry.has_exit = json_is_integer(code);
	entry.exit_code = entry.has_exit ? (int)json_integer_value(code) : 0;
	entry.detail = json_object_get(row, "detail");
	write_row(broker, &entry);
}
