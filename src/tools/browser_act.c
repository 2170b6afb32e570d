/* SPDX-License-Identifier: MIT */
/* The browser tool's action act: what a hand on mouse and keyboard does. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "tools/browser_call.h"

enum {
	DRAG_STEPS = 8,
	WAIT_DEFAULT_MS = 10000,
	WAIT_MAX_MS = 120000,
	SIZE_MAX_PIXELS = 10000,
	RESULT_MAX = 200000, /* of evaluate: contract D11 */
	FIELDS_MAX = 200,
};

enum { MODIFIER_ALT = 1, MODIFIER_CONTROL = 2, MODIFIER_META = 4, MODIFIER_SHIFT = 8 };

static int modifier_of(const char *name)
{
	static const struct {
		const char *name;
		int bit;
	} names[] = {
		{"alt", MODIFIER_ALT},
		{"control", MODIFIER_CONTROL},
		{"ctrl", MODIFIER_CONTROL},
		{"controlormeta", MODIFIER_CONTROL},
		{"meta", MODIFIER_META},
		{"shift", MODIFIER_SHIFT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcasecmp(names[i].name, name) == 0) {
			return names[i].bit;
		}
	}
	return 0;
}

static int modifiers_of(const struct browser_call *bc)
{
	const json_t *list = json_object_get(bc->args, "modifiers"), *item;
	int modifiers = 0;
	size_t i;

	json_array_foreach(list, i, item)
	{
		modifiers |= json_is_string(item) ? modifier_of(json_string_value(item)) : 0;
	}
	return modifiers;
}

/* --- mouse --- */

static json_t *mouse(
	const struct browser_call *bc, const char *type, double x, double y, int clicks)
{
	const char *button = bc_text(bc, "button");
	bool pressed = strcmp(type, "mouseMoved") != 0;

	if (button == NULL || !pressed) {
		button = pressed ? "left" : "none";
	}
	return json_pack("{s:s, s:f, s:f, s:s, s:i, s:i}", "type", type, "x", x, "y", y, "button",
		button, "clickCount", clicks, "modifiers", modifiers_of(bc));
}

static void finish_done(struct browser_call *bc, const json_t *result)
{
	const char *kind = bc_text(bc, "kind");

	(void)result;
	bc_finish(bc, NULL, "Done: %.20s.", kind != NULL ? kind : "act");
}

/* Sent together: the browser takes them in order. */
static void click_there(struct browser_call *bc, const json_t *result)
{
	int clicks = bc_flag(bc, "doubleClick") ? 2 : 1;

	(void)result;
	bc_note(bc, "Input.dispatchMouseEvent", mouse(bc, "mouseMoved", bc->x, bc->y, 0));
	for (int i = 1; i < clicks; i++) {
		bc_note(bc, "Input.dispatchMouseEvent", mouse(bc, "mousePressed", bc->x, bc->y, i));
		bc_note(bc, "Input.dispatchMouseEvent",
			mouse(bc, "mouseReleased", bc->x, bc->y, i));
	}
	bc_note(bc, "Input.dispatchMouseEvent", mouse(bc, "mousePressed", bc->x, bc->y, clicks));
	bc_send(bc, "Input.dispatchMouseEvent", mouse(bc, "mouseReleased", bc->x, bc->y, clicks),
		finish_done);
}

static void click_found(struct browser_call *bc, const json_t *result)
{
	(void)result;
	bc_locate(bc, click_there);
}

static void act_click(struct browser_call *bc)
{
	bc_find_node(bc, "ref", "element", false, click_found);
}

static void hover_there(struct browser_call *bc, const json_t *result)
{
	(void)result;
	bc_send(bc, "Input.dispatchMouseEvent", mouse(bc, "mouseMoved", bc->x, bc->y, 0),
		finish_done);
}

static void hover_found(struct browser_call *bc, const json_t *result)
{
	(void)result;
	bc_locate(bc, hover_there);
}

static void act_hover(struct browser_call *bc)
{
	bc_find_node(bc, "ref", "element", false, hover_found);
}

static json_t *drag_event(const char *type, double x, double y)
{
	return json_pack("{s:s, s:f, s:f, s:s, s:i, s:i}", "type", type, "x", x, "y", y, "button",
		"left", "buttons", 1, "clickCount", 1);
}

