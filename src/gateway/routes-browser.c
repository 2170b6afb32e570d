/* SPDX-License-Identifier: MIT */
/* A session's browser for programs (CDP) and for people (noVNC). */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/own.h"
#include "gateway/novnc.h"
#include "gateway/routes.h"
#include "gateway/ws-relay.h"

/* A request that waits for its browser. */
struct visit {
	struct http_exchange *x; /* NULL: the client is gone */
	struct gateway_browser *use;
	bool control;
	void (*up)(struct visit *visit, struct browser *browser);
};

static void visit_free(struct visit *visit)
{
	gateway_browser_close(visit->use);
	free(visit);
}

static void on_gone(void *arg)
{
	visit_free(arg);
}

static void on_browser(void *arg, struct browser *browser, const struct gateway_failure *failure)
{
	struct visit *visit = arg;
	struct http_exchange *x = visit->x;

	http_exchange_on_close(x, NULL, NULL);
	if (failure != NULL) {
		visit->use = NULL; /* it has closed itself */
		http_exchange_fail_as(x, failure);
		visit_free(visit);
		return;
	}
	visit->up(visit, browser);
}

static void visit_start(struct http_exchange *x, bool control,
	void (*up)(struct visit *visit, struct browser *browser))
{
	struct visit *visit = xcalloc(1, sizeof(*visit));
	struct gateway_browser *use;

	*visit = (struct visit){.x = x, .control = control, .up = up};
	http_exchange_on_close(x, on_gone, visit);
	/* NULL: it has failed and was answered. */
	use = gateway_browser_open(http_exchange_gateway(x), http_exchange_caller(x), NULL,
		http_exchange_param(x, "session"), on_browser, visit);
	if (use != NULL) {
		visit->use = use;
	}
}

/* --- programs --- */

static void on_cdp(struct visit *visit, struct browser *browser)
{
	struct gateway_browser *use = TAKE_PTR(visit->use);
	struct http_exchange *x = visit->x;

	visit_free(visit);
	ws_relay_start(x, use, browser, browser_port(browser), browser_path(browser));
}

static void run_cdp(struct http_exchange *x)
{
	if (ws_relay_key(x) == NULL) {
		http_exchange_fail(x, 400, TOOL_FAIL_ARGUMENTS,
			"this is a WebSocket: ask with Upgrade: websocket and version 13", NULL);
		return;
	}
	visit_start(x, false, on_cdp);
}

/* As the client wrote it; through the unix socket it wrote nothing of use. */
static const char *own_host(struct http_exchange *x)
{
	const char *host = http_exchange_header(x, "host");
	const char *listen = json_string_value(
		json_object_get(gateway_settings(http_exchange_gateway(x)), "listen"));

	if (listen != NULL && (host == NULL || http_exchange_caller(x)->local_fd >= 0)) {
		return listen;
	}
	return host != NULL ? host : "localhost";
}

/* Where clients that discover are to connect: the same host, the same path. */
static char *cdp_url(struct http_exchange *x)
{
	const char *path = http_exchange_path(x), *end = strstr(path, "/json/version");

	return xasprintf("ws://%s%.*s/cdp", own_host(x), (int)(end != NULL ? end - path : 0), path);
}

static void on_version(struct visit *visit, struct browser *browser)
{
	struct http_exchange *x = visit->x;
	_cleanup_free_ char *url = cdp_url(x);

	http_exchange_reply_json(x, 200,
		json_pack("{s:s, s:s, s:s}", "Browser", browser_version(browser),
			"Protocol-Version", "1.3", "webSocketDebuggerUrl", url));
	visit_free(visit);
}

static void run_version(struct http_exchange *x)
{
	visit_start(x, false, on_version);
}

/* --- people --- */

