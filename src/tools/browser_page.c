/* SPDX-License-Identifier: MIT */
/* The browser tool's actions that show a page: snapshot, screenshot, pdf. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "tools/base64.h"
#include "tools/browser_call.h"
#include "tools/workdir.h"
#include "wire/link_file.h"

enum {
	SNAPSHOT_CHARS = 40000,
	SNAPSHOT_CHARS_MAX = 400000,
	EFFICIENT_DEPTH = 12,
	/* An image that a model is given: what read allows, in base64. */
	IMAGE_MAX = LIMIT_READ_IMAGE / 3 * 4,
	/* A page of any length is drawn; beyond this it is cut. */
	FULL_PAGE_MAX = 16384,
};

/* --- snapshot --- */

/* As the tree has it: what the browser tells of its tabs comes later. */
static const char *title_of(const json_t *nodes, const struct browser_tab *tab)
{
	const json_t *name = json_object_get(json_array_get(nodes, 0), "name");
	const char *title = json_string_value(json_object_get(name, "value"));

	return title != NULL ? title : tab->title;
}

static void on_tree(struct browser_call *bc, const json_t *result)
{
	const json_t *nodes = json_object_get(result, "nodes");
	struct snapshot_opts opts = {
		.interactive = bc_flag(bc, "interactive"), .compact = bc_flag(bc, "compact")};
	const char *mode = bc_text(bc, "mode");
	int64_t max_chars = SNAPSHOT_CHARS;
	struct browser_tab *tab = bc_tab(bc);
	_cleanup_buf_ struct buf text = {0};
	_cleanup_free_ char *title = NULL;
	bool cut;

	if (tab == NULL || !bc_number(bc, "maxChars", 1, SNAPSHOT_CHARS_MAX, &max_chars) ||
		!bc_number(bc, "depth", 0, 1000, &opts.depth)) {
		return;
	}
	if (mode != NULL && strcmp(mode, "efficient") == 0) {
		opts.interactive = true;
		opts.depth = opts.depth > 0 ? opts.depth : EFFICIENT_DEPTH;
	}
	opts.max_chars = (size_t)max_chars;
	title = xstrdup(title_of(nodes, tab));
	buf_addf(&text, "url: %.300s\ntitle: %.300s\n\n", tab->url, title);
	snapshot_write(nodes, &opts, tab, &text, &cut);
	if (cut) {
		buf_add_str(
			&text, "[cut at maxChars; use interactive, depth or a larger maxChars]\n");
	}
	bc_finish_text(bc,
		json_pack("{s:s, s:s, s:I, s:b}", "url", tab->url, "title", title, "refs",
			(json_int_t)tab->ref_count, "truncated", cut),
		text.data, text.len);
}

static void run_snapshot(struct browser_call *bc, const json_t *result)
{
	(void)result;
	bc_send(bc, "Accessibility.getFullAXTree", NULL, on_tree);
}

/* --- screenshot --- */

static bool wants_jpeg(const struct browser_call *bc)
{
	const char *type = bc_text(bc, "type");

	return type != NULL && (strcmp(type, "jpeg") == 0 || strcmp(type, "jpg") == 0);
}

static void on_image(struct browser_call *bc, const json_t *result)
{
	const json_t *data = json_object_get(result, "data");
	const char *mime = wants_jpeg(bc) ? "image/jpeg" : "image/png";
	_cleanup_buf_ struct buf text = {0};
	const struct browser_tab *tab;
	json_t *content;

	if (json_string_length(data) == 0 || json_string_length(data) > IMAGE_MAX) {
		bc_fail(bc, TOOL_FAIL_FAILED,
			"the screenshot has %zu KiB, over the %d MiB of an image; use type jpeg, or "
			"one element",
			json_string_length(data) / 1024 * 3 / 4, LIMIT_READ_IMAGE / (1024 * 1024));
		return;
	}
	tab = browser_tab(bc->browser, bc->tab_id);
	buf_addf(&text, "Screenshot of %.300s", tab != NULL ? tab->url : "a page");
	content = json_pack("[{s:s, s:s}, {s:s, s:O, s:s}]", "type", "text", "text", text.data,
		"type", "image", "data", data, "mimeType", mime);
	call_finish(bc->call, content,
		json_pack("{s:s, s:s}", "mimeType", mime, "targetId", bc->tab_id));
}

static void capture(struct browser_call *bc, json_t *clip)
{
	json_t *params = json_pack(
		"{s:s, s:b}", "format", wants_jpeg(bc) ? "jpeg" : "png", "optimizeForSpeed", 1);

	if (clip != NULL) {
		(void)json_object_set_new(clip, "scale", json_integer(1));
		(void)json_object_set_new(params, "clip", clip);
		(void)json_object_set_new(params, "captureBeyondViewport", json_true());
	}
	bc_send(bc, "Page.captureScreenshot", params, on_image);
}

static void on_metrics(struct browser_call *bc, const json_t *result)
{
	const json_t *size = json_object_get(result, "cssContentSize");
	double height = json_number_value(json_object_get(size, "height"));

	capture(bc, json_pack("{s:i, s:i, s:f, s:f}", "x", 0, "y", 0, "width",
			    json_number_value(json_object_get(size, "width")), "height",
			    height < FULL_PAGE_MAX ? height : (double)FULL_PAGE_MAX));
}