static void drag_there(struct browser_call *bc, const json_t *result)
{
	double from_x = json_number_value(json_object_get(bc->node2, "x"));
	double from_y = json_number_value(json_object_get(bc->node2, "y"));

	(void)result;
	bc_note(bc, "Input.dispatchMouseEvent", mouse(bc, "mouseMoved", from_x, from_y, 0));
	bc_note(bc, "Input.dispatchMouseEvent", drag_event("mousePressed", from_x, from_y));
	for (int i = 1; i <= DRAG_STEPS; i++) {
		bc_note(bc, "Input.dispatchMouseEvent",
			drag_event("mouseMoved", from_x + (bc->x - from_x) * i / DRAG_STEPS,
				from_y + (bc->y - from_y) * i / DRAG_STEPS));
	}
	bc_send(bc, "Input.dispatchMouseEvent", drag_event("mouseReleased", bc->x, bc->y),
		finish_done);
}

static void drag_end_found(struct browser_call *bc, const json_t *result)
{
	(void)result;
	bc_locate(bc, drag_there);
}

static void drag_start_there(struct browser_call *bc, const json_t *result)
{
	(void)result;
	json_decref(bc->node2);
	bc->node2 = json_pack("{s:f, s:f}", "x", bc->x, "y", bc->y);
	bc_find_node(bc, "endRef", "endElement", false, drag_end_found);
}

static void drag_start_found(struct browser_call *bc, const json_t *result)
{
	(void)result;
	bc_locate(bc, drag_start_there);
}

static void act_drag(struct browser_call *bc)
{
	bc_find_node(bc, "startRef", "startElement", false, drag_start_found);
}

/* --- keyboard --- */

static const struct {
	const char *name, *code;
	int virtual_key;
	const char *text;
} keys[] = {
	{"Enter", "Enter", 13, "\r"},
	{"Tab", "Tab", 9, NULL},
	{"Escape", "Escape", 27, NULL},
	{"Backspace", "Backspace", 8, NULL},
	{"Delete", "Delete", 46, NULL},
	{"Insert", "Insert", 45, NULL},
	{"Home", "Home", 36, NULL},
	{"End", "End", 35, NULL},
	{"PageUp", "PageUp", 33, NULL},
	{"PageDown", "PageDown", 34, NULL},
	{"ArrowLeft", "ArrowLeft", 37, NULL},
	{"ArrowUp", "ArrowUp", 38, NULL},
	{"ArrowRight", "ArrowRight", 39, NULL},
	{"ArrowDown", "ArrowDown", 40, NULL},
	{"Space", "Space", 32, " "},
	{"F1", "F1", 112, NULL},
	{"F2", "F2", 113, NULL},
	{"F3", "F3", 114, NULL},
	{"F4", "F4", 115, NULL},
	{"F5", "F5", 116, NULL},
	{"F6", "F6", 117, NULL},
	{"F7", "F7", 118, NULL},
	{"F8", "F8", 119, NULL},
	{"F9", "F9", 120, NULL},
	{"F10", "F10", 121, NULL},
	{"F11", "F11", 122, NULL},
	{"F12", "F12", 123, NULL},
};

static void name_key(json_t *event, size_t i)
{
	const char *name = strcmp(keys[i].name, "Space") == 0 ? " " : keys[i].name;

	(void)json_object_set_new(event, "key", json_string(name));
	(void)json_object_set_new(event, "code", json_string(keys[i].code));
	(void)json_object_set_new(
		event, "windowsVirtualKeyCode", json_integer(keys[i].virtual_key));
	if (keys[i].text != NULL) {
		(void)json_object_set_new(event, "text", json_string(keys[i].text));
	}
}

/* The virtual key of one letter or digit; 0: it is neither. */
static int letter_key(const char *key)
{
	int c = (unsigned char)key[0];

	return c != 0 && key[1] == '\0' && isalnum(c) ? toupper(c) : 0;
}

static json_t *key_event(const char *key, int modifiers)
{
	json_t *event = json_pack("{s:i, s:s}", "modifiers", modifiers, "key", key);

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcasecmp(keys[i].name, key) == 0) {
			name_key(event, i);
			return event;
		}
	}
	if (letter_key(key) != 0) {
		(void)json_object_set_new(
			event, "windowsVirtualKeyCode", json_integer(letter_key(key)));
	}
	/* With Control held, a letter is a command and types nothing. */
	if ((modifiers & (MODIFIER_CONTROL | MODIFIER_META | MODIFIER_ALT)) == 0) {
		(void)json_object_set_new(event, "text", json_string(key));
	}
	return event;
}