static void on_observe(struct visit *visit, struct browser *browser)
{
	struct gateway_browser *use = TAKE_PTR(visit->use);
	struct http_exchange *x = visit->x;
	char ticket[NOVNC_TICKET_LEN + 1];
	_cleanup_free_ char *url = NULL;
	bool control = visit->control;
	size_t len;

	visit_free(visit);
	if (*browser_password(browser, !control) == '\0' ||
		novnc_file("core/rfb.js", &len) == NULL) {
		gateway_browser_close(use);
		http_exchange_fail(x, 503, TOOL_FAIL_UNAVAILABLE,
			"this browser cannot be watched: it is headless, enableNoVnc is off, noVNC "
			"is not installed on this host, or the browser is older than the gateway "
			"(stop it, and it starts anew)",
			NULL);
		return;
	}
	if (!novnc_ticket_new(NOVNC_PAGE, use, control, ticket)) {
		http_exchange_fail(
			x, 429, GATEWAY_FAIL_BUSY, "too many URLs are out already", NULL);
		return;
	}
	url = xasprintf("http://%s/novnc/t/%s", own_host(x), ticket);
	http_exchange_succeed(x, json_pack("{s:s, s:i, s:b}", "url", url, "expiresMs",
					 NOVNC_TICKET_MS, "viewOnly", !control));
}

static void run_observe(struct http_exchange *x)
{
	json_t *fields = http_exchange_fields(x);
	bool control;

	if (fields == NULL) {
		return;
	}
	control = json_is_true(json_object_get(fields, "control"));
	json_decref(fields);
	visit_start(x, control, on_observe);
}

static void reply_page(
	struct http_exchange *x, int status, const char *type, const char *text, size_t len)
{
	http_exchange_add_header(x, "Referrer-Policy", "no-referrer");
	http_exchange_add_header(x, "Content-Security-Policy",
		"default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src data:; "
		"connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'");
	http_exchange_reply(x, status, type, text, len);
}

/* The password travels in the page's fragment from here on, which no server sees. */
static void run_page(struct http_exchange *x)
{
	bool control = false;
	struct gateway_browser *use =
		novnc_ticket_take(NOVNC_PAGE, http_exchange_param(x, "ticket"), &control);
	struct browser *browser = gateway_browser_get(use);
	char ticket[NOVNC_TICKET_LEN + 1];
	_cleanup_buf_ struct buf page = {0};

	if (browser == NULL || !novnc_ticket_new(NOVNC_STREAM, use, control, ticket)) {
		if (browser == NULL) {
			gateway_browser_close(use);
		}
		http_exchange_fail(x, 404, TOOL_FAIL_NOT_FOUND,
			"this address was used already or is over a minute old; ask for another",
			NULL);
		return;
	}
	buf_addf(&page,
		"<!doctype html><meta charset=utf-8><title>Browser</title>"
		"<body data-to=\"#view_only=%d&amp;password=%s&amp;path=novnc/ws/%s\">"
		"<p style=\"font:16px sans-serif;margin:2em\">Opening the sandboxed browser. This "
		"address has been used now; it works for nobody else.</p>"
		"<script src=\"/novnc/boot.js\"></script>",
		!control, browser_password(browser, !control), ticket);
	reply_page(x, 200, "text/html; charset=utf-8", page.data, page.len);
	explicit_bzero(page.data, page.len);
}

static void run_boot(struct http_exchange *x)
{
	static const char script[] = "location.replace('/novnc/view'+document.body.dataset.to);\n";

	reply_page(x, 200, "text/javascript", script, sizeof(script) - 1);
}

static void run_view(struct http_exchange *x)
{
	static const char page[] =
		"<!doctype html><meta charset=utf-8><title>Sandboxed browser</title><style>"
		"html,body,#screen{height:100%;margin:0;background:#222}"
		"#note{position:fixed;top:0;left:0;margin:0;padding:.4em .8em;color:#eee;"
		"background:#0008;font:13px sans-serif}</style>"
		"<div id=screen></div><p id=note>connecting</p>"
		"<script type=module src=\"/novnc/view.js\"></script>";

	reply_page(x, 200, "text/html; charset=utf-8", page, sizeof(page) - 1);
}

