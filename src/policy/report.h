/* SPDX-License-Identifier: MIT */
/*
 * Decisions as JSON and as text for people. Nothing here decides or looks anything up; the facts of
 * the host come in as arguments. Every json_t returned is new: the caller releases it.
 *
 * Which command prints what, and the options that feed it:
 *   sandbox explain   report_explain(), report_explain_text(): --agent --session --sender --json.
 *                     decide(), then sandbox_resolve() without RESOLVE_CREATE; when that fails its
 *                     text is host.problem and the explanation is printed all the same.
 *   sandbox plan      report_plan(): --agent --session --reveal. A failed sandbox_resolve() is the
 *                     command's error.
 *   policy check      report_verdict(): TOOL --agent --session --provider P (request.model_provider)
 *                     --owner (sender.is_owner) --sender
 *   policy match      report_match(): TOOL --policy JSON
 * report_expand(), report_profile(), report_pipeline() and report_directives() are for callers
 * that show a policy as a whole.
 */
#ifndef POLICY_REPORT_H
#define POLICY_REPORT_H

#include <jansson.h>

#include "base/buf.h"
#include "policy/decide.h"

struct report_layer {
	enum isolation_layer layer;
	bool present;
	const char *detail; /* what is there or what is missing; NULL */
	const char *fix; /* how to get it; NULL */
};

/* What only the host knows. */
struct report_host {
	const char *backend_reason; /* from sandbox_resolve(); NULL: not resolved */
	const char *problem; /* why no sandbox can be started; NULL: one can */
	const struct report_layer *layers;
	size_t layer_count;
};

json_t *report_explain(const struct decision *decision, const struct report_host *host);
void report_explain_text(
	const struct decision *decision, const struct report_host *host, struct buf *out);

/* steps: what the backend would do, an array whose reference is taken over; NULL: an empty one.
 * Values of variables that look like secrets are "***" unless reveal. */
json_t *report_plan(
	const struct decision *decision, const char *backend_reason, json_t *steps, bool reveal);

/* {"allowed","tool","layer","rule","reason","fix":[..],"message"} */
json_t *report_verdict(const struct tool_verdict *verdict);
void report_verdict_text(const struct tool_verdict *verdict, struct buf *out);

/* {"allowed","tool","normalizedTool","rule":{"list","entries"}}. policy: an object with allow and
 * deny lists, either of them absent. */
json_t *report_match(const json_t *policy, const char *tool);

/* {"expanded":[..]}; list NULL or not a list: an empty one. */
json_t *report_expand(const json_t *list);

/* {"policy":{"allow":[..]}}, or {"policy":null} for a profile that does not restrict. */
json_t *report_profile(const char *profile, const json_t *also_allow);

/* {"sandboxed","allowed":[..],"denied":[verdicts]} for each name of a list, NULL: every known tool. */
json_t *report_pipeline(struct decision *decision, const struct decide_request *request,
	const struct strv *universe);

/* {"elevated":{"level","raw"}|null,"exec":{..}|null,"error","cleaned","effective"} */
json_t *report_directives(const char *text);

/* A string for any text: what is not UTF-8 is escaped. NULL gives null. */
json_t *report_text(const char *text);

/* Does a variable of this name hold a secret? Its value is then never printed or logged. */
bool report_is_secret(const char *name);
/* The same, or the value itself tells: a private key. */
bool report_is_secret_value(const char *name, const char *value);
/* "user:password" before the '@' of the first URL in the value: where the password begins and ends. */
bool report_url_password(const char *value, size_t *ret_from, size_t *ret_to);
/* The value of a variable as it may be shown: "***" for a secret; a URL without its password. */
json_t *report_env_value(const char *name, const char *value);

#endif
