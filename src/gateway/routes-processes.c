/* SPDX-License-Identifier: MIT */
/* Processes in the background of a session, by the byte. */
#include "gateway/routes.h"

#define FIELD_ID                                                                              \
	{                                                                                     \
		"id", HTTP_IN_PATH, HTTP_STRING, true,                                        \
			.as = "sessionId", .doc = "the session id that exec gave the process" \
	}

static const struct http_field list_fields[] = {
	FIELD_SESSION(HTTP_IN_QUERY),
	FIELD_AGENT(HTTP_IN_QUERY),
	FIELD_END,
};

static const struct http_field output_fields[] = {
	FIELD_ID,
	FIELD_SESSION(HTTP_IN_QUERY),
	FIELD_AGENT(HTTP_IN_QUERY),
	{"offset", HTTP_IN_QUERY, HTTP_INTEGER, .doc = "first byte; 0 is the first ever printed"},
	{"limit", HTTP_IN_QUERY, HTTP_INTEGER, .doc = "most bytes to answer with"},
	FIELD_END,
};

static const struct http_field stdin_fields[] = {
	FIELD_ID,
	FIELD_SESSION(HTTP_IN_BODY),
	FIELD_AGENT(HTTP_IN_BODY),
	{"dataBase64", HTTP_IN_BODY, HTTP_STRING, true,
		.doc = "goes to stdin as it is; may be empty"},
	{"eof", HTTP_IN_BODY, HTTP_BOOLEAN, .doc = "close stdin behind it"},
	FIELD_END,
};

static const struct http_field resize_fields[] = {
	FIELD_ID,
	FIELD_SESSION(HTTP_IN_BODY),
	FIELD_AGENT(HTTP_IN_BODY),
	{"rows", HTTP_IN_BODY, HTTP_INTEGER, true, .doc = "of its terminal"},
	{"columns", HTTP_IN_BODY, HTTP_INTEGER, true, .doc = "of its terminal"},
	FIELD_END,
};

static const struct http_field signal_fields[] = {
	FIELD_ID,
	FIELD_SESSION(HTTP_IN_BODY),
	FIELD_AGENT(HTTP_IN_BODY),
	{"signal", HTTP_IN_BODY, HTTP_STRING, true, .doc = "TERM, KILL, INT, HUP, USR1, ..."},
	{"tree", HTTP_IN_BODY, HTTP_BOOLEAN, .doc = "to all that it started, too"},
	FIELD_END,
};

static const struct http_field remove_fields[] = {
	FIELD_ID,
	FIELD_SESSION(HTTP_IN_QUERY),
	FIELD_AGENT(HTTP_IN_QUERY),
	FIELD_END,
};

/* All of it is the process tool: its policy, its sandbox, its processes. */
const struct http_route routes_processes[] = {
	{HTTP_GET, "/v1/processes", "listProcesses", "processes",
		"The processes in the background of a session, and those that ended lately.",
		.tool = "process", .action = "list", .fields = list_fields, .answer = ANSWER_TOOL},
	{HTTP_GET, "/v1/processes/{id}/output", "readOutput", "processes",
		"Output from a byte on. Reading changes nothing: the same offset gives the same bytes.",
		.flags = HTTP_ROUTE_MISSING, .tool = "process", .action = "raw.output",
		.fields = output_fields, .answer = ANSWER_TOOL},
	{HTTP_POST, "/v1/processes/{id}/stdin", "writeStdin", "processes", "Write to stdin.",
		.flags = HTTP_ROUTE_MISSING, .tool = "process", .action = "raw.stdin",
		.fields = stdin_fields, .answer = ANSWER_TOOL},
	{HTTP_POST, "/v1/processes/{id}/resize", "resizeTerminal", "processes",
		"Set the size of its terminal.", .flags = HTTP_ROUTE_MISSING, .tool = "process",
		.action = "raw.resize", .fields = resize_fields, .answer = ANSWER_TOOL},
	{HTTP_POST, "/v1/processes/{id}/signal", "signalProcess", "processes", "Send a signal.",
		.flags = HTTP_ROUTE_MISSING, .tool = "process", .action = "raw.signal",
		.fields = signal_fields, .answer = ANSWER_TOOL},
	{HTTP_DELETE, "/v1/processes/{id}", "removeProcess", "processes",
		"Kill it, if it runs, and forget it.", .tool = "process", .action = "remove",
		.fields = remove_fields, .answer = ANSWER_TOOL},
	{.pattern = NULL},
};
