/* SPDX-License-Identifier: MIT */
/* Loading a configuration text in a directory of its own. */
#ifndef TESTS_UNIT_CONFIG_COMMON_H
#define TESTS_UNIT_CONFIG_COMMON_H

#include <setjmp.h> /* cmocka.h wants these four before it */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../scratch.h"
#include "base/mem.h"
#include "config/config.h"

/* A directory that stands for home. Removed with everything in it by home_remove(). */
struct home {
	char path[SCRATCH_PATH_SIZE];
	const char *variables[8]; /* NAME, value, ..., NULL */
};

static inline void home_make(struct home *home)
{
	*home = (struct home){0};
	scratch_make(home->path, "config");
}

static inline void home_remove(struct home *home)
{
	scratch_remove(home->path);
}

/* name below home; its directories are made. */
static inline void home_write(struct home *home, const char *name, const void *data, size_t len)
{
	char *path = xasprintf("%s/%s", home->path, name);
	FILE *file;

	for (char *p = path + strlen(home->path) + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		(void)mkdir(path, 0700);
		*p = '/';
	}
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
	free(path);
}

static inline const char *home_variable(void *arg, const char *name)
{
	const struct home *home = arg;

	for (size_t i = 0; home->variables[i] != NULL; i += 2) {
		if (strcmp(home->variables[i], name) == 0) {
			return home->variables[i + 1];
		}
	}
	return NULL;
}

static inline int home_load_file(
	struct home *home, const char *path, struct config **ret, struct error *err)
{
	struct config_request request = {
		.path = path, .env = {.home = home->path, .get = home_variable, .arg = home}};

	return config_load(&request, ret, err);
}

/* The text as home's .openclaw/openclaw.json. Never NULL. */
static inline struct config *home_load(struct home *home, const char *text)
{
	struct config *config = NULL;
	struct error err = {0};

	home_write(home, ".openclaw/openclaw.json", text, strlen(text));
	if (home_load_file(home, NULL, &config, &err) < 0) {
		fail_msg("cannot load: %s", err.text);
	}
	return config;
}

static inline void assert_no_issues(const struct config *config)
{
	for (size_t i = 0; i < config->issue_count; i++) {
		fail_msg("%d:%d %s: %s", config->issues[i].line, config->issues[i].column,
			config->issues[i].path, config->issues[i].message);
	}
}

/* The value at a path as compact JSON; compared with text. */
static inline void assert_value(const struct config *config, const char *path, const char *text)
{
	json_t *value = config_get(config, path);
	char *found = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	if (text == NULL) {
		assert_null(found);
	} else {
		assert_non_null(found);
		assert_string_equal(found, text);
	}
	free(found);
}

#endif
