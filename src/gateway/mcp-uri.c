/* SPDX-License-Identifier: MIT */
#include "gateway/mcp-uri.h"

#include <errno.h>
#include <string.h>

#include "tools/utf8.h"

/* RFC 3986: pchar without "%", and the slash. Of the sub-delims those that clients leave alone. */
static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~/!$&'()*+,;=:@", c) != NULL);
}

void mcp_uri_add(struct buf *out, const char *path)
{
	buf_add_str(out, MCP_URI_PREFIX);
	for (const char *c = path; *c != '\0'; c++) {
		if (is_plain(*c)) {
			buf_add_char(out, *c);
		} else {
			buf_addf(out, "%%%02X", (unsigned)(unsigned char)*c);
		}
	}
}

static int hex(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int decode(const char *text, struct buf *out, struct error *err)
{
	for (; *text != '\0'; text++) {
		int high, low;

		if (*text == '?' || *text == '#') {
			return error_plain(
				err, EINVAL, "a workspace URI has no query and no fragment");
		}
		if (*text != '%') {
			buf_add_char(out, *text);
			continue;
		}
		high = hex(text[1]);
		low = high >= 0 ? hex(text[2]) : -1;
		if (low < 0 || (high == 0 && low == 0)) {
			return error_plain(err, EINVAL,
				"a percent sign stands before two hexadecimal digits, not both 0");
		}
		buf_add_char(out, (char)(high << 4 | low));
		text += 2;
	}
	return 0;
}

/* No segment that would have to be resolved: one file has one URI. */
static bool is_canonical(const char *path)
{
	for (;;) {
		size_t len = strcspn(path, "/");

		if (len == 0 || (len == 1 && path[0] == '.') ||
			(len == 2 && path[0] == '.' && path[1] == '.')) {
			return false;
		}
		if (path[len] == '\0') {
			return true;
		}
		path += len + 1;
	}
}

int mcp_uri_parse(const char *uri, struct buf *out, struct error *err)
{
	_cleanup_buf_ struct buf path = {0};
	int r;

	if (strncmp(uri, MCP_URI_PREFIX, strlen(MCP_URI_PREFIX)) != 0) {
		return error_plain(err, EINVAL, "resources here are named " MCP_URI_PREFIX "PATH");
	}
	r = decode(uri + strlen(MCP_URI_PREFIX), &path, err);
	if (r < 0) {
		return r;
	}
	if (path.len == 0 || !is_canonical(path.data) || !utf8_is_valid(path.data, path.len)) {
		return error_plain(err, EINVAL,
			"the path must be relative to the workspace, without empty parts, . and ..");
	}
	buf_add(out, path.data, path.len);
	return 0;
}
