/* SPDX-License-Identifier: MIT */
/* Looking up a sandbox key at its two places, and writing down where it was found. */
#include "policy/view.h"
#include "policy/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/mem.h"
#include "policy/text.h"

static const char *const block_names[] = {
	[VIEW_TOP] = "",
	[VIEW_DOCKER] = "docker.",
	[VIEW_BROWSER] = "browser.",
	[VIEW_PRUNE] = "prune.",
	[VIEW_NATIVE] = "native.",
};
_Static_assert(ARRAY_SIZE(block_names) == VIEW_BLOCK_COUNT_, "every block has a name");

const json_t *view_at(
	const struct view *v, enum view_level level, enum view_block block, const char *key)
{
	const json_t *value;

	if (level == VIEW_DEFAULT || (level == VIEW_AGENT && v->shared && block != VIEW_TOP)) {
		return NULL;
	}
	value = json_object_get(v->blocks[level][block], key);
	return json_is_null(value) ? NULL : value;
}

const json_t *view_get(
	const struct view *v, enum view_block block, const char *key, enum view_level *ret_level)
{
	const json_t *value = view_at(v, VIEW_AGENT, block, key);

	*ret_level = VIEW_AGENT;
	if (value == NULL) {
		value = view_at(v, VIEW_DEFAULTS, block, key);
		*ret_level = value != NULL ? VIEW_DEFAULTS : VIEW_DEFAULT;
	}
	return value;
}

const char *view_agent_key(const struct view *v, const char *rest)
{
	return text_concat(v->arena, v->agent_path, ".", rest, NULL);
}

const char *view_key(
	const struct view *v, enum view_level level, enum view_block block, const char *key)
{
	switch (level) {
	case VIEW_DEFAULTS:
		return text_concat(
			v->arena, "agents.defaults.sandbox.", block_names[block], key, NULL);
	case VIEW_AGENT:
		return text_concat(
			v->arena, v->agent_path, ".sandbox.", block_names[block], key, NULL);
	case VIEW_DEFAULT:
		break;
	}
	return "default";
}

enum {
	/* More than the fields of a decision with a large env; grows beyond. */
	PROVENANCE_CHUNK = 64,
};

void view_provenance(struct view *v, const char *field, const char *key)
{
	struct decision *d = v->decision;

	if (d->provenance_count % PROVENANCE_CHUNK == 0) {
		struct provenance *grown = arena_calloc(
			v->arena, d->provenance_count + PROVENANCE_CHUNK, sizeof(*grown));

		if (d->provenance_count > 0) {
			memcpy(grown, d->provenance, d->provenance_count * sizeof(*grown));
		}
		d->provenance = grown;
	}
	d->provenance[d->provenance_count++] = (struct provenance){.field = field, .key = key};
}

void view_problem(struct view *v, const char *key, const char *fmt, ...)
{
	va_list args;
	char *text = NULL;

	if (v->decision->problem != NULL) {
		return;
	}
	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) >= 0) {
		v->decision->problem = arena_strdup(v->arena, text);
		v->decision->problem_key = key;
	}
	va_end(args);
	free(text);
}

void view_strings(struct arena *a, const json_t *list, struct strv *ret)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (json_is_string(item)) {
			strv_add_ref(ret, a, json_string_value(item));
		} else if (json_is_integer(item)) {
			strv_add_ref(ret, a,
				arena_printf(a, "%" JSON_INTEGER_FORMAT, json_integer_value(item)));
		}
	}
}

static void find_blocks(struct view *v)
{
	for (int level = 0; level < 2; level++) {
		v->blocks[level][VIEW_TOP] = v->sandbox[level];
		for (int i = VIEW_TOP + 1; i < VIEW_BLOCK_COUNT_; i++) {
			/* The name without its dot. */
			v->blocks[level][i] = json_object_getn(
				v->sandbox[level], block_names[i], strlen(block_names[i]) - 1);
		}
	}
}

void view_init(struct view *v, struct decision *d, const struct decide_request *request)
{
	const json_t *agents = json_object_get(d->config->root, "agents");

	*v = (struct view){
		.arena = &d->arena,
		.decision = d,
		.request = request,
		.root = d->config->root,
		.tools = json_object_get(d->config->root, "tools"),
		.defaults = json_object_get(agents, "defaults"),
	};
	session_resolve(v->arena, v->root, request->agent, request->session, &v->session);
	v->agent = session_agent_entry(v->arena, v->root, v->session.agent_id, &v->agent_index);
	v->agent_tools = json_object_get(v->agent, "tools");
	v->sandbox[VIEW_DEFAULTS] = json_object_get(v->defaults, "sandbox");
	v->sandbox[VIEW_AGENT] = json_object_get(v->agent, "sandbox");
	v->shared = d->scope == SCOPE_SHARED;
	v->agent_path = v->agent_index < d->config->agent_count
				? d->config->agent_keys[v->agent_index]
				: arena_printf(v->arena, "agents.list[%zu]", v->agent_index);
	find_blocks(v);
}

static size_t binds_add(struct view *v, enum view_level level, enum view_block block, size_t count)
{
	const json_t *list = view_at(v, level, block, "binds"), *item;
	struct decision *d = v->decision;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (!json_is_string(item)) {
			continue;
		}
		d->binds[count++] = (struct bind_entry){
			.raw = json_string_value(item),
			.key = view_key(v, level, block, arena_printf(v->arena, "binds[%zu]", i)),
		};
	}
	return count;
}

void view_binds(struct view *v, enum view_block block)
{
	struct decision *d = v->decision;
	size_t most = json_array_size(view_at(v, VIEW_DEFAULTS, block, "binds")) +
		      json_array_size(view_at(v, VIEW_AGENT, block, "binds"));

	d->binds = arena_calloc(v->arena, most + 1, sizeof(*d->binds));
	d->bind_count = binds_add(v, VIEW_DEFAULTS, block, 0);
	d->bind_count = binds_add(v, VIEW_AGENT, block, d->bind_count);
}

void view_check_network(struct view *v, const char *network, const char *key)
{
	const char *folded = text_fold(v->arena, network);

	if (strcmp(folded, "host") == 0) {
		view_problem(v, key,
			"network 'host' is refused: the sandbox would share the host's network; "
			"use none, bridge or the name of a network");
	}
	if (strncmp(folded, "container:", 10) == 0 && !v->decision->allow_namespace_join) {
		view_problem(v, key,
			"network '%s' is refused: it joins another container's network; set "
			"docker.dangerouslyAllowContainerNamespaceJoin to allow it",
			network);
	}
}
