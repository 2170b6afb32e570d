/* SPDX-License-Identifier: MIT */
/* The layout that Clawdbot had (agent.*, routing.*), brought into the present one. */
#include <string.h>

#include "config/agents.h"
#include "config/index.h"
#include "config/loader.h"

struct migration {
	struct arena *arena;
	struct doc_node *root;
	struct strv *moved;
	struct doc_index agents; /* the items of agents.list by id */
};

static void note(struct migration *m, const char *from, const char *to)
{
	strv_add_ref(m->moved, m->arena, arena_printf(m->arena, "%s -> %s", from, to));
}

static void note_dropped(struct migration *m, const char *from, const char *winner)
{
	strv_add_ref(
		m->moved, m->arena, arena_printf(m->arena, "%s dropped: %s is set", from, winner));
}

/* The object under key, made where it is missing. NULL: something else stands there. */
static struct doc_node *ensure(
	struct migration *m, struct doc_node *object, const char *key, const struct doc_node *like)
{
	struct doc_node *child = doc_get(object, key);

	if (child == NULL) {
		child = doc_new(m->arena, DOC_OBJECT, like);
		child->changed = true;
		doc_set(object, key, child);
		object->changed = true;
	}
	return child->type == DOC_OBJECT ? child : NULL;
}

static void put(struct doc_node *object, const char *key, struct doc_node *child)
{
	doc_set(object, key, child);
	object->changed = true;
}

static struct doc_node *take(struct doc_node *object, const char *key)
{
	struct doc_node *child = doc_take(object, key);

	if (child != NULL) {
		object->changed = true;
	}
	return child;
}

/* What target lacks comes from source; what both have stays as target has it. */
static void fill_missing(
	struct migration *m, struct doc_node *target, struct doc_node *source, const char *to)
{
	_cleanup_doc_index_ struct doc_index members = {0};
	struct doc_node *next;

	doc_index_add_members(&members, target);
	for (struct doc_node *child = source->first; child != NULL; child = next) {
		struct doc_node *present = doc_index_get(&members, child->key);
		const char *path = arena_printf(m->arena, "%s.%s", to, child->key);

		next = child->next;
		if (present == NULL) {
			const char *from = doc_path(m->arena, child);

			doc_add(target, child->key, child);
			target->changed = true;
			note(m, from, path);
		} else if (present->type == DOC_OBJECT && child->type == DOC_OBJECT) {
			fill_missing(m, present, child, path);
			target->changed = target->changed || present->changed;
		} else {
			note_dropped(m, doc_path(m->arena, child), path);
		}
	}
}

/* Hang node under object.key, or merge it into what is there. */
static void move_filling(struct migration *m, struct doc_node *node, struct doc_node *object,
	const char *key, const char *to)
{
	struct doc_node *present = doc_get(object, key);

	if (present == NULL) {
		const char *from = doc_path(m->arena, node);

		put(object, key, node);
		note(m, from, to);
	} else if (present->type == DOC_OBJECT && node->type == DOC_OBJECT) {
		fill_missing(m, present, node, to);
		object->changed = true;
	} else {
		note_dropped(m, doc_path(m->arena, node), to);
	}
}

/* Hang node under object.key unless something is there. */
static void move_if_unset(struct migration *m, struct doc_node *node, struct doc_node *object,
	const char *key, const char *to)
{
	if (node == NULL) {
		return;
	}
	if (object == NULL || doc_get(object, key) != NULL) {
		note_dropped(m, doc_path(m->arena, node), to);
		return;
	}
	move_filling(m, node, object, key, to);
}

/* "tools.sandbox" of an object, made where it is missing. */
static struct doc_node *ensure2(struct migration *m, struct doc_node *object, const char *key,
	const char *key2, const struct doc_node *like)
{
	struct doc_node *child = ensure(m, object, key, like);

	if (child == NULL) {
		return NULL;
	}
	child = ensure(m, child, key2, like);
	doc_get(object, key)->changed = true;
	return child;
}

/* sandbox.tools stood in the sandbox block; it belongs to the tools. */
static void move_sandbox_tools(
	struct migration *m, struct doc_node *owner, struct doc_node *to, const char *prefix)
{
	struct doc_node *sandbox = doc_get(owner, "sandbox");
	struct doc_node *tools = sandbox != NULL ? take(sandbox, "tools") : NULL;
	struct doc_node *target;

