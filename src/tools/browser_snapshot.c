/* SPDX-License-Identifier: MIT */
/* A page's accessibility tree as text, with a ref for every element that can be acted on. */
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/mem.h"
#include "tools/browser_call.h"

enum {
	DEPTH_MAX = 100, /* deeper pages are made to be */
	NAME_MAX_BYTES = 400,
	REFS_MAX = 20000,
};

struct snapshot {
	const struct snapshot_opts *opts;
	struct browser_tab *tab;
	struct buf *out;
	json_t *by_id; /* node id: the node, borrowed from the answer */
	bool cut;
};

static const char *const interactive_roles[] = {"button", "link", "textbox", "searchbox",
	"checkbox", "radio", "combobox", "listbox", "option", "menuitem", "menuitemcheckbox",
	"menuitemradio", "slider", "spinbutton", "switch", "tab", "treeitem", "MenuListPopup",
	"MenuListOption"};

/* Nothing of their own: what is in them is what counts. */
static const char *const plain_roles[] = {"generic", "none", "presentation", "group", "RootWebArea",
	"paragraph", "Section", "LayoutTable", "LayoutTableRow", "LayoutTableCell"};

static bool is_one_of(const char *const *list, size_t count, const char *role)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(list[i], role) == 0) {
			return true;
		}
	}
	return false;
}

static const char *value_of(const json_t *node, const char *member)
{
	const char *text =
		json_string_value(json_object_get(json_object_get(node, member), "value"));

	return text != NULL ? text : "";
}

static bool is_blank(const char *text)
{
	return text[strspn(text, " \t\r\n\302\240")] == '\0';
}

/* Between "", on one line. */
static void add_quoted(struct buf *out, const char *text)
{
	size_t len = 0;

	buf_add_char(out, '"');
	for (; *text != '\0' && len < NAME_MAX_BYTES; text++, len++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\') {
			buf_add_char(out, '\\');
		}
		buf_add_char(out, c < ' ' ? ' ' : (char)c);
	}
	/* Not in the middle of a character. */
	while ((*text & 0xc0) == 0x80) {
		buf_add_char(out, *text++);
	}
	buf_add_str(out, *text != '\0' ? "...\"" : "\"");
}

static void add_property(struct buf *out, const json_t *property)
{
	static const char *const shown[] = {"checked", "disabled", "expanded", "selected", "level",
		"required", "focused", "pressed", "invalid"};
	const char *name = json_string_value(json_object_get(property, "name"));
	const json_t *value = json_object_get(json_object_get(property, "value"), "value");

	if (name == NULL || !is_one_of(shown, ARRAY_SIZE(shown), name)) {
		return;
	}
	if (json_is_integer(value)) {
		buf_addf(out, " [%s=%lld]", name, (long long)json_integer_value(value));
	} else if (json_is_true(value) ||
		   (json_is_string(value) && strcmp(json_string_value(value), "true") == 0)) {
		buf_addf(out, " [%s]", name);
	} else if (json_is_string(value) && strcmp(json_string_value(value), "mixed") == 0) {
		buf_addf(out, " [%s=mixed]", name);
	}
}

static void add_ref(struct snapshot *s, const json_t *node)
{
	const json_t *id = json_object_get(node, "backendDOMNodeId");
	struct browser_tab *tab = s->tab;

	if (!json_is_integer(id) || tab->ref_count >= REFS_MAX) {
		return;
	}
	if ((tab->ref_count & (tab->ref_count - 1)) == 0) {
		size_t size = tab->ref_count == 0 ? 1 : tab->ref_count * 2;

		tab->refs = xreallocarray(tab->refs, size, sizeof(*tab->refs));
	}
	tab->refs[tab->ref_count++] = json_integer_value(id);
	buf_addf(s->out, " [ref=e%zu]", tab->ref_count);
}

static void add_indent(struct buf *out, int depth)
{
	for (int i = 0; i < depth; i++) {
		buf_add_str(out, "  ");
	}
}

static void add_element(struct snapshot *s, const json_t *node, const char *role, int depth)
{
	const char *name = value_of(node, "name"), *value = value_of(node, "value");
	const json_t *properties = json_object_get(node, "properties"), *property;
	size_t i;

	add_indent(s->out, depth);
	buf_addf(s->out, "- %.40s", role);
	if (!is_blank(name)) {
		buf_add_char(s->out, ' ');
		add_quoted(s->out, name);
	}
	json_array_foreach(properties, i, property)
	{
		add_property(s->out, property);
	}
	add_ref(s, node);
	if (*value != '\0' && strcmp(value, name) != 0) {
		buf_add_str(s->out, ": ");
		add_quoted(s->out, value);
	}
	buf_add_char(s->out, '\n');
}

static void walk(struct snapshot *s, const json_t *node, const char *above, int depth, int level);

static void walk_children(
	struct snapshot *s, const json_t *node, const char *above, int depth, int level)
{
	const json_t *children = json_object_get(node, "childIds"), *id;
	size_t i;

	json_array_foreach(children, i, id)
	{
		const char *key = json_string_value(id);

		if (key != NULL) {
			walk(s, json_object_get(s->by_id, key), above, depth, level + 1);
		}
	}
}

static bool is_shown(const struct snapshot *s, const json_t *node, const char *role)
{
	if (is_one_of(plain_roles, ARRAY_SIZE(plain_roles), role) ||
		json_is_true(json_object_get(node, "ignored"))) {
		return false;
	}
	return !s->opts->interactive ||
	       is_one_of(interactive_roles, ARRAY_SIZE(interactive_roles), role);
}

/* above: the name of the element around, which a text in it need not repeat. */
static void walk(struct snapshot *s, const json_t *node, const char *above, int depth, int level)
{
	const char *role = value_of(node, "role"), *name = value_of(node, "name");

	if (node == NULL || level > DEPTH_MAX || s->cut ||
		(s->opts->depth > 0 && depth >= s->opts->depth)) {
		return;
	}
	if (s->out->len >= s->opts->max_chars) {
		s->cut = true;
		return;
	}
	if (strcmp(role, "InlineTextBox") == 0) {
		return;
	}
	if (strcmp(role, "StaticText") == 0) {
		if (!s->opts->interactive && !is_blank(name) && strcmp(name, above) != 0) {
			add_indent(s->out, depth);
			buf_add_str(s->out, "- text: ");
			add_quoted(s->out, name);
			buf_add_char(s->out, '\n');
		}
		return;
	}
	if (is_shown(s, node, role)) {
		add_element(s, node, role, depth);
		walk_children(s, node, name, depth + 1, level);
	} else {
		walk_children(s, node, above, depth, level);
	}
}

void snapshot_write(const json_t *nodes, const struct snapshot_opts *opts, struct browser_tab *tab,
	struct buf *out, bool *ret_cut)
{
	struct snapshot s = {.opts = opts, .tab = tab, .out = out, .by_id = json_object()};
	json_t *node;
	size_t i;

	tab->ref_count = 0;
	json_array_foreach(nodes, i, node)
	{
		const char *id = json_string_value(json_object_get(node, "nodeId"));

		if (id != NULL) {
			(void)json_object_set(s.by_id, id, node);
		}
	}
	walk(&s, json_array_get(nodes, 0), "", 0, 0);
	json_decref(s.by_id);
	*ret_cut = s.cut;
}
