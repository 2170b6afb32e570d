/* SPDX-License-Identifier: MIT */
/* A configuration from JSON text, without files: what the policy tests decide on. */
#ifndef TESTS_POLICY_FIXTURE_H
#define TESTS_POLICY_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/config.h"
#include "policy/decide.h"

static inline struct config *fixture_new(const char *json, const char *brand)
{
	struct config *config = xcalloc(1, sizeof(*config));
	json_error_t where;

	config->root = json_loads(json, 0, &where);
	if (config->root == NULL) {
		(void)fprintf(stderr, "fixture: %s at %d:%d in %s\n", where.text, where.line,
			where.column, json);
		abort();
	}
	config->brand = brand_by_name(brand);
	config->home = "/home/u";
	config->state_dir = arena_printf(&config->arena, "/home/u/%s", config->brand->state_dir);
	config->agent_count = json_array_size(config_get(config, "agents.list"));
	config->agent_keys = arena_calloc(&config->arena, config->agent_count + 1, sizeof(char *));
	for (size_t i = 0; i < config->agent_count; i++) {
		config->agent_keys[i] = arena_printf(&config->arena, "agents.list[%zu]", i);
	}
	return config;
}

/* The objects are counted by jansson: a decision does not hold on to them. */
static inline void fixture_free(struct config *config)
{
	json_decref(config->root);
	arena_finish(&config->arena);
	free(config);
}

static inline struct decision *fixture_decide(
	const struct config *config, const struct decide_request *request)
{
	struct decision *decision = NULL;
	struct error err;

	if (decide(config, request, &decision, &err) < 0) {
		(void)fprintf(stderr, "fixture: %s\n", err.text);
		abort();
	}
	return decision;
}

#endif
