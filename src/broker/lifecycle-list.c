/* SPDX-License-Identifier: MIT */
/* Putting together what the registry, the engines and the homes say. */
#include "broker/lifecycle-list.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/own.h"
#include "base/path.h"
#include "broker/lifecycle-internal.h"
#include "sandbox/engine.h"

const char *sandbox_status_name(enum sandbox_status status)
{
	static const char *const names[] = {"stopped", "running", "unknown"};

	return names[status];
}

int64_t lifecycle_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / (int64_t)NS_PER_MS;
}

void lifecycle_list_finish(struct lifecycle_list *list)
{
	arena_finish(&list->arena);
	*list = (struct lifecycle_list){0};
}

/* --- agents --- */

/* One agent's settings, as far as they matter here. */
struct agent {
	const char *id, *images[KIND_COUNT_], *socket, *workspace_root;
	bool engine_wanted; /* its backend is docker: an engine that is away is worth a word */
	int64_t idle_hours, max_age_days;
};

struct listing {
	struct lifecycle *l;
	struct lifecycle_list *list;
	size_t room;
	struct agent *agents; /* the first is the default one */
	size_t agent_count;
};

static const char *browser_image(const struct listing *g, const char *id)
{
	const struct decide_request request = {.agent = id, .browser = true};
	struct decision *d = NULL;
	const char *image = NULL;
	struct error ignored;

	if (decide(g->l->config, &request, &d, &ignored) == 0) {
		image = arena_strdup(&g->list->arena, d->spec.image);
	}
	(void)decision_free(d);
	return image;
}

static void add_agent(struct listing *g, const char *id)
{
	const struct decide_request request = {.agent = id};
	struct arena *a = &g->list->arena;
	struct decision *d = NULL;
	struct agent *agent;
	struct error ignored;

	if (decide(g->l->config, &request, &d, &ignored) < 0) {
		return;
	}
	agent = &g->agents[g->agent_count++];
	*agent = (struct agent){
		.id = arena_strdup(a, d->agent_id),
		.images = {[KIND_SANDBOX] = arena_strdup(a, d->spec.image),
			[KIND_BROWSER] = browser_image(g, id)},
		.workspace_root = arena_strdup(a, d->workspace_root),
		.engine_wanted = d->spec.backend == BACKEND_DOCKER,
		.idle_hours = d->prune_idle_hours,
		.max_age_days = d->prune_max_age_days,
	};
	if ((d->spec.backend == BACKEND_DOCKER || d->spec.backend == BACKEND_AUTO) &&
		engine_find(d, &ignored) == 0) {
		agent->socket = arena_strdup(a, d->spec.docker_socket);
	}
	(void)decision_free(d);
}

static void add_agents(struct listing *g)
{
	const json_t *list = config_get(g->l->config, "agents.list"), *item;
	size_t i;

	g->agents = arena_calloc(&g->list->arena, json_array_size(list) + 1, sizeof(*g->agents));
	add_agent(g, NULL);
	json_array_foreach(list, i, item)
	{
		const char *id = json_string_value(json_object_get(item, "id"));

		if (id != NULL) {
			add_agent(g, id);
		}
	}
}

static const struct agent *agent_of(const struct listing *g, const char *id)
{
	for (size_t i = 0; i < g->agent_count; i++) {
		if (id != NULL && strcmp(g->agents[i].id, id) == 0) {
			return &g->agents[i];
		}
	}
	return g->agent_count > 0 ? &g->agents[0] : NULL;
}

/* --- items --- */

static struct lifecycle_sandbox *add_item(struct listing *g, const struct registry_row *row)
{
	struct lifecycle_list *list = g->list;
	struct lifecycle_sandbox *item;

	if (list->count == g->room) {
		size_t room = g->room > 0 ? g->room * 2 : 16;
		struct lifecycle_sandbox *more = arena_calloc(&list->arena, room, sizeof(*more));

		if (list->count > 0) {
			(void)memcpy(more, list->items, list->count * sizeof(*more));
		}
		list->items = more;
		g->room = room;
	}
	item = &list->items[list->count++];
	*item = (struct lifecycle_sandbox){.row = *row, .status = STATUS_UNKNOWN};
	return item;
}

static size_t find_item(const struct listing *g, const char *name)
{
	size_t i = 0;

	while (i < g->list->count && (g->list->items[i].row.name == NULL ||
					     strcmp(g->list->items[i].row.name, name) != 0)) {
		i++;
	}
	return i;
}

static bool is_same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool is_same_place(const struct registry_row *a, const struct registry_row *b)
{
	return is_same(a->backend, b->backend) && is_same(a->socket, b->socket) &&
	       is_same(a->config_hash, b->config_hash);
}