static void press(struct browser_call *bc, const char *key, int modifiers, browser_step_fn then)
{
	json_t *down = key_event(key, modifiers), *up = json_copy(down);

	(void)json_object_set_new(down, "type",
		json_string(json_object_get(down, "text") != NULL ? "keyDown" : "rawKeyDown"));
	(void)json_object_set_new(up, "type", json_string("keyUp"));
	(void)json_object_del(up, "text");
	bc_note(bc, "Input.dispatchKeyEvent", down);
	bc_send(bc, "Input.dispatchKeyEvent", up, then);
}

/* "Control+Shift+a": the last part is the key, and "+" is one too. */
static void press_named(struct browser_call *bc, const json_t *result)
{
	const char *key = bc_text(bc, "key"), *plus;
	int modifiers = modifiers_of(bc);
	char name[16];

	(void)result;
	while (key[0] != '\0' && (plus = strchr(key + 1, '+')) != NULL && plus[1] != '\0') {
		size_t len = (size_t)(plus - key);

		if (len >= sizeof(name)) {
			break;
		}
		memcpy(name, key, len);
		name[len] = '\0';
		if (modifier_of(name) == 0) {
			break;
		}
		modifiers |= modifier_of(name);
		key = plus + 1;
	}
	press(bc, key, modifiers, finish_done);
}

static void focus_then_press(struct browser_call *bc, const json_t *result)
{
	(void)result;
	if (bc->node != NULL) {
		bc_send(bc, "DOM.focus", json_copy(bc->node), press_named);
	} else {
		press_named(bc, NULL);
	}
}

static void act_press(struct browser_call *bc)
{
	const char *key = bc_text(bc, "key");

	if (key == NULL || *key == '\0' || strlen(key) > 60) {
		bc_fail(bc, TOOL_FAIL_ARGUMENTS,
			"parameter key is missing: Enter, a, Control+a, ...");
		return;
	}
	bc_find_node(bc, "ref", "element", true, focus_then_press);
}

static void after_type(struct browser_call *bc, const json_t *result)
{
	if (bc_flag(bc, "submit")) {
		press(bc, "Enter", 0, finish_done);
	} else {
		finish_done(bc, result);
	}
}

static void type_text(struct browser_call *bc, const json_t *result)
{
	const char *text = bc_text(bc, "text");

	if (!bc_check_exception(bc, result)) {
		return;
	}
	if (*text == '\0') {
		press(bc, "Delete", 0, after_type);
	} else {
		bc_send(bc, "Input.insertText", json_pack("{s:s}", "text", text), after_type);
	}
}

/* What stood there is replaced. */
static void type_found(struct browser_call *bc, const json_t *result)
{
	(void)result;
	bc_call_on_node(bc,
		"function(){this.focus();if(typeof this.select==='function')this.select();"
		"else if(this.isContentEditable){const r=document.createRange();"
		"r.selectNodeContents(this);const s=getSelection();s.removeAllRanges();s.addRange(r)}"
		"else throw new Error('the element takes no text')}",
		NULL, type_text);
}

static void act_type(struct browser_call *bc)
{
	if (bc_text(bc, "text") == NULL) {
		bc_fail(bc, TOOL_FAIL_ARGUMENTS, "parameter text is missing");
		return;
	}
	bc_find_node(bc, "ref", "element", false, type_found);
}

/* --- forms --- */

static void finish_checked(struct browser_call *bc, const json_t *result)
{
	if (bc_check_exception(bc, result)) {
		finish_done(bc, NULL);
	}
}

static void select_found(struct browser_call *bc, const json_t *result)
{
	json_t *values = json_object_get(bc->args, "values");

	(void)result;
	bc_call_on_node(bc,
		"function(v){if(this.tagName!=='SELECT')throw new Error('the element is no list');"
		"let n=0;for(const o of this.options){o.selected=v.includes(o.value)||v.includes(o.label);"
		"n+=o.selected?1:0}if(n===0)throw new Error('no such option: '+v.join(', '));"
		"this.dispatchEvent(new Event('input',{bubbles:true}));"
		"this.dispatchEvent(new Event('change',{bubbles:true}))}",
		json_pack("[{s:O}]", "value", values), finish_checked);
}

static void act_select(struct browser_call *bc)
{
	if (json_array_size(json_object_get(bc->args, "values")) == 0) {
		bc_fail(bc, TOOL_FAIL_ARGUMENTS, "parameter values is missing: a list of options");
		return;
	}
	bc_find_node(bc, "ref", "element", false, select_found);
}

static void fill_next(struct browser_call *bc, const json_t *result);

static void fill_checked(struct browser_call *bc, const json_t *result)
{
	if (bc_check_exception(bc, result)) {
		bc->at++;
		fill_next(bc, NULL);
	}
}