	if (tools == NULL) {
		return;
	}
	owner->changed = true;
	target = ensure2(m, to, "tools", "sandbox", tools);
	if (target != NULL) {
		move_filling(m, tools, target, "tools",
			arena_printf(m->arena, "%stools.sandbox.tools", prefix));
	}
}

static void index_agents(struct migration *m, const struct doc_node *list)
{
	for (struct doc_node *item = list->first; item != NULL; item = item->next) {
		const struct doc_node *id = doc_get(item, "id");

		if (id != NULL && id->type == DOC_STRING) {
			doc_index_add(&m->agents, agent_id_normalize(m->arena, id->text), item);
		}
	}
}

/* agents.list, made where it is missing. NULL: something else stands there. */
static struct doc_node *ensure_list(struct migration *m, const struct doc_node *like)
{
	struct doc_node *agents = ensure(m, m->root, "agents", like);
	struct doc_node *list = agents != NULL ? doc_get(agents, "list") : NULL;

	if (agents == NULL) {
		return NULL;
	}
	agents->changed = true;
	if (list == NULL) {
		list = doc_new(m->arena, DOC_ARRAY, like);
		put(agents, "list", list);
	}
	if (list->type != DOC_ARRAY) {
		return NULL;
	}
	if (m->agents.count == 0) {
		index_agents(m, list);
	}
	return list;
}

static struct doc_node *ensure_agent(
	struct migration *m, struct doc_node *list, const char *id, const struct doc_node *like)
{
	const char *name = agent_id_normalize(m->arena, id);
	struct doc_node *item = doc_index_get(&m->agents, name), *id_node;

	if (item != NULL) {
		return item;
	}
	item = doc_new(m->arena, DOC_OBJECT, like);
	item->written_key = like->written_key != NULL ? like->written_key : like->key;
	item->key = NULL;
	item->index = list->count;
	item->changed = true;
	item->made = like->type != DOC_OBJECT; /* an old entry brings its comments */
	id_node = doc_new_string(m->arena, id, like);
	id_node->changed = true;
	doc_append(list, item);
	put(item, "id", id_node);
	doc_index_add(&m->agents, name, item);
	list->changed = true;
	return item;
}

static void move_mention_patterns(struct migration *m, struct doc_node *from, struct doc_node *item)
{
	struct doc_node *patterns = take(from, "mentionPatterns");
	struct doc_node *chat;

	if (patterns != NULL) {
		chat = ensure(m, item, "groupChat", patterns);
		move_if_unset(m, patterns, chat, "mentionPatterns",
			"agents.list[].groupChat.mentionPatterns");
	}
}

static void migrate_routing_agent(struct migration *m, struct doc_node *list, struct doc_node *from)
{
	struct doc_node *item;
	const char *prefix;

	if (from->type != DOC_OBJECT) {
		return;
	}
	item = ensure_agent(m, list, from->key, from);
	item->changed = true;
	list->changed = true;
	prefix = arena_printf(m->arena, "agents.list[%s].", from->key);
	move_sandbox_tools(m, from, item, prefix);
	move_mention_patterns(m, from, item);
	fill_missing(m, item, from, arena_printf(m->arena, "agents.list[%s]", from->key));
}

static void migrate_default_agent(struct migration *m, struct doc_node *routing)
{
	struct doc_node *id = take(routing, "defaultAgentId");
	struct doc_node *list, *item, *value;

	if (id == NULL || id->type != DOC_STRING) {
		return;
	}
	list = ensure_list(m, id);
	for (item = list != NULL ? list->first : NULL; item != NULL; item = item->next) {
		const struct doc_node *is_default = doc_get(item, "default");

		if (is_default != NULL && is_default->type == DOC_BOOL && is_default->boolean) {
			note_dropped(m, "routing.defaultAgentId", "agents.list[].default");
			return;
		}
	}
	if (list == NULL) {
		return;
	}
	item = ensure_agent(m, list, id->text, id);
	value = doc_new(m->arena, DOC_BOOL, id);
	value->boolean = true;
	value->changed = true;
	put(item, "default", value);
	list->changed = true;
	note(m, "routing.defaultAgentId",
		arena_printf(m->arena, "agents.list[%s].default", id->text));
}