/* What is there, and so is right; the registry may not know it. */
static void see(struct listing *g, const struct registry_row *row, enum sandbox_status status)
{
	size_t i = find_item(g, row->name);
	bool known = i < g->list->count;
	struct registry_row *has = known ? &g->list->items[i].row : &add_item(g, row)->row;
	struct registry_row now = *row;
	struct error ignored;

	now.last_used_ms = has->last_used_ms;
	now.workspace = now.workspace != NULL ? now.workspace : has->workspace;
	if (g->l->registry != NULL && (!known || !is_same_place(has, row))) {
		(void)registry_put(g->l->registry, &now, &ignored);
	}
	*has = now;
	g->list->items[i].status = status;
	g->list->items[i].seen = true;
}

/* --- engines --- */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL && text[0] != '\0' ? text : NULL;
}

static void see_container(struct listing *g, const char *socket, const json_t *container)
{
	const json_t *labels = json_object_get(container, "Labels");
	const char *prefix = g->l->config->brand->label_prefix;
	struct arena *a = &g->list->arena;
	const char *name =
		json_string_value(json_array_get(json_object_get(container, "Names"), 0));
	const char *state = text_of(container, "State");
	struct registry_row row = {.backend = "docker", .socket = socket};

	if (name == NULL || text_of(labels, "creel.once") != NULL || life_docker_is_half(name)) {
		return;
	}
	row.name = arena_strdup(a, name[0] == '/' ? name + 1 : name);
	row.kind = text_of(labels, "creel.kind") != NULL ? text_of(labels, "creel.kind")
							 : sandbox_kind_name(KIND_SANDBOX);
	row.kind = arena_strdup(a, row.kind);
	row.scope_key = life_text(a, text_of(labels, arena_printf(a, "%ssessionKey", prefix)));
	row.config_hash = life_text(a, text_of(labels, arena_printf(a, "%sconfigHash", prefix)));
	row.agent = life_text(a, text_of(labels, "creel.agent"));
	row.workspace = life_text(a, text_of(labels, "creel.workspace"));
	row.dangerous = life_text(a, text_of(labels, "creel.dangerousBinds"));
	row.image = life_text(a, text_of(container, "Image"));
	row.created_ms = (int64_t)json_integer_value(json_object_get(container, "Created")) * 1000;
	row.last_used_ms = row.created_ms;
	see(g, &row,
		state != NULL && strcmp(state, "running") == 0 ? STATUS_RUNNING : STATUS_STOPPED);
}

/* Is anything on this socket worth a word when it does not answer? */
static bool is_wanted(const struct listing *g, const char *socket)
{
	for (size_t i = 0; i < g->list->count; i++) {
		const char *has = g->list->items[i].row.socket;

		if (has != NULL && strcmp(has, socket) == 0) {
			return true;
		}
	}
	for (size_t i = 0; i < g->agent_count; i++) {
		if (g->agents[i].engine_wanted && g->agents[i].socket != NULL &&
			strcmp(g->agents[i].socket, socket) == 0) {
			return true;
		}
	}
	return false;
}

static void forget_gone(struct listing *g, const char *socket)
{
	for (size_t i = 0; i < g->list->count; i++) {
		struct lifecycle_sandbox *item = &g->list->items[i];

		if (!item->seen && item->row.socket != NULL &&
			strcmp(item->row.socket, socket) == 0) {
			life_forget(g->l, item->row.name);
			item->row.name = NULL;
		}
	}
}

static void ask_engine(struct listing *g, const char *socket)
{
	json_t *containers = NULL;
	const json_t *container;
	struct error why;
	size_t i;

	if (!is_wanted(g, socket) && access(socket, F_OK) < 0) {
		return;
	}
	if (life_docker_list(g->l, socket, &containers, &why) < 0) {
		if (is_wanted(g, socket)) {
			g->list->warning = arena_strdup(&g->list->arena, why.text);
		}
		return;
	}
	json_array_foreach(containers, i, container)
	{
		see_container(g, socket, container);
	}
	json_decref(containers);
	strv_add_ref(&g->list->engines, &g->list->arena, socket);
	forget_gone(g, socket);
}

/* An engine takes its time, in which other things can be read. */
static void ask_ahead(struct listing *g)
{
	const char *socket = g->agent_count > 0 ? g->agents[0].socket : NULL;
	struct error ignored;

	if (socket != NULL && access(socket, F_OK) == 0) {
		(void)life_docker_list_begin(g->l, socket, &ignored);
	}
}

