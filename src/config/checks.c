/* SPDX-License-Identifier: MIT */
/* Rules between keys, and texts that only look like strings. */
#include "config/checks.h"

#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/num.h"
#include "base/own.h"
#include "base/path.h"
#include "config/agents.h"
#include "config/cidr.h"
#include "config/isolation.h"
#include "config/loader.h"
#include "config/schema.h"
#include "config/unicode.h"

static bool is_text(const struct doc_node *node)
{
	return node != NULL && node->type == DOC_STRING;
}

static bool is_true(const struct doc_node *node)
{
	return node != NULL && node->type == DOC_BOOL && node->boolean;
}

/* Length of the blank at text, 0: none. Unicode's count too: they look like nothing as well. */
static size_t blank_len(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	if (p[0] == ' ' || (p[0] >= '\t' && p[0] <= '\r')) {
		return 1;
	}
	if (p[0] == 0xc2 && p[1] == 0xa0) {
		return 2;
	}
	if (p[0] >= 0xe0 && p[0] < 0xf0) { /* the text is valid UTF-8: two more bytes follow */
		uint32_t c = (p[0] & 0x0fU) << 12 | (p[1] & 0x3fU) << 6 | (p[2] & 0x3fU);

		return unicode_is_space(c) ? 3 : 0;
	}
	return 0;
}

static char *trim(struct arena *a, const char *text)
{
	size_t skip, end = 0;

	while ((skip = blank_len(text)) > 0) {
		text += skip;
	}
	for (size_t i = 0; text[i] != '\0';) {
		skip = blank_len(text + i);
		i += skip > 0 ? skip : 1;
		end = skip > 0 ? end : i;
	}
	return arena_strndup(a, text, end);
}

static char *trim_lower(struct arena *a, const char *text)
{
	char *copy = trim(a, text);

	for (char *p = copy; *p != '\0'; p++) {
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
	}
	return copy;
}

void check_policy(struct loader *l, struct doc_node *node)
{
	const struct doc_node *allow = doc_get(node, "allow"), *also = doc_get(node, "alsoAllow");

	if (allow != NULL && also != NULL && allow->type == DOC_ARRAY && also->type == DOC_ARRAY &&
		allow->count > 0 && also->count > 0) {
		loader_key_error(l, node, also, "move the entries of 'alsoAllow' into 'allow'",
			"'allow' and 'alsoAllow' cannot both be set in one place");
	}
}

static void check_network(struct loader *l, const struct doc_node *network, bool join)
{
	const char *name;

	if (!is_text(network)) {
		return;
	}
	name = trim_lower(l->arena, network->text);
	if (strcmp(name, "host") == 0) {
		loader_error(l, network, "use \"none\", \"bridge\" or a network of your own",
			"the host's network is never given to a sandbox");
	} else if (strncmp(name, "container:", 10) == 0 && !join) {
		loader_error(l, network,
			"set docker.dangerouslyAllowContainerNamespaceJoin in the same block "
			"to allow it",
			"joining another container's network is refused");
	}
}

void check_sandbox(struct loader *l, struct doc_node *node)
{
	const struct doc_node *docker = doc_get(node, "docker");
	bool join = is_true(doc_get(docker, "dangerouslyAllowContainerNamespaceJoin"));

	check_network(l, doc_get(docker, "network"), join);
	check_network(l, doc_get(doc_get(node, "browser"), "network"), join);
}

void check_cidr(struct loader *l, struct doc_node *node)
{
	const char *text = trim(l->arena, node->text);

	if (*text != '\0' && !cidr_is_valid(text)) {
		loader_error(l, node, "write it as 172.21.0.1/32 or fd00::/64",
			"'%s' is no network of addresses", node->text);
	}
}

void check_confined(struct loader *l, struct doc_node *node)
{
	if (strcmp(trim_lower(l->arena, node->text), "unconfined") == 0) {
		loader_error(l, node, "remove the key for the default profile",
			"a sandbox is never unconfined");
	}
}

