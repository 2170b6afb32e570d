/* SPDX-License-Identifier: MIT */
/* Sandboxes, sessions, approvals, and the gateway itself: the broker does it all. */
#include "gateway/routes.h"

#define FIELD_KEY                                                                    \
	{                                                                            \
		"key", HTTP_IN_PATH, HTTP_STRING, true,                              \
			.as = "session", .doc = "the session's key, percent-encoded" \
	}

static const struct http_field no_fields[] = {FIELD_END};

static const struct http_field sandbox_list_fields[] = {
	{"browser", HTTP_IN_QUERY, HTTP_BOOLEAN, .doc = "those of browsers only"},
	FIELD_END,
};

static const struct http_field recreate_fields[] = {
	{"all", HTTP_IN_BODY, HTTP_BOOLEAN, .doc = "every one"},
	{"sessionKey", HTTP_IN_BODY, HTTP_STRING, .as = "session", .doc = "this session's"},
	{"agentId", HTTP_IN_BODY, HTTP_STRING, .as = "agent", .doc = "this agent's"},
	{"browser", HTTP_IN_BODY, HTTP_BOOLEAN, .doc = "those of browsers only"},
	FIELD_END,
};

static const struct http_field rm_fields[] = {
	{"name", HTTP_IN_PATH, HTTP_STRING, true, .doc = "the sandbox's name"},
	{"browser", HTTP_IN_QUERY, HTTP_BOOLEAN, .doc = "it is a browser's"},
	FIELD_END,
};

static const struct http_field session_fields[] = {
	FIELD_KEY,
	FIELD_AGENT(HTTP_IN_QUERY),
	FIELD_END,
};

static const struct http_field directive_fields[] = {
	FIELD_KEY,
	FIELD_AGENT(HTTP_IN_BODY),
	{"text", HTTP_IN_BODY, HTTP_STRING, true,
		.doc = "/exec host=.. or /elevated on, as in a message"},
	FIELD_END,
};

static const struct http_field decide_fields[] = {
	{"id", HTTP_IN_PATH, HTTP_STRING, true, .doc = "of the approval"},
	{"decision", HTTP_IN_BODY, HTTP_STRING, true, .doc = "what to do", .values = "allow|deny"},
	FIELD_END,
};

static const struct http_field audit_fields[] = {
	{"sessionKey", HTTP_IN_QUERY, HTTP_STRING, .as = "session", .doc = "rows of this session"},
	{"after", HTTP_IN_QUERY, HTTP_INTEGER, .doc = "rows behind the one with this number"},
	{"limit", HTTP_IN_QUERY, HTTP_INTEGER, .doc = "most rows to answer with"},
	FIELD_END,
};

const struct http_route routes_admin[] = {
	{HTTP_GET, "/v1/sandboxes", "listSandboxes", "sandboxes", "The sandboxes there are.",
		.op = "sandbox.list", .fields = sandbox_list_fields,
		.answer = ANSWER_LIST("sandboxes")},
	{HTTP_POST, "/v1/sandboxes/recreate", "recreateSandboxes", "sandboxes",
		"Remove sandboxes; the next call makes them anew from today's configuration.",
		.op = "sandbox.recreate", .fields = recreate_fields,
		.answer = ANSWER_LIST("removed")},
	{HTTP_POST, "/v1/sandboxes/prune", "pruneSandboxes", "sandboxes",
		"Remove those that prune's limits on age and idle time are past.",
		.op = "sandbox.prune", .fields = no_fields, .answer = ANSWER_LIST("removed")},
	{HTTP_DELETE, "/v1/sandboxes/{name}", "removeSandbox", "sandboxes", "Remove one.",
		.flags = HTTP_ROUTE_MISSING, .op = "sandbox.rm", .fields = rm_fields,
		.answer = ANSWER_LIST("removed")},
	{HTTP_GET, "/v1/sessions", "listSessions", "sessions", "The sessions there are.",
		.op = "session.list", .fields = no_fields, .answer = ANSWER_LIST("sessions")},
	{HTTP_GET, "/v1/sessions/{key}", "getSession", "sessions", "One session.",
		.flags = HTTP_ROUTE_MISSING, .op = "session.get", .fields = session_fields,
		.answer = ANSWER_OBJECT},
	{HTTP_DELETE, "/v1/sessions/{key}", "endSession", "sessions",
		"End a session: its directives go, its background processes are killed.",
		.flags = HTTP_ROUTE_MISSING, .op = "session.end", .fields = session_fields,
		.answer = ANSWER_OBJECT},
	{HTTP_POST, "/v1/sessions/{key}/directives", "giveDirective", "sessions",
		"Give the session a message that may hold directives. Only authorised senders change "
		"anything.",
		.flags = HTTP_ROUTE_SENDER, .op = "session.directive", .fields = directive_fields,
		.answer = ANSWER_OBJECT},
	{HTTP_GET, "/v1/approvals", "listApprovals", "approvals",
		"Commands that wait for a person's decision.", .op = "approval.list",
		.fields = no_fields, .answer = ANSWER_LIST("approvals")},
	{HTTP_POST, "/v1/approvals/{id}", "decideApproval", "approvals", "Allow or deny one.",
		.flags = HTTP_ROUTE_MISSING, .op = "approval.decide", .fields = decide_fields,
		.answer = ANSWER_OBJECT},
	{HTTP_POST, "/v1/config/reload", "reloadConfig", "gateway",
		"Read the configuration again; an invalid one changes nothing.",
		.op = "config.reload", .fields = no_fields, .answer = ANSWER_OBJECT},
	{HTTP_GET, "/v1/audit", "queryAudit", "gateway", "Rows of the audit log.",
		.op = "audit.query", .fields = audit_fields, .answer = ANSWER_LIST("rows")},
	{HTTP_GET, "/v1/status", "getStatus", "gateway", "What creel gateway status --json prints.",
		.op = "status", .fields = no_fields, .answer = ANSWER_OBJECT},
	{.pattern = NULL},
};