static const json_t *fill_field(const struct browser_call *bc)
{
	return json_array_get(
		json_object_get(bc->call->args, "request") != NULL
			? json_object_get(json_object_get(bc->call->args, "request"), "fields")
			: json_object_get(bc->call->args, "fields"),
		bc->at);
}

static void fill_found(struct browser_call *bc, const json_t *result)
{
	json_t *value = json_object_get(fill_field(bc), "value");

	(void)result;
	/* Through the element's own setter: frameworks watch that one. */
	bc_call_on_node(bc,
		"function(v){const e=n=>this.dispatchEvent(new Event(n,{bubbles:true}));this.focus();"
		"if(this.type==='checkbox'||this.type==='radio'){const on=v===true||v==='true'||"
		"v==='on'||v==='1';if(this.checked!==on)this.click();return}"
		"if(this.isContentEditable){this.textContent=String(v);e('input');return}"
		"let p=Object.getPrototypeOf(this),d;"
		"while(p&&!(d=Object.getOwnPropertyDescriptor(p,'value')))p=Object.getPrototypeOf(p);"
		"if(!d||!d.set)throw new Error('the element takes no value');"
		"d.set.call(this,String(v));e('input');e('change')}",
		json_pack("[{s:O}]", "value", value != NULL ? value : json_null()), fill_checked);
}

static void fill_next(struct browser_call *bc, const json_t *result)
{
	const json_t *field = fill_field(bc);

	(void)result;
	if (field == NULL) {
		bc_finish(bc, NULL, "Filled %zu fields.", bc->at);
		return;
	}
	bc->args = field;
	bc_find_node(bc, "ref", "element", false, fill_found);
}

static void act_fill(struct browser_call *bc)
{
	const json_t *fields = json_object_get(bc->args, "fields");

	if (json_array_size(fields) == 0 || json_array_size(fields) > FIELDS_MAX) {
		bc_fail(bc, TOOL_FAIL_ARGUMENTS,
			"parameter fields must hold 1 to %d of {ref, value}", FIELDS_MAX);
		return;
	}
	fill_next(bc, NULL);
}

/* --- wait, evaluate, resize --- */

static void on_waited(struct browser_call *bc, const json_t *result)
{
	const json_t *value = json_object_get(json_object_get(result, "result"), "value");

	if (!bc_check_exception(bc, result)) {
		return;
	}
	if (json_is_true(value)) {
		finish_done(bc, NULL);
	} else {
		bc_fail(bc, TOOL_FAIL_TIMEOUT, "the page did not come to what was waited for");
	}
}

static void add_condition(
	struct buf *script, const struct browser_call *bc, const char *name, const char *format)
{
	const char *text = bc_text(bc, name);
	json_t *string = text != NULL ? json_string(text) : NULL;
	char *quoted = string != NULL ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
	const char *at = strchr(format, '$');

	if (quoted != NULL) {
		buf_add_str(script, "&&(");
		buf_add(script, format, (size_t)(at - format));
		buf_add_str(script, quoted);
		buf_add_str(script, at + 1);
		buf_add_char(script, ')');
	}
	free(quoted);
	json_decref(string);
}

static void act_wait(struct browser_call *bc)
{
	_cleanup_buf_ struct buf condition = {0}, script = {0};
	int64_t ms = 0, most = WAIT_DEFAULT_MS;

	if (!bc_number(bc, "timeMs", 0, WAIT_MAX_MS, &ms) ||
		!bc_number(bc, "timeoutMs", 1, WAIT_MAX_MS, &most)) {
		return;
	}
	add_condition(&condition, bc, "text", "document.body&&document.body.innerText.includes($)");
	add_condition(&condition, bc, "textGone",
		"!(document.body&&document.body.innerText.includes($))");
	add_condition(&condition, bc, "selector", "document.querySelector($)!==null");
	add_condition(&condition, bc, "url", "location.href.includes($)");
	add_condition(&condition, bc, "loadState",
		"($==='domcontentloaded'?document.readyState!=='loading':"
		"document.readyState==='complete')");
	if (condition.len == 0 && ms == 0) {
		bc_fail(bc, TOOL_FAIL_ARGUMENTS,
			"wait for what: timeMs, text, textGone, selector, url or loadState");
		return;
	}
	/* The page looks itself: one answer, when it is there. */
	buf_addf(&script,
		"new Promise(r=>{const s=Date.now(),f=()=>{if(Date.now()-s>=%lld%s)r(true);"
		"else if(Date.now()-s>%lld)r(false);else setTimeout(f,25)};f()})",
		(long long)ms, condition.data != NULL ? condition.data : "",
		(long long)(condition.len > 0 ? most + ms : ms + 1000));
	bc->call->deadline_ns = clock_after_ns((uint64_t)(most + ms + 5000) * NS_PER_MS);
	bc_send(bc, "Runtime.evaluate",
		json_pack("{s:s, s:b, s:b}", "expression", script.data, "awaitPromise", 1,
			"returnByValue", 1),
		on_waited);
}