static bool is_env_name(const char *name)
{
	if (!((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') || *name == '_')) {
		return false;
	}
	while ((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
		(*name >= '0' && *name <= '9') || *name == '_') {
		name++;
	}
	return *name == '\0';
}

void check_env(struct loader *l, struct doc_node *node)
{
	for (const struct doc_node *child = node->first; child != NULL; child = child->next) {
		if (!is_env_name(child->key)) {
			loader_key_error(l, node, child,
				"a name has letters, digits and '_', and does not start with "
				"a digit",
				"'%s' cannot be the name of a variable", child->key);
		}
	}
}

/* Bytes of a size. False: reported. */
static bool read_size(struct loader *l, struct doc_node *node, int64_t *ret)
{
	const char *text;

	if (doc_make_integer(node)) {
		*ret = node->integer;
		return true;
	}
	if (node->type == DOC_REAL) {
		loader_error(
			l, node, NULL, "expected a whole number of bytes; found %.17g", node->real);
		return false;
	}
	text = trim(l->arena, node->text);
	if (*text == '\0') {
		*ret = 0;
		return true;
	}
	if (num_parse_size(text, ret) < 0) {
		loader_error(l, node, "write it as 512m or 2g",
			"expected a size: digits and one of b, k, m, g, t; found '%s'", node->text);
		return false;
	}
	return true;
}

static bool is_blank(struct loader *l, const struct doc_node *node)
{
	return node->type == DOC_STRING && *trim(l->arena, node->text) == '\0';
}

/* Both memory and memorySwap; a blank text is as good as no key, as in the original. */
void check_memory(struct loader *l, struct doc_node *node)
{
	bool swap = strcmp(node->key, "memorySwap") == 0;
	int64_t bytes;

	if (!read_size(l, node, &bytes) || is_blank(l, node)) {
		return;
	}
	if (bytes < (swap ? -1 : 1)) {
		loader_error(l, node,
			swap ? "-1 is no limit on swap" : "remove the key for no limit",
			"expected %s; found %lld",
			swap ? "-1, 0 or a number of bytes" : "more than 0 bytes",
			(long long)bytes);
	}
}

static int64_t size_or_zero(struct arena *a, const struct doc_node *node)
{
	int64_t bytes = 0;

	if (node != NULL && node->type == DOC_INT) {
		return node->integer;
	}
	if (node == NULL || node->type != DOC_STRING ||
		num_parse_size(trim(a, node->text), &bytes) < 0) {
		return 0;
	}
	return bytes;
}

void check_docker(struct loader *l, struct doc_node *node)
{
	int64_t memory = size_or_zero(l->arena, doc_get(node, "memory"));
	int64_t swap = size_or_zero(l->arena, doc_get(node, "memorySwap"));

	if (memory > 0 && swap > 0 && swap < memory) {
		loader_error(l, doc_get(node, "memorySwap"), "it counts memory and swap together",
			"memorySwap is less than memory");
	}
}

void check_ulimits(struct loader *l, struct doc_node *node)
{
	static const char *const names[] = {"core", "cpu", "data", "fsize", "locks", "memlock",
		"msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending",
		"stack"};

	for (const struct doc_node *child = node->first; child != NULL; child = child->next) {
		bool known = false;

		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			known = known || strcmp(names[i], child->key) == 0;
		}
		if (!known) {
			loader_key_error(l, node, child,
				"the names are core, cpu, data, fsize, locks, memlock, "
				"msgqueue, nice, "
				"nofile, nproc, rss, rtprio, rttime, sigpending and stack",
				"there is no limit called '%s'", child->key);
		}
	}
}

/* Why a bind entry cannot be one, or NULL. *ret_hint may stay NULL. */
static const char *bind_fault(struct arena *a, const char *entry, const char **ret_hint)
{
	char *source = trim(a, entry), *target, *mode;

	if (*source == '\0') {
		return "the entry is empty";
	}
	if (strchr(source, '\\') != NULL) {
		return "a bind has no backslash";
	}
	target = strchr(source, ':');
	if (target == NULL) {
		*ret_hint = "write source:target or source:target:ro";
		return "a bind needs a source and a target";
	}
	*target++ = '\0';
	mode = strchr(target, ':');
	if (mode != NULL) {
		*mode++ = '\0';
	}
	if (*source != '/') {
		*ret_hint = *source == '~' ? "write the home directory out" : NULL;
		return "the source is not an absolute path";
	}
	if (mode != NULL && strchr(mode, ':') != NULL) {
		*ret_hint = "write source:target or source:target:ro";
		return "a bind has two or three parts";
	}
	if (*target != '/') {
		return "the target is not an absolute path";
	}
	while (mode != NULL) {
		char *comma = strchr(mode, ',');

		if (comma != NULL) {
			*comma++ = '\0';
		}
		if (strcmp(mode, "ro") != 0 && strcmp(mode, "rw") != 0 && strcmp(mode, "z") != 0 &&
			strcmp(mode, "Z") != 0) {
			*ret_hint = "the modes are ro, rw, z and Z";
			return "unknown mode";
		}
		mode = comma;
	}
	return NULL;
}

void check_binds(struct loader *l, struct doc_node *node)
{
	for (const struct doc_node *item = node->first; item != NULL; item = item->next) {
		const char *hint = NULL;
		const char *fault = is_text(item) ? bind_fault(l->arena, item->text, &hint) : NULL;

		if (fault != NULL) {
			loader_error(l, item, hint, "bind '%s': %s", item->text, fault);
		}
	}
}

/* Compare two thresholds of which the first must be less; only where both are set. */
static void check_order(
	struct loader *l, const struct doc_node *node, const char *less, const char *more)
{
	const struct doc_node *a = doc_get(node, less), *b = doc_get(node, more);

	if (a != NULL && b != NULL && a->type == DOC_INT && b->type == DOC_INT &&
		a->integer >= b->integer) {
		loader_error(l, b, NULL, "%s (%lld) must be more than %s (%lld)", more,
			(long long)b->integer, less, (long long)a->integer);
	}
}

void check_loop_detection(struct loader *l, struct doc_node *node)
{
	check_order(l, node, "warningThreshold", "criticalThreshold");
	check_order(l, node, "criticalThreshold", "globalCircuitBreakerThreshold");
}

/* What must differ between agents, with the value that is the same. */
struct claim {
	const char *text;
	const struct doc_node *list, *place; /* for the error */
	uint64_t order;
};

struct claims {
	struct claim *items;
	size_t count;
};

static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int order = strcmp(x->text, y->text);

	return order != 0 ? order : x->order < y->order ? -1 : x->order > y->order;
}

static void add_claim(struct claims *claims, const char *text, const struct doc_node *list,
	const struct doc_node *place)
{
	if (text != NULL) {
		claims->items[claims->count] = (struct claim){text, list, place, claims->count};
		claims->count++;
	}
}

static const char *agent_id(struct arena *a, const struct doc_node *agent)
{
	const struct doc_node *id = doc_get(agent, "id");

	if (is_text(id)) {
		return agent_id_normalize(a, id->text);
	}
	return id == NULL && agent->key != NULL ? agent_id_normalize(a, agent->key) : NULL;
}

static const char *agent_dir(struct loader *l, const struct doc_node *agent)
{
	const struct doc_node *dir = doc_get(agent, "agentDir");
	const char *path;

	if (!is_text(dir) || dir->count == 0) {
		return NULL;
	}
	path = path_expand_home(l->arena, dir->text, l->env->home);
	return path_is_absolute(path) ? path_normalize(l->arena, path) : path;
}

static void claim_all(
	struct loader *l, const struct doc_node *group, struct claims *ids, struct claims *dirs)
{
	for (const struct doc_node *agent = group->first; agent != NULL; agent = agent->next) {
		const struct doc_node *id = doc_get(agent, "id");

		add_claim(ids, agent_id(l->arena, agent), group, id != NULL ? id : agent);
		add_claim(dirs, agent_dir(l, agent), group, doc_get(agent, "agentDir"));
	}
}

void check_agents(struct loader *l, struct doc_node *node)
{
	const struct doc_node *groups[] = {doc_get(node, "list"), doc_get(node, "entries")};
	struct claims ids = {0}, dirs = {0};
	size_t total = 0;

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		bool usable =
			groups[i] != NULL && groups[i]->type == (i == 0 ? DOC_ARRAY : DOC_OBJECT);

		groups[i] = usable ? groups[i] : NULL;
		total += usable ? groups[i]->count : 0;
	}
	ids.items = arena_calloc(l->arena, total, sizeof(*ids.items));
	dirs.items = arena_calloc(l->arena, total, sizeof(*dirs.items));
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		if (groups[i] != NULL) {
			claim_all(l, groups[i], &ids, &dirs);
		}
	}
	qsort(ids.items, ids.count, sizeof(*ids.items), compare_claims);
	for (size_t i = 1; i < ids.count; i++) {
		if (strcmp(ids.items[i - 1].text, ids.items[i].text) == 0) {
			loader_error(l, ids.items[i].place, "give each agent an id of its own",
				"two agents have the id '%s'", ids.items[i].text);
		}
	}
	qsort(dirs.items, dirs.count, sizeof(*dirs.items), compare_claims);
	for (size_t i = 1; i < dirs.count; i++) {
		if (strcmp(dirs.items[i - 1].text, dirs.items[i].text) == 0) {
			loader_key_error(l, dirs.items[i].list, dirs.items[i].place,
				"give each agent a directory of its own",
				"two agents share the agentDir '%s'", dirs.items[i].text);
		}
	}
}