static void migrate_routing(struct migration *m)
{
	struct doc_node *routing = doc_get(m->root, "routing");
	struct doc_node *agents, *list, *next, *node;

	if (routing == NULL || routing->type != DOC_OBJECT) {
		return;
	}
	agents = take(routing, "agents");
	list = agents != NULL && agents->type == DOC_OBJECT ? ensure_list(m, agents) : NULL;
	for (node = list != NULL ? agents->first : NULL; node != NULL; node = next) {
		next = node->next;
		migrate_routing_agent(m, list, node);
	}
	migrate_default_agent(m, routing);
	move_if_unset(m, take(routing, "bindings"), m->root, "bindings", "bindings");
	if ((node = take(routing, "agentToAgent")) != NULL) {
		move_if_unset(m, node, ensure(m, m->root, "tools", node), "agentToAgent",
			"tools.agentToAgent");
	}
	if ((node = take(routing, "queue")) != NULL) {
		move_if_unset(
			m, node, ensure(m, m->root, "messages", node), "queue", "messages.queue");
	}
	if ((node = take(routing, "groupChat")) != NULL) {
		move_if_unset(m, node, ensure(m, m->root, "messages", node), "groupChat",
			"messages.groupChat");
	}
	if (routing->count == 0) {
		(void)take(m->root, "routing");
	}
}

static void migrate_bash(struct migration *m)
{
	struct doc_node *tools = doc_get(m->root, "tools");
	struct doc_node *bash = tools != NULL ? take(tools, "bash") : NULL;

	if (bash != NULL) {
		m->root->changed = true;
		move_if_unset(m, bash, tools, "exec", "tools.exec");
	}
}

/* agent.tools.{allow,deny}, agent.elevated, agent.bash, agent.subagents.tools. */
static void migrate_agent_tools(struct migration *m, struct doc_node *agent)
{
	struct doc_node *tools = take(agent, "tools"), *node,
			*subagents = doc_get(agent, "subagents");
	struct doc_node *target;

	if (tools != NULL && tools->type == DOC_OBJECT) {
		target = ensure(m, m->root, "tools", tools);
		move_if_unset(m, take(tools, "allow"), target, "allow", "tools.allow");
		move_if_unset(m, take(tools, "deny"), target, "deny", "tools.deny");
	}
	if ((node = take(agent, "elevated")) != NULL) {
		move_if_unset(
			m, node, ensure(m, m->root, "tools", node), "elevated", "tools.elevated");
	}
	if ((node = take(agent, "bash")) != NULL) {
		move_if_unset(m, node, ensure(m, m->root, "tools", node), "exec", "tools.exec");
	}
	node = subagents != NULL ? take(subagents, "tools") : NULL;
	target = node != NULL ? ensure2(m, m->root, "tools", "subagents", node) : NULL;
	if (target != NULL) {
		move_filling(m, node, target, "tools", "tools.subagents.tools");
	}
	if (subagents != NULL && subagents->type == DOC_OBJECT && subagents->count == 0) {
		(void)take(agent, "subagents");
	}
}

static void migrate_agent(struct migration *m)
{
	struct doc_node *agent = doc_get(m->root, "agent");
	struct doc_node *defaults;

	if (agent == NULL || agent->type != DOC_OBJECT) {
		return;
	}
	(void)take(m->root, "agent");
	migrate_agent_tools(m, agent);
	move_sandbox_tools(m, agent, m->root, "");
	if (agent->count == 0) {
		return;
	}
	defaults = ensure2(m, m->root, "agents", "defaults", agent);
	if (defaults != NULL) {
		defaults->changed = true;
		/* A new one takes over the old block's comments. */
		defaults->made = defaults->made && defaults->count > 0;
		fill_missing(m, defaults, agent, "agents.defaults");
	}
}

/* The order is that of the original: what stands in routing.agents wins over nothing but gaps. */
void migrate_layout(struct arena *a, struct doc_node *root, struct strv *moved)
{
	struct migration m = {.arena = a, .root = root, .moved = moved};

	migrate_routing(&m);
	migrate_bash(&m);
	migrate_agent(&m);
	doc_index_finish(&m.agents);
}

void migrate_doc(struct loader *l)
{
	if (l->root->type == DOC_OBJECT) {
		migrate_layout(l->arena, l->root, &l->config->migrated);
	}
}
