/* SPDX-License-Identifier: MIT */
/* Inline directives. One takes effect only when the message holds nothing else. */
#include "policy/directive.h"

#include <string.h>
#include <strings.h>

#include "base/macro.h"
#include "policy/text.h"

static const struct {
	const char *word, *level;
} levels[] = {
	{"off", "off"},
	{"false", "off"},
	{"no", "off"},
	{"0", "off"},
	{"on", "on"},
	{"true", "on"},
	{"yes", "on"},
	{"1", "on"},
	{"ask", "ask"},
	{"prompt", "ask"},
	{"approval", "ask"},
	{"approve", "ask"},
	{"full", "full"},
	{"auto", "full"},
	{"auto-approve", "full"},
	{"autoapprove", "full"},
};

const char *elevated_level(const char *word)
{
	for (size_t i = 0; word != NULL && i < ARRAY_SIZE(levels); i++) {
		if (strcasecmp(levels[i].word, word) == 0) {
			return levels[i].level;
		}
	}
	return NULL;
}

static const char *const hosts[] = {"sandbox", "gateway", "node", "auto", NULL};
static const char *const securities[] = {"deny", "allowlist", "full", NULL};
static const char *const asks[] = {"off", "on-miss", "always", NULL};

/* The options of /exec; node takes any name. */
static const struct {
	const char *name;
	const char *const *values;
} exec_options[] = {
	{"host", hosts},
	{"security", securities},
	{"ask", asks},
	{"node", NULL},
};

static const char *skip_blanks(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

static size_t word_len(const char *p)
{
	return strcspn(p, " \t\r\n");
}

/* The directive at p: its name's length, or 0. The name ends at a blank, ':' or the end. */
static size_t name_at(const char *p, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(p, name, len) != 0) {
		return 0;
	}
	return p[len] == '\0' || p[len] == ':' || strchr(" \t\r\n", p[len]) != NULL ? len : 0;
}

static const char *after_name(const char *p, size_t len)
{
	p = skip_blanks(p + len);
	return *p == ':' ? skip_blanks(p + 1) : p;
}

static const char *parse_elevated(
	struct arena *a, const char *p, size_t name, struct directives *ret)
{
	const char *word = after_name(p, name);
	size_t len = word_len(word);

	ret->has_elevated = true;
	ret->level_raw = NULL;
	ret->level = NULL;
	/* The next directive is not this one's argument. */
	if (len == 0 || *word == '/') {
		return word;
	}
	ret->level_raw = arena_strndup(a, word, len);
	ret->level = elevated_level(ret->level_raw);
	if (ret->level == NULL && ret->invalid == NULL) {
		ret->invalid =
			arena_printf(a, "Unrecognized elevated level \"%s\"", ret->level_raw);
	}
	return word + len;
}

static bool is_value(const char *const *values, const char *text)
{
	if (values == NULL) {
		return *text != '\0';
	}
	for (; *values != NULL; values++) {
		if (strcmp(*values, text) == 0) {
			return true;
		}
	}
	return false;
}

/* One name=value or name:value; the length consumed, 0 when it is none. */
static size_t parse_exec_option(struct arena *a, const char *word, struct directives *ret)
{
	const char **const fields[] = {&ret->host, &ret->security, &ret->ask, &ret->node};
	size_t len = word_len(word), name = strcspn(word, "=: \t\r\n");
	char *value;

	_Static_assert(ARRAY_SIZE(fields) == ARRAY_SIZE(exec_options), "one field per option");
	if (name == 0 || name >= len) {
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(exec_options); i++) {
		if (strlen(exec_options[i].name) != name ||
			strncasecmp(exec_options[i].name, word, name) != 0) {
			continue;
		}
		value = arena_strndup(a, word + name + 1, len - name - 1);
		/* A node's name keeps its case. */
		value = exec_options[i].values != NULL ? text_lower(a, value) : value;
		if (is_value(exec_options[i].values, value)) {
			*fields[i] = value;
		} else if (ret->invalid == NULL) {
			ret->invalid = arena_printf(
				a, "Unrecognized exec %s \"%s\"", exec_options[i].name, value);
		}
		return len;
	}
	return 0;
}

static const char *parse_exec(struct arena *a, const char *p, size_t name, struct directives *ret)
{
	const char *word = after_name(p, name);
	size_t used;

	ret->has_exec = true;
	while ((used = parse_exec_option(a, word, ret)) > 0) {
		word = skip_blanks(word + used);
	}
	return word;
}

/* The text after a directive at p, or NULL when there is none at p. */
static const char *parse_at(struct arena *a, const char *p, struct directives *ret)
{
	size_t name = name_at(p, "/elevated");

	name = name > 0 ? name : name_at(p, "/elev");
	if (name > 0) {
		return parse_elevated(a, p, name, ret);
	}
	name = name_at(p, "/exec");
	return name > 0 ? parse_exec(a, p, name, ret) : NULL;
}

void directives_parse(struct arena *a, const char *text, struct directives *ret)
{
	char *cleaned = arena_alloc(a, strlen(text) + 2);
	size_t len = 0;

	*ret = (struct directives){0};
	/* Word by word: a directive starts a word, so "http://x/elevated" holds none. */
	for (const char *p = skip_blanks(text); *p != '\0'; p = skip_blanks(p)) {
		const char *after = *p == '/' ? parse_at(a, p, ret) : NULL;
		size_t word;

		if (after != NULL) {
			p = after;
			continue;
		}
		word = word_len(p);
		if (len > 0) {
			cleaned[len++] = ' ';
		}
		memcpy(cleaned + len, p, word);
		len += word;
		p += word;
	}
	cleaned[len] = '\0';
	ret->cleaned = cleaned;
	ret->effective = (ret->has_elevated || ret->has_exec) && len == 0;
}
