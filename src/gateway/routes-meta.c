/* SPDX-License-Identifier: MIT */
/* Health, metrics, and the description of all of it. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gateway/openapi.h"
#include "gateway/routes.h"

static void health(struct http_exchange *x)
{
	http_exchange_reply_json(x, 200, json_pack("{s:s}", "status", "ok"));
}

static void describe(struct http_exchange *x)
{
	http_exchange_reply_json(x, 200, openapi_document());
}

/* --- metrics --- */

struct scrape {
	struct http_exchange *x;
	struct gateway_ask *ask;
};

static void on_gone(void *arg)
{
	struct scrape *scrape = arg;

	gateway_ask_forget(scrape->ask);
	free(scrape);
}

static void on_metrics(void *arg, const json_t *result, const struct gateway_failure *failure)
{
	struct scrape *scrape = arg;
	struct http_exchange *x = scrape->x;
	const char *text = json_string_value(json_object_get(result, "text"));
	_cleanup_buf_ struct buf out = {0};

	free(scrape);
	if (failure != NULL) {
		http_exchange_fail_as(x, failure);
		return;
	}
	buf_add_str(&out, text != NULL ? text : "");
	http_server_metrics(http_exchange_server(x), &out);
	http_exchange_reply(x, 200, "text/plain; version=0.0.4; charset=utf-8", out.data, out.len);
}

static void metrics(struct http_exchange *x)
{
	struct scrape *scrape = xcalloc(1, sizeof(*scrape));
	struct gateway_ask *ask;

	scrape->x = x;
	http_exchange_on_close(x, on_gone, scrape);
	ask = gateway_ask(http_exchange_gateway(x), http_exchange_caller(x), "metrics", NULL,
		on_metrics, scrape);
	if (ask != NULL) {
		scrape->ask = ask;
	}
}

const struct http_route routes_meta[] = {
	{HTTP_GET, "/healthz", "getHealth", "gateway", "Says that the gateway answers.",
		.flags = HTTP_ROUTE_OPEN | HTTP_ROUTE_RAW, .run = health, .answer = ANSWER_OBJECT},
	{HTTP_GET, "/openapi.json", "getOpenapi", "gateway", "This document.",
		.flags = HTTP_ROUTE_OPEN | HTTP_ROUTE_RAW, .run = describe,
		.answer = ANSWER_OBJECT},
	{HTTP_GET, "/metrics", "getMetrics", "gateway", "Figures for Prometheus.",
		.flags = HTTP_ROUTE_RAW, .run = metrics, .type = "text/plain"},
	{.pattern = NULL},
};
