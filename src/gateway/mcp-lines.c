/* SPDX-License-Identifier: MIT */
#include "gateway/mcp-lines.h"

#include <string.h>

#include "base/limits.h"

void mcp_lines_finish(struct mcp_lines *lines)
{
	buf_finish(&lines->bytes);
	*lines = (struct mcp_lines){0};
}

/* What was taken goes now and then, not line by line: that would move a whole batch each time. */
static void drop_taken(struct mcp_lines *lines)
{
	buf_consume(&lines->bytes, lines->at);
	lines->looked -= lines->at;
	lines->at = 0;
	if (lines->bytes.len == 0) {
		buf_finish(&lines->bytes); /* a long message does not keep its memory */
	}
}

void mcp_lines_add(struct mcp_lines *lines, const char *data, size_t len)
{
	drop_taken(lines);
	if (lines->skips) {
		const char *end = memchr(data, '\n', len);
		size_t skipped = end != NULL ? (size_t)(end - data) + 1 : len;

		lines->skips = end == NULL;
		data += skipped;
		len -= skipped;
	}
	buf_add(&lines->bytes, data, len);
}

static enum mcp_line too_long(struct mcp_lines *lines, size_t len, bool whole)
{
	lines->skips = !whole;
	lines->at += len + (whole ? 1 : 0);
	lines->looked = lines->at;
	return MCP_LINE_TOO_LONG;
}

enum mcp_line mcp_lines_next(struct mcp_lines *lines, const char **ret, size_t *ret_len)
{
	while (lines->at < lines->bytes.len) {
		const char *line = lines->bytes.data + lines->at;
		const char *from = lines->bytes.data + lines->looked;
		const char *end = memchr(from, '\n', lines->bytes.len - lines->looked);
		size_t len = end != NULL ? (size_t)(end - line) : lines->bytes.len - lines->at;

		if (len > LIMIT_MCP_MESSAGE) {
			return too_long(lines, len, end != NULL);
		}
		if (end == NULL) {
			lines->looked = lines->bytes.len;
			return MCP_LINE_NONE;
		}
		lines->at += len + 1;
		lines->looked = lines->at;
		if (strspn(line, " \t\r\n") < len) {
			*ret = line;
			*ret_len = len;
			return MCP_LINE;
		}
	}
	return MCP_LINE_NONE;
}