void check_absolute(struct loader *l, struct doc_node *node)
{
	if (node->count > 0 && node->text[0] != '/') {
		loader_error(l, node, "start it with /", "expected an absolute path; found '%s'",
			node->text);
	}
}

void check_profiles(struct loader *l, struct doc_node *node)
{
	for (const struct doc_node *child = node->first; child != NULL; child = child->next) {
		const struct doc_node *driver = doc_get(child, "driver");
		bool attached = is_text(driver) && strcmp(driver->text, "existing-session") == 0;

		if (strspn(child->key, "abcdefghijklmnopqrstuvwxyz0123456789-") != child->key_len ||
			child->key_len == 0) {
			loader_key_error(l, node, child, "use a-z, 0-9 and -",
				"'%s' cannot be the name of a browser profile", child->key);
		}
		if (child->type == DOC_OBJECT && !attached && doc_get(child, "cdpPort") == NULL &&
			doc_get(child, "cdpUrl") == NULL) {
			loader_error(l, child, "set one of them",
				"a browser profile needs cdpPort or cdpUrl");
		}
	}
}

static const char *layers_hint(struct arena *a)
{
	_cleanup_buf_ struct buf text = {0};

	for (int i = 0; i < LAYER_COUNT_; i++) {
		buf_addf(&text, "%s%s", i == 0 ? "the layers are " : ", ",
			isolation_layer_name((enum isolation_layer)i));
	}
	return arena_strdup(a, text.data);
}

void check_allow_missing(struct loader *l, struct doc_node *node)
{
	enum isolation_layer layer;

	for (const struct doc_node *item = node->first; item != NULL; item = item->next) {
		if (is_text(item) && !isolation_layer_from_name(item->text, &layer)) {
			loader_error(l, item, layers_hint(l->arena),
				"there is no isolation layer called '%s'", item->text);
		}
	}
}

void check_token(struct loader *l, struct doc_node *node)
{
	const struct doc_node *hash = doc_get(node, "tokenSha256");
	int given = (doc_get(node, "token") != NULL) + (doc_get(node, "tokenFile") != NULL) +
		    (hash != NULL);

	if (given != 1) {
		loader_error(l, node, "keep exactly one of token, tokenFile and tokenSha256",
			given == 0 ? "this caller has no token" : "this caller has several tokens");
	}
	if (is_text(hash) &&
		(hash->count != 64 || strspn(hash->text, "0123456789abcdefABCDEF") != 64)) {
		loader_error(l, hash, "printf %s TOKEN | sha256sum prints it",
			"expected 64 hexadecimal digits");
	}
}
