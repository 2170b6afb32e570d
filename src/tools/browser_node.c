/* SPDX-License-Identifier: MIT */
/* What an action is about: an element by its ref or by a selector, and where it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/own.h"
#include "tools/browser_call.h"

/* "e12", "@e12", "12". 0: it is none. */
static int64_t ref_node(const struct browser_tab *tab, const char *ref)
{
	uint32_t number;

	ref += *ref == '@';
	ref += *ref == 'e';
	if (num_parse_u32(ref, 1, UINT32_MAX, &number) < 0 || number > tab->ref_count) {
		return 0;
	}
	return tab->refs[number - 1];
}

bool bc_check_exception(struct browser_call *bc, const json_t *result)
{
	const json_t *details = json_object_get(result, "exceptionDetails");
	const json_t *exception = json_object_get(details, "exception");
	const char *text = json_string_value(json_object_get(exception, "description"));

	if (details == NULL) {
		return true;
	}
	text = text != NULL ? text : json_string_value(json_object_get(details, "text"));
	bc_fail(bc, TOOL_FAIL_FAILED, "%.1000s", text != NULL ? text : "an exception");
	return false;
}

static void on_selected(struct browser_call *bc, const json_t *result)
{
	const char *id =
		json_string_value(json_object_get(json_object_get(result, "result"), "objectId"));

	if (!bc_check_exception(bc, result)) {
		return;
	}
	if (id == NULL) {
		bc_fail(bc, TOOL_FAIL_NOT_FOUND,
			"no element of the page matches; action snapshot shows what is there");
		return;
	}
	bc->node = json_pack("{s:s}", "objectId", id);
	bc->then(bc, NULL);
}

static void select_node(struct browser_call *bc, const char *selector)
{
	json_t *text = json_string(selector);
	_cleanup_free_ char *quoted = json_dumps(text, JSON_ENCODE_ANY);
	_cleanup_buf_ struct buf script = {0};

	json_decref(text);
	buf_addf(&script, "document.querySelector(%s)", quoted);
	bc_send(bc, "Runtime.evaluate", json_pack("{s:s}", "expression", script.data), on_selected);
}

void bc_find_node(struct browser_call *bc, const char *ref_name, const char *selector_name,
	bool optional, browser_step_fn then)
{
	const char *ref = bc_text(bc, ref_name), *selector = bc_text(bc, selector_name);
	const struct browser_tab *tab = bc_tab(bc);
	int64_t node;

	if (tab == NULL) {
		return;
	}
	json_decref(bc->node);
	bc->node = NULL;
	bc->then = then;
	if (ref != NULL) {
		node = ref_node(tab, ref);
		if (node == 0) {
			bc_fail(bc, TOOL_FAIL_NOT_FOUND,
				"%s '%.32s' is not in the last snapshot of this tab; take one first",
				ref_name, ref);
			return;
		}
		bc->node = json_pack("{s:I}", "backendNodeId", (json_int_t)node);
		then(bc, NULL);
	} else if (selector != NULL) {
		select_node(bc, selector);
	} else if (optional) {
		then(bc, NULL);
	} else {
		bc_fail(bc, TOOL_FAIL_ARGUMENTS,
			"parameter %s (eN of a snapshot) or %s (a CSS selector) is missing",
			ref_name, selector_name);
	}
}

static void on_quads(struct browser_call *bc, const json_t *result)
{
	const json_t *quad = json_array_get(json_object_get(result, "quads"), 0), *value;
	size_t i;

	bc->x = bc->y = 0;
	json_array_foreach(quad, i, value)
	{
		*(i % 2 == 0 ? &bc->x : &bc->y) += json_number_value(value) / 4;
	}
	if (json_array_size(quad) != 8) {
		bc_fail(bc, TOOL_FAIL_FAILED, "the element is not visible");
		return;
	}
	bc->then(bc, NULL);
}

static void on_scrolled(struct browser_call *bc, const json_t *result)
{
	(void)result;
	bc_send(bc, "DOM.getContentQuads", json_copy(bc->node), on_quads);
}

void bc_locate(struct browser_call *bc, browser_step_fn then)
{
	bc->then = then;
	bc_send(bc, "DOM.scrollIntoViewIfNeeded", json_copy(bc->node), on_scrolled);
}

static void call_now(struct browser_call *bc, const char *object)
{
	json_t *params = json_loadb(bc->data.data, bc->data.len, 0, NULL);

	(void)json_object_set_new(params, "objectId", json_string(object));
	bc_send(bc, "Runtime.callFunctionOn", params, bc->then);
}

static void on_resolved(struct browser_call *bc, const json_t *result)
{
	const char *id =
		json_string_value(json_object_get(json_object_get(result, "object"), "objectId"));

	if (id == NULL) {
		bc_fail(bc, TOOL_FAIL_NOT_FOUND, "the element is gone from the page");
		return;
	}
	call_now(bc, id);
}

void bc_call_on_node(
	struct browser_call *bc, const char *function, json_t *arguments, browser_step_fn next)
{
	const char *object = json_string_value(json_object_get(bc->node, "objectId"));
	json_t *params = json_pack("{s:s, s:o, s:b, s:b}", "functionDeclaration", function,
		"arguments", arguments != NULL ? arguments : json_array(), "returnByValue", 1,
		"awaitPromise", 1);
	char *text = json_dumps(params, JSON_COMPACT);

	json_decref(params);
	buf_clear(&bc->data);
	buf_add_str(&bc->data, text != NULL ? text : "{}");
	free(text);
	bc->then = next;
	if (object != NULL) {
		call_now(bc, object);
	} else {
		bc_send(bc, "DOM.resolveNode", json_copy(bc->node), on_resolved);
	}
}
