/* SPDX-License-Identifier: MIT */
/* Session keys, agent ids and channels from any bytes: names stay safe, answers stay the same. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "policy/session.h"
#include "policy/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const char *name)
{
	assert(*name != '\0' && strlen(name) <= SESSION_NAME_MAX);
	assert(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == strlen(name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static json_t *root;
	_cleanup_arena_ struct arena a = {0};
	/* Up to the first newline the agent, behind it the session. */
	char *agent = arena_strndup(&a, (const char *)data, size), *session = strchr(agent, '\n');
	struct session_ref ref, again;

	if (root == NULL) {
		root = json_pack("{s:{s:s},s:{s:[{s:s}]}}", "session", "mainKey", "primary",
			"agents", "list", "id", "Work Bot");
	}
	if (session != NULL) {
		*session++ = '\0';
	}
	session_resolve(&a, root, agent, session, &ref);
	session_resolve(&a, root, agent, session, &again);
	assert(strcmp(ref.key, again.key) == 0 && ref.is_main == again.is_main);
	assert(strlen(ref.agent_id) <= SESSION_AGENT_MAX && *ref.agent_id != '\0');
	assert(strcmp(session_agent_id(&a, ref.agent_id), ref.agent_id) == 0);
	check_name(session_container_name(&a, "c-", SCOPE_SESSION,
		session_scope_key(&a, SCOPE_SESSION, ref.key, ref.agent_id)));
	check_name(session_container_name(
		&a, "c-", SCOPE_AGENT, session_scope_key(&a, SCOPE_AGENT, ref.key, ref.agent_id)));
	(void)session_channel(&a, ref.key, ref.main_name);
	(void)session_subagent_depth(ref.key);
	return 0;
}
