/* SPDX-License-Identifier: MIT */
#include "broker/audit-mask.h"

#include <ctype.h>
#include <string.h>

#include "base/own.h"
#include "policy/report.h"

enum { NAME_MAX_BYTES = 256 };

#define MASK "***"

/* The length of the secret if it begins here; 0: it does not. */
static size_t begins_with(const char *text, const char *secret)
{
	size_t len;

	/* Most end here: each secret is looked for at each byte. */
	if (tolower((unsigned char)*secret) != tolower((unsigned char)*text)) {
		return 0;
	}
	len = strlen(secret);
	return len >= AUDIT_SECRET_MIN && strncasecmp(text, secret, len) == 0 ? len : 0;
}

/* The longest of several; 0: none. */
static size_t secret_at(const char *text, const struct strv *secrets)
{
	size_t longest = 0;

	for (size_t i = 0; i < secrets->count; i++) {
		size_t len = begins_with(text, secrets->items[i]);

		longest = len > longest ? len : longest;
	}
	return longest;
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) != 0 || c == '_' || c == '-';
}

/* Is the '=' at text[at] that of NAME=value with the name of a secret? */
static bool names_secret(const char *text, size_t at)
{
	char name[NAME_MAX_BYTES];
	size_t begin = at;

	while (begin > 0 && is_name_char(text[begin - 1]) && at - begin < sizeof(name) - 1) {
		begin--;
	}
	(void)memcpy(name, text + begin, at - begin);
	name[at - begin] = '\0';
	return begin < at && report_is_secret(name);
}

/* Up to the blank or quote that ends it; a quoted value with its blanks. */
static size_t value_length(const char *value)
{
	char quote = value[0];

	if (quote == '"' || quote == '\'') {
		const char *end = strchr(value + 1, quote);

		return end != NULL ? (size_t)(end - value) + 1 : strlen(value);
	}
	return strcspn(value, " \t\r\n\"';&|");
}

/* What stands before a value that is none of anybody's business, itself not a part of it; 0: nothing. */
static size_t lead_at(const char *text, size_t at)
{
	static const char bearer[] = "Bearer ";

	if (text[at] == '=') {
		return names_secret(text, at) ? 1 : 0;
	}
	return strncasecmp(text + at, bearer, sizeof(bearer) - 1) == 0 ? sizeof(bearer) - 1 : 0;
}

void audit_mask(struct buf *out, const char *text, const struct strv *secrets)
{
	for (size_t i = 0; text[i] != '\0';) {
		size_t secret = secret_at(text + i, secrets);
		size_t lead = secret == 0 ? lead_at(text, i) : 0;

		if (secret > 0) {
			buf_add_str(out, MASK);
			i += secret;
		} else if (lead > 0) {
			buf_add(out, text + i, lead);
			i += lead;
			if (value_length(text + i) > 0) {
				buf_add_str(out, MASK);
				i += value_length(text + i);
			}
		} else {
			buf_add_char(out, text[i++]);
		}
	}
}

static json_t *mask_string(const json_t *value, const struct strv *secrets)
{
	_cleanup_buf_ struct buf masked = {0};

	audit_mask(&masked, json_string_value(value), secrets);
	return report_text(masked.data != NULL ? masked.data : "");
}

json_t *audit_mask_json(const json_t *value, const struct strv *secrets)
{
	json_t *copy;

	if (json_is_string(value)) {
		return mask_string(value, secrets);
	}
	if (json_is_array(value)) {
		copy = json_array();
		for (size_t i = 0; i < json_array_size(value); i++) {
			(void)json_array_append_new(
				copy, audit_mask_json(json_array_get(value, i), secrets));
		}
		return copy;
	}
	if (json_is_object(value)) {
		/* jansson's iterators take what they do not change as if they did. */
		json_t *object = (json_t *)(uintptr_t)value, *item;
		const char *key;

		copy = json_object();
		json_object_foreach(object, key, item)
		{
			(void)json_object_set_new(copy, key,
				json_is_string(item) && report_is_secret(key)
					? json_string(MASK)
					: audit_mask_json(item, secrets));
		}
		return copy;
	}
	return json_deep_copy(value);
}
