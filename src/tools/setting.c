/* SPDX-License-Identifier: MIT */
/* The tools' own configuration keys, read from the configuration that the decision came from. */
#include <string.h>

#include "tools/internal.h"

static json_t *dig(json_t *value, const char *path)
{
	while (value != NULL && *path != '\0') {
		size_t len = strcspn(path, ".");
		char key[64];

		if (len >= sizeof(key)) {
			return NULL;
		}
		memcpy(key, path, len);
		key[len] = '\0';
		value = json_object_get(value, key);
		path += path[len] == '.' ? len + 1 : len;
	}
	return value;
}

static json_t *agent_entry(const struct decision *decision)
{
	json_t *list = dig(decision->config->root, "agents.list");

	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *agent = json_array_get(list, i);
		const char *id = json_string_value(json_object_get(agent, "id"));

		if (id != NULL && decision->agent_id != NULL &&
			strcmp(id, decision->agent_id) == 0) {
			return agent;
		}
	}
	return NULL;
}

/* path below the agent's entry, else below the root. */
static json_t *setting(const struct decision *decision, const char *path)
{
	json_t *value;

	if (decision == NULL || decision->config == NULL || decision->config->root == NULL) {
		return NULL;
	}
	value = dig(agent_entry(decision), path);
	return value != NULL ? value : dig(decision->config->root, path);
}

json_t *setting_exec(const struct decision *decision, const char *name)
{
	_cleanup_buf_ struct buf path = {0};

	buf_addf(&path, "tools.exec.%s", name);
	return setting(decision, path.data);
}

int64_t setting_exec_int(const struct decision *decision, const char *name, int64_t fallback,
	int64_t min, int64_t max)
{
	const json_t *value = setting_exec(decision, name);
	int64_t number = json_is_integer(value) ? json_integer_value(value) : fallback;

	number = number < min ? min : number;
	return number > max ? max : number;
}

bool setting_bool(const struct decision *decision, const char *path, bool fallback)
{
	const json_t *value = setting(decision, path);

	return json_is_boolean(value) ? json_is_true(value) : fallback;
}
