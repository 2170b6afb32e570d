/* SPDX-License-Identifier: MIT */
#include "tools/mime.h"

#include <string.h>
#include <strings.h>

#include "base/macro.h"

/* The IANA registry where it has a type, else what file(1) says. Files of code that have no type
 * that anybody acts on are text/plain. */
static const struct {
	const char *ending, *type;
	bool is_text;
} types[] = {
	{"c", "text/x-c", true},
	{"css", "text/css", true},
	{"csv", "text/csv", true},
	{"gz", "application/gzip", false},
	{"h", "text/x-c", true},
	{"htm", "text/html", true},
	{"html", "text/html", true},
	{"js", "text/javascript", true},
	{"json", "application/json", true},
	{"md", "text/markdown", true},
	{"mjs", "text/javascript", true},
	{"pdf", "application/pdf", false},
	{"py", "text/x-python", true},
	{"sh", "text/x-shellscript", true},
	{"svg", "image/svg+xml", true},
	{"tar", "application/x-tar", false},
	{"toml", "application/toml", true},
	{"ts", "text/x-typescript", true},
	{"wasm", "application/wasm", false},
	{"xml", "application/xml", true},
	{"yaml", "application/yaml", true},
	{"yml", "application/yaml", true},
	{"zip", "application/zip", false},
};

/* -1: none of them. */
static int find_type(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *dot = strrchr(slash != NULL ? slash : path, '.');

	for (size_t i = 0; dot != NULL && i < ARRAY_SIZE(types); i++) {
		if (strcasecmp(types[i].ending, dot + 1) == 0) {
			return (int)i;
		}
	}
	return -1;
}

const char *mime_by_name(const char *path)
{
	int found = find_type(path);

	return found >= 0 ? types[found].type : NULL;
}

const char *mime_of_path(const char *path, bool is_text)
{
	int found = find_type(path);

	if (found >= 0 && types[found].is_text == is_text) {
		return types[found].type;
	}
	return is_text ? "text/plain" : "application/octet-stream";
}