/* Each engine once. */
static void ask_engines(struct listing *g)
{
	struct strv sockets = {0};
	struct arena *a = &g->list->arena;

	for (size_t i = 0; i < g->agent_count; i++) {
		if (g->agents[i].socket != NULL && !strv_contains(&sockets, g->agents[i].socket)) {
			strv_add_ref(&sockets, a, g->agents[i].socket);
		}
	}
	for (size_t i = 0; i < g->list->count; i++) {
		const char *socket = g->list->items[i].row.socket;

		if (socket != NULL && !strv_contains(&sockets, socket)) {
			strv_add_ref(&sockets, a, socket);
		}
	}
	for (size_t i = 0; i < sockets.count; i++) {
		ask_engine(g, sockets.items[i]);
	}
}

/* --- homes --- */

static void see_home(struct listing *g, const char *name)
{
	struct arena *a = &g->list->arena;
	struct sandbox_home home = {.dir = path_join(a, g->l->base, name), .lock_fd = FD_NONE};
	struct registry_row row;
	json_t *meta = sandbox_home_meta(&home);
	int64_t used_ms;
	size_t i;

	if (meta != NULL && life_row(meta, a, &row) && strcmp(row.name, name) == 0 &&
		strcmp(row.backend, "native") == 0 && life_native_is_alive(&home)) {
		see(g, &row, STATUS_RUNNING);
	}
	json_decref(meta);
	i = find_item(g, name);
	if (i == g->list->count) {
		return;
	}
	g->list->items[i].in_use = sandbox_home_in_use(&home, &used_ms);
	if (used_ms > g->list->items[i].row.last_used_ms) {
		g->list->items[i].row.last_used_ms = used_ms;
	}
}

static void read_homes(struct listing *g)
{
	DIR *list = opendir(g->l->base);
	const struct dirent *entry;

	while (list != NULL && (entry = readdir(list)) != NULL) {
		if (entry->d_name[0] != '.') {
			see_home(g, entry->d_name);
		}
	}
	if (list != NULL) {
		(void)closedir(list);
	}
	for (size_t i = 0; i < g->list->count; i++) {
		struct registry_row *row = &g->list->items[i].row;

		if (!g->list->items[i].seen && row->name != NULL &&
			strcmp(row->backend, "native") == 0) {
			life_forget(g->l, row->name);
			row->name = NULL;
		}
	}
}

/* --- list --- */

static void read_registry(struct listing *g)
{
	struct registry_rows rows = {0};
	struct registry *registry = life_registry(g->l);
	struct error why;

	if (registry == NULL || registry_all(registry, &g->list->arena, &rows, &why) < 0) {
		g->list->warning = "the registry cannot be used; times of last use may be missing";
	}
	for (size_t i = 0; i < rows.count; i++) {
		(void)add_item(g, &rows.items[i]);
	}
}

static void drop_nameless(struct lifecycle_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].row.name != NULL) {
			list->items[kept++] = list->items[i];
		}
	}
	list->count = kept;
}

static bool is_image_of(const struct registry_row *row, const struct agent *agent)
{
	bool browser = strcmp(row->kind, sandbox_kind_name(KIND_BROWSER)) == 0;
	const char *image = agent->images[browser ? KIND_BROWSER : KIND_SANDBOX];

	return row->image == NULL || image == NULL || strcmp(row->image, image) == 0;
}

static void add_limits(const struct listing *g)
{
	for (size_t i = 0; i < g->list->count; i++) {
		struct lifecycle_sandbox *item = &g->list->items[i];
		const struct agent *agent = agent_of(g, item->row.agent);

		if (agent != NULL) {
			item->image_matches = is_image_of(&item->row, agent);
			item->idle_hours = agent->idle_hours;
			item->max_age_days = agent->max_age_days;
		}
	}
}

/* Where agents' sandboxes have their workspaces, each place once. */
static void add_roots(struct listing *g)
{
	for (size_t i = 0; i < g->agent_count; i++) {
		const char *root = g->agents[i].workspace_root;

		if (root != NULL && !strv_contains(&g->list->workspace_roots, root)) {
			strv_add_ref(&g->list->workspace_roots, &g->list->arena, root);
		}
	}
}

static int by_age(const void *left, const void *right)
{
	const struct lifecycle_sandbox *a = left, *b = right;

	if (a->row.created_ms != b->row.created_ms) {
		return a->row.created_ms < b->row.created_ms ? -1 : 1;
	}
	return strcmp(a->row.name, b->row.name);
}

void lifecycle_list(struct lifecycle *lifecycle, struct lifecycle_list *ret)
{
	struct listing g = {.l = lifecycle, .list = ret};

	*ret = (struct lifecycle_list){0};
	add_agents(&g);
	ask_ahead(&g);
	read_registry(&g);
	ask_engines(&g);
	read_homes(&g);
	drop_nameless(ret);
	add_limits(&g);
	if (ret->count > 0) {
		qsort(ret->items, ret->count, sizeof(*ret->items), by_age);
	}
	add_roots(&g);
}