static void run_view_script(struct http_exchange *x)
{
	static const char script[] =
		"import RFB from '/novnc/js/core/rfb.js';\n"
		"const p = new URLSearchParams(location.hash.slice(1));\n"
		"history.replaceState(null, '', location.pathname);\n"
		"const note = document.getElementById('note');\n"
		"const rfb = new RFB(document.getElementById('screen'),\n"
		"  location.origin.replace(/^http/, 'ws') + '/' + p.get('path'),\n"
		"  {credentials: {password: p.get('password')}});\n"
		"rfb.viewOnly = p.get('view_only') !== '0';\n"
		"rfb.scaleViewport = true;\n"
		"rfb.addEventListener('connect', () => {\n"
		"  note.textContent = rfb.viewOnly ? 'view only' : 'in control';\n"
		"  document.body.dataset.state = 'connected';\n"
		"});\n"
		"rfb.addEventListener('disconnect', () => {\n"
		"  note.textContent = 'disconnected: ask for a new address';\n"
		"  document.body.dataset.state = 'disconnected';\n"
		"});\n";

	reply_page(x, 200, "text/javascript", script, sizeof(script) - 1);
}

static void run_script(struct http_exchange *x)
{
	static const char prefix[] = "/novnc/js/";
	const char *path = http_exchange_path(x) + sizeof(prefix) - 1;
	size_t len = 0;
	const char *text = novnc_file(path, &len);

	if (text == NULL) {
		http_exchange_fail(x, 404, TOOL_FAIL_NOT_FOUND, "there is no such script", NULL);
		return;
	}
	reply_page(x, 200, "text/javascript", text, len);
}

static void run_stream(struct http_exchange *x)
{
	bool control = false;
	struct gateway_browser *use;
	struct browser *browser;

	if (ws_relay_key(x) == NULL) {
		http_exchange_fail(x, 400, TOOL_FAIL_ARGUMENTS, "this is a WebSocket", NULL);
		return;
	}
	use = novnc_ticket_take(NOVNC_STREAM, http_exchange_param(x, "ticket"), &control);
	browser = gateway_browser_get(use);
	if (browser == NULL) {
		gateway_browser_close(use);
		http_exchange_fail(x, 404, TOOL_FAIL_NOT_FOUND,
			"this address was used already or is too old", NULL);
		return;
	}
	ws_relay_start(x, use, browser, browser_vnc_port(browser), "/websockify");
}

#define FIELD_BROWSER                                                                         \
	{                                                                                     \
		"session", HTTP_IN_PATH, HTTP_STRING,                                         \
			.required = true, .doc = "the key of the session whose browser it is" \
	}
static const struct http_field browser_fields[] = {FIELD_BROWSER, FIELD_END};
static const struct http_field observe_fields[] = {
	FIELD_BROWSER,
	{"control", HTTP_IN_BODY, HTTP_BOOLEAN,
		.doc = "mouse and keyboard too; without it the visitor only looks"},
	FIELD_END,
};
static const struct http_field ticket_fields[] = {
	{"ticket", HTTP_IN_PATH, HTTP_STRING, .required = true, .doc = "works once, for a minute"},
	FIELD_END,
};

#define FIELD_PART(part)                                                                         \
	{                                                                                        \
		(part), HTTP_IN_PATH, HTTP_STRING, .required = true, .doc = "a part of its path" \
	}
static const struct http_field script2_fields[] = {FIELD_PART("a"), FIELD_PART("b"), FIELD_END};
static const struct http_field script3_fields[] = {
	FIELD_PART("a"), FIELD_PART("b"), FIELD_PART("c"), FIELD_END};
static const struct http_field script5_fields[] = {FIELD_PART("a"), FIELD_PART("b"),
	FIELD_PART("c"), FIELD_PART("d"), FIELD_PART("e"), FIELD_END};

#define SCRIPT_ROW(name, path, parts)                                                             \
	{                                                                                         \
		.method = HTTP_GET, .pattern = "/novnc/js/" path, .id = (name), .tag = "browser", \
		.summary = "noVNC's scripts.", .flags = HTTP_ROUTE_UNLISTED | SCRIPT_FLAGS,       \
		.run = run_script, .fields = (parts), .type = "text/javascript"                   \
	}
