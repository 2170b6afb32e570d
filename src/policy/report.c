/* SPDX-License-Identifier: MIT */
/* Answers about policies: one name, one list, one profile, one caller. */
#include "policy/report.h"

#include <string.h>
#include <strings.h>

#include "base/macro.h"
#include "policy/directive.h"
#include "policy/report-internal.h"
#include "policy/tools.h"
#include "policy/view.h"

json_t *report_list(const struct strv *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++) {
		json_array_append_new(array, report_text(list->items[i]));
	}
	return array;
}

json_t *report_text(const char *text)
{
	_cleanup_buf_ struct buf shown = {0};
	json_t *string = text != NULL ? json_string(text) : json_null();

	if (string != NULL || text == NULL) {
		return string;
	}
	/* JSON is Unicode; the name of a file may be anything. */
	buf_add_printable(&shown, text, strlen(text), 0);
	return json_string(shown.data);
}

bool report_is_secret(const char *name)
{
	static const char *const words[] = {
		"TOKEN",
		"SECRET",
		"PASSWORD",
		"PASSWD",
		"PASSPHRASE",
		"API_KEY",
		"APIKEY",
		"PRIVATE_KEY",
		"ACCESS_KEY",
		"CREDENTIAL",
		"COOKIE",
		"BEARER",
		"_AUTH",
		"_JWT",
	};
	/* Whole names, or what a name ends in after '_'. */
	static const char *const ends[] = {
		"KEY", "KEYS", "PASS", "PWD", "PAT", "AUTH", "AUTHORIZATION", "JWT", "DSN"};
	const char *last = strrchr(name, '_');

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcasestr(name, words[i]) != NULL) {
			return true;
		}
	}
	last = last != NULL ? last + 1 : name;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		if (strcasecmp(last, ends[i]) == 0) {
			/* The shell's own. */
			return strcmp(name, "PWD") != 0;
		}
	}
	return false;
}

bool report_is_secret_value(const char *name, const char *value)
{
	return report_is_secret(name) || strstr(value, "PRIVATE KEY-----") != NULL;
}

bool report_url_password(const char *value, size_t *ret_from, size_t *ret_to)
{
	const char *start = value, *end, *colon, *at;

	while ((start = strstr(start, "://")) != NULL) {
		start += 3;
		end = start + strcspn(start, "/?# \t\r\n\"'");
		at = memrchr(start, '@', (size_t)(end - start));
		colon = at != NULL ? memchr(start, ':', (size_t)(at - start)) : NULL;
		if (colon != NULL && colon + 1 < at) {
			*ret_from = (size_t)(colon + 1 - value);
			*ret_to = (size_t)(at - value);
			return true;
		}
	}
	return false;
}

json_t *report_env_value(const char *name, const char *value)
{
	_cleanup_buf_ struct buf shown = {0};
	size_t from, to;

	if (report_is_secret_value(name, value)) {
		return json_string("***");
	}
	while (report_url_password(value, &from, &to)) {
		buf_add(&shown, value, from);
		buf_add_str(&shown, "***");
		value += to;
	}
	buf_add_str(&shown, value);
	return report_text(shown.data != NULL ? shown.data : "");
}

json_t *report_verdict(const struct tool_verdict *verdict)
{
	return json_pack("{s:b,s:o,s:o,s:o,s:o,s:o,s:o}", "allowed", verdict->allowed ? 1 : 0,
		"tool", report_text(verdict->tool), "layer", report_text(verdict->layer), "rule",
		report_text(verdict->rule), "reason", report_text(verdict->reason), "fix",
		report_list(&verdict->fix), "message", report_text(verdict->message));
}

static void add_line(struct buf *out, const char *before, const char *text, const char *after)
{
	buf_add_str(out, before);
	buf_add_printable(out, text, strlen(text), 0);
	buf_add_str(out, after);
}