static void on_box(struct browser_call *bc, const json_t *result)
{
	const json_t *value = json_object_get(json_object_get(result, "result"), "value");

	if (!bc_check_exception(bc, result)) {
		return;
	}
	capture(bc,
		json_pack("{s:f, s:f, s:f, s:f}", "x", json_number_value(json_array_get(value, 0)),
			"y", json_number_value(json_array_get(value, 1)), "width",
			json_number_value(json_array_get(value, 2)), "height",
			json_number_value(json_array_get(value, 3))));
}

static void on_element(struct browser_call *bc, const json_t *result)
{
	(void)result;
	if (bc->node != NULL) {
		bc_call_on_node(bc,
			"function(){if(!this.isConnected)throw Error('the element is gone from the page');"
			"this.scrollIntoView({block:'center',inline:'center',"
			"behavior:'instant'});const r=this.getBoundingClientRect();"
			"return [r.x+scrollX,r.y+scrollY,Math.max(1,r.width),Math.max(1,r.height)]}",
			NULL, on_box);
	} else if (bc_flag(bc, "fullPage")) {
		bc_send(bc, "Page.getLayoutMetrics", NULL, on_metrics);
	} else {
		capture(bc, NULL);
	}
}

static void run_screenshot(struct browser_call *bc, const json_t *result)
{
	(void)result;
	bc_find_node(bc, "ref", "element", true, on_element);
}

/* --- pdf: into the workspace, where a person and the other tools find it --- */

static int digit_of(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

static void decode_base64(struct buf *out, const char *text)
{
	uint32_t bits = 0;
	int count = 0, digit;

	for (; (digit = digit_of(*text)) >= 0; text++) {
		bits = bits << 6 | (uint32_t)digit;
		count += 6;
		if (count >= 8) {
			count -= 8;
			buf_add_char(out, (char)(bits >> count));
		}
	}
}

static void on_written(void *arg, const struct wire_file_done *done)
{
	struct browser_call *bc = arg;

	bc->stream = 0;
	if (done->errnum != 0) {
		bc_fail(bc, TOOL_FAIL_FAILED, "the PDF could not be saved: %.*s",
			(int)done->text.len, (const char *)done->text.data);
		return;
	}
	bc_finish(bc, json_pack("{s:s}", "path", bc->data.data), "Saved the page to %s",
		bc->data.data);
}

static void on_write_lost(void *arg, const struct error *why)
{
	struct browser_call *bc = arg;

	bc->stream = 0;
	bc_fail(bc, TOOL_FAIL_UNAVAILABLE, "the browser's sandbox is gone: %s", why->text);
}

static const struct link_file_ops write_ops = {.done = on_written, .lost = on_write_lost};

/* One that is outside saves what it made into the session's workspace, as any other tool. */
static const char *root_of(const struct browser_call *bc)
{
	return bc->home->control == NULL ? bc->home->decision->spec.workdir
					 : workdir_root(bc->call->decision);
}

static void on_pdf(struct browser_call *bc, const json_t *result)
{
	const char *text = json_string_value(json_object_get(result, "data"));
	const char *path = bc_text(bc, "path"), *root = root_of(bc);
	_cleanup_buf_ struct buf pdf = {0};
	struct wire_file_request request = {
		.op = WIRE_FILE_WRITE, .flags = WIRE_FILE_BENEATH | WIRE_FILE_NO_SYNC};
	struct error err;

	if (text == NULL) {
		bc_fail(bc, TOOL_FAIL_FAILED, "the browser made no PDF");
		return;
	}
	decode_base64(&pdf, text);
	if (path == NULL) {
		buf_addf(&bc->data, "page-%.8s.pdf", bc->tab_id);
	} else {
		buf_add_str(&bc->data, path);
	}
	request.root = (struct wire_bytes){(const uint8_t *)root, strlen(root)};
	request.path = (struct wire_bytes){(const uint8_t *)bc->data.data, bc->data.len};
	if (link_file_call(bc_file_link(bc), &request,
		    (struct wire_bytes){(const uint8_t *)pdf.data, pdf.len}, (struct wire_bytes){0},
		    &write_ops, bc, &bc->stream, &err) < 0) {
		bc_fail(bc, TOOL_FAIL_FAILED, "%s", err.text);
	}
}

static void run_pdf(struct browser_call *bc, const json_t *result)
{
	(void)result;
	buf_clear(&bc->data);
	bc_send(bc, "Page.printToPDF", json_pack("{s:b}", "printBackground", 1), on_pdf);
}

const struct browser_action browser_actions_page[] = {
	{.name = "snapshot", .starts = true, .needs_tab = true, .run = run_snapshot},
	{.name = "screenshot", .starts = true, .needs_tab = true, .run = run_screenshot},
	{.name = "pdf", .starts = true, .needs_tab = true, .run = run_pdf},
};
const size_t browser_actions_page_count = ARRAY_SIZE(browser_actions_page);