enum {
	PAGE_FLAGS = HTTP_ROUTE_OPEN | HTTP_ROUTE_PAGE | HTTP_ROUTE_RAW | HTTP_ROUTE_MISSING,
	SCRIPT_FLAGS = HTTP_ROUTE_OPEN | HTTP_ROUTE_RAW | HTTP_ROUTE_MISSING,
};

const struct http_route routes_browser[] = {
	{
		.method = HTTP_GET,
		.pattern = "/v1/browser/{session}/cdp",
		.id = "browserCdp",
		.tag = "browser",
		.summary = "Chrome DevTools Protocol, as a WebSocket (Playwright, Puppeteer).",
		.flags = HTTP_ROUTE_RAW,
		.upgrade = "websocket",
		.run = run_cdp,
		.fields = browser_fields,
	},
	{
		.method = HTTP_GET,
		.pattern = "/v1/browser/{session}/json/version",
		.id = "browserVersion",
		.tag = "browser",
		.summary = "Where its DevTools are, for clients that discover.",
		.flags = HTTP_ROUTE_RAW,
		.run = run_version,
		.fields = browser_fields,
		.answer = ANSWER_OBJECT,
	},
	{
		.method = HTTP_GET,
		.pattern = "/v1/browser/{session}/json/version/",
		.id = "browserVersionSlash",
		.tag = "browser",
		.summary = "The same, as Playwright writes it.",
		.flags = HTTP_ROUTE_UNLISTED | HTTP_ROUTE_RAW,
		.run = run_version,
		.fields = browser_fields,
		.answer = ANSWER_OBJECT,
	},
	{
		.method = HTTP_POST,
		.pattern = "/v1/browser/{session}/observe",
		.id = "browserObserve",
		.tag = "browser",
		.summary = "A URL through which a person sees the browser, once, within a minute.",
		.run = run_observe,
		.fields = observe_fields,
		.answer = ANSWER_OBJECT,
	},
	{
		.method = HTTP_GET,
		.pattern = "/novnc/t/{ticket}",
		.id = "novncPage",
		.tag = "browser",
		.summary = "What that URL shows.",
		.flags = PAGE_FLAGS,
		.run = run_page,
		.fields = ticket_fields,
		.type = "text/html",
	},
	{
		.method = HTTP_GET,
		.pattern = "/novnc/ws/{ticket}",
		.id = "novncStream",
		.tag = "browser",
		.summary = "VNC, as a WebSocket.",
		.flags = HTTP_ROUTE_OPEN | HTTP_ROUTE_RAW | HTTP_ROUTE_MISSING,
		.upgrade = "websocket",
		.run = run_stream,
		.fields = ticket_fields,
	},
	{
		.method = HTTP_GET,
		.pattern = "/novnc/view",
		.id = "novncView",
		.tag = "browser",
		.summary = "The page that looks.",
		.flags = PAGE_FLAGS & ~HTTP_ROUTE_MISSING,
		.run = run_view,
		.type = "text/html",
	},
	{
		.method = HTTP_GET,
		.pattern = "/novnc/boot.js",
		.id = "novncBootScript",
		.tag = "browser",
		.summary = "Leads there.",
		.flags = HTTP_ROUTE_UNLISTED | HTTP_ROUTE_OPEN | HTTP_ROUTE_RAW,
		.run = run_boot,
		.type = "text/javascript",
	},
	{
		.method = HTTP_GET,
		.pattern = "/novnc/view.js",
		.id = "novncViewScript",
		.tag = "browser",
		.summary = "Its script.",
		.flags = HTTP_ROUTE_UNLISTED | HTTP_ROUTE_OPEN | HTTP_ROUTE_RAW,
		.run = run_view_script,
		.type = "text/javascript",
	},
	SCRIPT_ROW("novncScript2", "{a}/{b}", script2_fields),
	SCRIPT_ROW("novncScript3", "{a}/{b}/{c}", script3_fields),
	SCRIPT_ROW("novncScript5", "{a}/{b}/{c}/{d}/{e}", script5_fields),
	{.pattern = NULL},
};
