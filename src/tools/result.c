/* SPDX-License-Identifier: MIT */
/* Pieces of results. */
#include <stdlib.h>

#include "tools/internal.h"
#include "tools/utf8.h"

void tool_result_finish(struct tool_result *result)
{
	json_decref(result->content);
	json_decref(result->details);
	free(result->failure.message);
	free(result->failure.hint);
	*result = (struct tool_result){0};
}

json_t *result_string(const char *text, size_t len)
{
	_cleanup_buf_ struct buf clean = {0};

	if (len == 0) {
		return json_string("");
	}
	utf8_clean(&clean, text, len);
	return json_stringn_nocheck(clean.data != NULL ? clean.data : "", clean.len);
}

json_t *result_text(const char *text, size_t len)
{
	json_t *block = json_object();
	json_t *content = json_array();

	(void)json_object_set_new(block, "type", json_string("text"));
	(void)json_object_set_new(block, "text",
		utf8_is_valid(text, len) ? json_stringn_nocheck(text, len)
					 : result_string(text, len));
	(void)json_array_append_new(content, block);
	return content;
}