void report_verdict_text(const struct tool_verdict *verdict, struct buf *out)
{
	if (verdict->allowed) {
		add_line(out, "", verdict->tool, ": allowed\n");
		return;
	}
	add_line(out, "", verdict->tool, ": refused by the ");
	buf_addf(out, "%s layer\n", verdict->layer);
	add_line(out, "  rule    ", verdict->rule, "\n");
	add_line(out, "  reason  ", verdict->reason, "\n");
	for (size_t i = 0; i < verdict->fix.count; i++) {
		add_line(out, i == 0 ? "  change  " : "      or  ", verdict->fix.items[i], "\n");
	}
}

json_t *report_match(const json_t *policy, const char *tool)
{
	_cleanup_arena_ struct arena a = {0};
	struct tool_policy rules = {0};
	struct tool_match match;
	json_t *result;

	view_strings(&a, json_object_get(policy, "allow"), &rules.allow);
	view_strings(&a, json_object_get(policy, "deny"), &rules.deny);
	match = policy_match(&a, &rules, tool);
	result = json_pack("{s:b,s:o,s:o,s:{s:s,s:o}}", "allowed", match.allowed ? 1 : 0, "tool",
		report_text(tool_name_normalize(&a, tool)), "normalizedTool",
		report_text(tool_name_normalize(&a, tool)), "rule", "list",
		tool_rule_name(match.rule), "entries", report_list(&match.entries));
	return result;
}

json_t *report_expand(const json_t *list)
{
	_cleanup_arena_ struct arena a = {0};
	struct strv raw = {0}, expanded = {0};

	view_strings(&a, list, &raw);
	tool_list_expand(&a, &raw, &expanded);
	return json_pack("{s:o}", "expanded", report_list(&expanded));
}

json_t *report_profile(const char *profile, const json_t *also_allow)
{
	_cleanup_arena_ struct arena a = {0};
	struct strv allow = {0}, also = {0};
	bool known;
	const char *const *members = tool_profile(profile, &known);

	if (members == NULL) {
		return json_pack("{s:n,s:b}", "policy", "known", known ? 1 : 0);
	}
	for (; *members != NULL; members++) {
		strv_add_ref(&allow, &a, *members);
	}
	view_strings(&a, also_allow, &also);
	for (size_t i = 0; i < also.count; i++) {
		if (!strv_contains(&allow, also.items[i])) {
			strv_add_ref(&allow, &a, also.items[i]);
		}
	}
	return json_pack("{s:{s:o}}", "policy", "allow", report_list(&allow));
}

json_t *report_pipeline(struct decision *decision, const struct decide_request *request,
	const struct strv *universe)
{
	struct strv known = {0};
	json_t *allowed = json_array(), *denied = json_array();

	if (universe == NULL) {
		tool_list_known(&decision->arena, &known);
		universe = &known;
	}
	for (size_t i = 0; i < universe->count; i++) {
		struct tool_verdict verdict;

		decision_check_tool(decision, request, universe->items[i], &verdict);
		if (verdict.allowed) {
			json_array_append_new(allowed, report_text(verdict.tool));
		} else {
			json_array_append_new(denied, report_verdict(&verdict));
		}
	}
	return json_pack("{s:b,s:o,s:o}", "sandboxed", decision->sandboxed ? 1 : 0, "allowed",
		allowed, "denied", denied);
}

json_t *report_directives(const char *text)
{
	_cleanup_arena_ struct arena a = {0};
	struct directives d;
	json_t *elevated, *exec;

	directives_parse(&a, text, &d);
	elevated = !d.has_elevated ? json_null()
				   : json_pack("{s:o,s:o}", "level", report_text(d.level), "raw",
					     report_text(d.level_raw));
	exec = !d.has_exec ? json_null()
			   : json_pack("{s:o,s:o,s:o,s:o}", "host", report_text(d.host), "security",
				     report_text(d.security), "ask", report_text(d.ask), "node",
				     report_text(d.node));
	return json_pack("{s:o,s:o,s:o,s:o,s:b}", "elevated", elevated, "exec", exec, "error",
		report_text(d.invalid), "cleaned", report_text(d.cleaned), "effective",
		d.effective ? 1 : 0);
}