static void on_evaluated(struct browser_call *bc, const json_t *result)
{
	const json_t *object = json_object_get(result, "result");
	const json_t *value = json_object_get(object, "value");
	_cleanup_free_ char *text = NULL;
	size_t len;

	if (!bc_check_exception(bc, result)) {
		return;
	}
	text = value != NULL ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	if (text == NULL) {
		const char *what = json_string_value(json_object_get(object, "description"));

		text = xstrdup(what != NULL ? what : "undefined");
	}
	len = strlen(text);
	if (len > RESULT_MAX) {
		bc_fail(bc, TOOL_FAIL_FAILED, "the result has %zu bytes, over %d; return less", len,
			RESULT_MAX);
		return;
	}
	bc_finish_text(
		bc, value != NULL ? json_pack("{s:O}", "result", value) : json_object(), text, len);
}

static void evaluate_found(struct browser_call *bc, const json_t *result)
{
	const char *fn = bc_text(bc, "fn");
	_cleanup_buf_ struct buf script = {0};

	(void)result;
	if (bc->node != NULL) {
		buf_addf(&script, "function(){const f=(%s);return typeof f==='function'?f(this):f}",
			fn);
		bc_call_on_node(bc, script.data, NULL, on_evaluated);
		return;
	}
	/* A function is called, an expression has its value. */
	buf_addf(&script, "(()=>{const f=(%s\n);return typeof f==='function'?f():f})()", fn);
	bc_send(bc, "Runtime.evaluate",
		json_pack("{s:s, s:b, s:b}", "expression", script.data, "awaitPromise", 1,
			"returnByValue", 1),
		on_evaluated);
}

static void act_evaluate(struct browser_call *bc)
{
	if (!bc_settings(bc)->evaluate) {
		bc_fail(bc, TOOL_FAIL_DENIED,
			"scripts in pages are switched off (browser.evaluateEnabled)");
		return;
	}
	if (bc_text(bc, "fn") == NULL) {
		bc_fail(bc, TOOL_FAIL_ARGUMENTS, "parameter fn is missing: () => document.title");
		return;
	}
	bc_find_node(bc, "ref", "element", true, evaluate_found);
}

static void act_resize(struct browser_call *bc)
{
	int64_t width = 0, height = 0;

	if (!bc_number(bc, "width", 1, SIZE_MAX_PIXELS, &width) ||
		!bc_number(bc, "height", 1, SIZE_MAX_PIXELS, &height)) {
		return;
	}
	if (width == 0 || height == 0) {
		bc_fail(bc, TOOL_FAIL_ARGUMENTS, "resize needs width and height");
		return;
	}
	bc_send(bc, "Emulation.setDeviceMetricsOverride",
		json_pack("{s:I, s:I, s:i, s:b}", "width", (json_int_t)width, "height",
			(json_int_t)height, "deviceScaleFactor", 0, "mobile", 0),
		finish_done);
}

static void act_close(struct browser_call *bc)
{
	browser_close_tab(bc, NULL);
}

static const struct {
	const char *kind;
	void (*run)(struct browser_call *bc);
} kinds[] = {
	{"click", act_click},
	{"type", act_type},
	{"press", act_press},
	{"hover", act_hover},
	{"drag", act_drag},
	{"select", act_select},
	{"fill", act_fill},
	{"wait", act_wait},
	{"evaluate", act_evaluate},
	{"resize", act_resize},
	{"close", act_close},
};

void browser_act(struct browser_call *bc, const json_t *result)
{
	const json_t *request = json_object_get(bc->call->args, "request");
	const char *kind;

	(void)result;
	bc->args = json_is_object(request) ? request : bc->call->args;
	kind = bc_text(bc, "kind");
	for (size_t i = 0; kind != NULL && i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].kind, kind) == 0) {
			kinds[i].run(bc);
			return;
		}
	}
	bc_fail(bc, TOOL_FAIL_ARGUMENTS,
		"kind '%.32s' is none of click, type, press, hover, drag, select, fill, wait, "
		"evaluate, resize, close",
		kind != NULL ? kind : "");
}
