/* SPDX-License-Identifier: MIT */
/* The files of a session's workspace, through the file tools. */
#include "gateway/routes.h"

#define FIELD_PATH(where, must, text)                           \
	{                                                       \
		"path", where, HTTP_STRING, must, .doc = (text) \
	}
#define FIELD_LIMIT(text)                                           \
	{                                                           \
		"limit", HTTP_IN_QUERY, HTTP_INTEGER, .doc = (text) \
	}
#define FIELD_NO_IGNORE                                             \
	{                                                           \
		"noIgnore", HTTP_IN_QUERY, HTTP_BOOLEAN,            \
			.doc = "look at what .gitignore hides, too" \
	}
static const char a_file[] = "a file, relative to the workspace or absolute";
static const char a_start[] = "where to start; the workspace when it is left out";

static const struct http_field read_fields[] = {
	FIELD_SESSION(HTTP_IN_QUERY),
	FIELD_AGENT(HTTP_IN_QUERY),
	FIELD_PATH(HTTP_IN_QUERY, true, a_file),
	{"offset", HTTP_IN_QUERY, HTTP_INTEGER, .doc = "first line, from 1"},
	FIELD_LIMIT("number of lines"),
	FIELD_END,
};

static const struct http_field write_fields[] = {
	FIELD_SESSION(HTTP_IN_BODY),
	FIELD_AGENT(HTTP_IN_BODY),
	FIELD_PATH(HTTP_IN_BODY, true, a_file),
	{"content", HTTP_IN_BODY, HTTP_STRING, true, .doc = "all that the file shall hold"},
	FIELD_END,
};

static const struct http_field edit_fields[] = {
	FIELD_SESSION(HTTP_IN_BODY),
	FIELD_AGENT(HTTP_IN_BODY),
	FIELD_PATH(HTTP_IN_BODY, true, a_file),
	{"oldText", HTTP_IN_BODY, HTTP_STRING, true, .doc = "the passage; it must be there once"},
	{"newText", HTTP_IN_BODY, HTTP_STRING, true, .doc = "what comes in its place"},
	FIELD_END,
};

static const struct http_field patch_fields[] = {
	FIELD_SESSION(HTTP_IN_BODY),
	FIELD_AGENT(HTTP_IN_BODY),
	{"input", HTTP_IN_BODY, HTTP_STRING, true, .doc = "from *** Begin Patch to *** End Patch"},
	FIELD_END,
};

static const struct http_field ls_fields[] = {
	FIELD_SESSION(HTTP_IN_QUERY),
	FIELD_AGENT(HTTP_IN_QUERY),
	FIELD_PATH(HTTP_IN_QUERY, false, "a directory; the workspace when it is left out"),
	FIELD_LIMIT("most entries"),
	FIELD_END,
};

static const struct http_field glob_fields[] = {
	FIELD_SESSION(HTTP_IN_QUERY),
	FIELD_AGENT(HTTP_IN_QUERY),
	{"pattern", HTTP_IN_QUERY, HTTP_STRING, true, .doc = "like src/**/*.c"},
	FIELD_PATH(HTTP_IN_QUERY, false, a_start),
	FIELD_NO_IGNORE,
	FIELD_LIMIT("most paths"),
	FIELD_END,
};

static const struct http_field grep_fields[] = {
	FIELD_SESSION(HTTP_IN_QUERY),
	FIELD_AGENT(HTTP_IN_QUERY),
	{"pattern", HTTP_IN_QUERY, HTTP_STRING, true, .doc = "a regular expression"},
	FIELD_PATH(HTTP_IN_QUERY, false, a_start),
	{"glob", HTTP_IN_QUERY, HTTP_STRING, .doc = "only files that match, like *.c"},
	{"ignoreCase", HTTP_IN_QUERY, HTTP_BOOLEAN, .doc = "upper and lower case are the same"},
	{"literal", HTTP_IN_QUERY, HTTP_BOOLEAN, .doc = "the pattern is plain text"},
	{"context", HTTP_IN_QUERY, HTTP_INTEGER, .doc = "lines around each match"},
	FIELD_NO_IGNORE,
	FIELD_LIMIT("most matches"),
	FIELD_END,
};

/* The read tool by the byte, for programs: a model is not told of it. */
static void read_raw(struct http_exchange *x)
{
	json_t *fields = http_exchange_fields(x), *args;

	if (fields == NULL) {
		return;
	}
	args = json_copy(fields);
	(void)json_object_del(args, "agent");
	(void)json_object_del(args, "session");
	(void)json_object_set_new(args, "raw", json_true());
	http_exchange_call(
		x, &(struct http_tool_call){
			   .agent = json_string_value(json_object_get(fields, "agent")),
			   .session = json_string_value(json_object_get(fields, "session")),
			   .tool = "read",
			   .args = args,
			   .denied_status = 403,
		   });
	json_decref(fields);
}

static const struct http_field raw_fields[] = {
	FIELD_SESSION(HTTP_IN_QUERY),
	FIELD_AGENT(HTTP_IN_QUERY),
	FIELD_PATH(HTTP_IN_QUERY, true, a_file),
	{"offset", HTTP_IN_QUERY, HTTP_INTEGER, .doc = "first byte, from 0"},
	FIELD_LIMIT("most bytes, up to 5 MiB"),
	FIELD_END,
};

const struct http_route routes_files[] = {
	{HTTP_GET, "/v1/files", "readFile", "files", "Read a page of a text file, or an image.",
		.flags = HTTP_ROUTE_MISSING, .tool = "read", .fields = read_fields,
		.answer = ANSWER_TOOL},
	{HTTP_GET, "/v1/files/raw", "readBytes", "files",
		"Read the bytes of a file: details has size, offset, bytes, encoding and data.",
		.flags = HTTP_ROUTE_MISSING, .run = read_raw, .fields = raw_fields,
		.answer = ANSWER_TOOL},
	{HTTP_PUT, "/v1/files", "writeFile", "files", "Write a file.", .flags = HTTP_ROUTE_LARGE,
		.tool = "write", .fields = write_fields, .answer = ANSWER_TOOL},
	{HTTP_POST, "/v1/files/edit", "editFile", "files", "Replace one passage of a file.",
		.flags = HTTP_ROUTE_LARGE | HTTP_ROUTE_MISSING, .tool = "edit",
		.fields = edit_fields, .answer = ANSWER_TOOL},
	{HTTP_POST, "/v1/files/patch", "patchFiles", "files",
		"Apply a patch: all of it, or nothing.", .flags = HTTP_ROUTE_LARGE,
		.tool = "apply_patch", .fields = patch_fields, .answer = ANSWER_TOOL},
	{HTTP_GET, "/v1/files/ls", "listDirectory", "files", "List a directory.",
		.flags = HTTP_ROUTE_MISSING, .tool = "ls", .fields = ls_fields,
		.answer = ANSWER_TOOL},
	{HTTP_GET, "/v1/files/glob", "findFiles", "files", "Find files by name.",
		.flags = HTTP_ROUTE_MISSING, .tool = "glob", .fields = glob_fields,
		.answer = ANSWER_TOOL},
	{HTTP_GET, "/v1/files/grep", "searchFiles", "files", "Search in files.",
		.flags = HTTP_ROUTE_MISSING, .tool = "grep", .fields = grep_fields,
		.answer = ANSWER_TOOL},
	{.pattern = NULL},
};
