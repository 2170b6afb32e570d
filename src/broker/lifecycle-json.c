/* SPDX-License-Identifier: MIT */
/* One sandbox as `creel sandbox list --json` and the gateway show it. */
#include <string.h>

#include "broker/lifecycle-list.h"

static json_t *lines_json(const char *text)
{
	json_t *list = json_array();

	while (text != NULL && *text != '\0') {
		size_t len = strcspn(text, "\n");

		(void)json_array_append_new(list, json_stringn(text, len));
		text += len + (text[len] == '\n' ? 1 : 0);
	}
	return list;
}

json_t *lifecycle_sandbox_json(const struct lifecycle_sandbox *sandbox)
{
	const struct registry_row *row = &sandbox->row;
	bool running = sandbox->status == STATUS_RUNNING;
	json_t *object = json_pack("{s:s,s:s?,s:s?,s:I,s:I,s:s?,s:s?,s:s,s:s,s:b,s:b,s:b,s:s?}",
		"containerName", row->name, "sessionKey", row->scope_key, "agentId", row->agent,
		"createdAtMs", (json_int_t)row->created_ms, "lastUsedAtMs",
		(json_int_t)row->last_used_ms, "image", row->image, "configHash", row->config_hash,
		"backendId", row->backend, "status", sandbox_status_name(sandbox->status),
		"running", running ? 1 : 0, "inUse", sandbox->in_use ? 1 : 0, "imageMatch",
		sandbox->image_matches ? 1 : 0, "workspaceDir", row->workspace);

	(void)json_object_set_new(object, "dangerousBinds", lines_json(row->dangerous));
	return object;
}
