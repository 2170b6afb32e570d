/* SPDX-License-Identifier: MIT */
/* The browser of a sandbox: its settings, and the container spec when that is what was asked for. */
#include <string.h>

#include "base/mem.h"
#include "config/cidr.h"
#include "policy/text.h"
#include "policy/view.h"

#define BROWSER_FIELD(key) "sandbox.browser." key

static const json_t *browser_get(struct view *v, const char *key)
{
	enum view_level level;
	const json_t *value = view_get(v, VIEW_BROWSER, key, &level);

	view_provenance(v, text_concat(v->arena, BROWSER_FIELD(""), key, NULL),
		view_key(v, level, VIEW_BROWSER, key));
	return value;
}

static const char *browser_text(struct view *v, const char *key, const char *fallback)
{
	const char *text = json_string_value(browser_get(v, key));

	return text_is_blank(text) ? fallback : text_trim(v->arena, text);
}

static int64_t browser_int(struct view *v, const char *key, int64_t fallback)
{
	const json_t *value = browser_get(v, key);

	return json_is_integer(value) ? json_integer_value(value) : fallback;
}

static const char *browser_key(const struct view *v, const char *key)
{
	enum view_level level;

	(void)view_get(v, VIEW_BROWSER, key, &level);
	return view_key(v, level, VIEW_BROWSER, key);
}

static const json_t *ssrf(const struct view *v, const char *key)
{
	return json_object_get(
		json_object_get(json_object_get(v->root, "browser"), "ssrfPolicy"), key);
}

void decide_browser(struct view *v)
{
	struct browser_settings *b = &v->decision->browser;
	const json_t *host = json_object_get(v->root, "browser");

	*b = (struct browser_settings){
		.headless = json_is_true(browser_get(v, "headless")),
		.auto_start = !json_is_false(browser_get(v, "autoStart")),
		.allow_host_control = json_is_true(browser_get(v, "allowHostControl")),
		.evaluate = !json_is_false(json_object_get(host, "evaluateEnabled")),
		.private_network = !json_is_false(ssrf(v, "dangerouslyAllowPrivateNetwork")),
		.cdp_port = (uint16_t)browser_int(v, "cdpPort", BROWSER_CDP_PORT),
		.vnc_port = (uint16_t)browser_int(v, "vncPort", BROWSER_VNC_PORT),
		.novnc_port = (uint16_t)browser_int(v, "noVncPort", BROWSER_NOVNC_PORT),
		.auto_start_timeout_ms =
			(uint32_t)browser_int(v, "autoStartTimeoutMs", BROWSER_START_MS),
		.source_range = browser_text(v, "cdpSourceRange", NULL),
	};
	b->vnc = !b->headless && !json_is_false(browser_get(v, "enableNoVnc"));
	view_strings(v->arena, browser_get(v, "allowedControlUrls"), &b->control_urls);
	view_strings(v->arena, browser_get(v, "allowedControlHosts"), &b->control_hosts);
	view_strings(v->arena, browser_get(v, "allowedControlPorts"), &b->control_ports);
	view_strings(v->arena, ssrf(v, "allowedHostnames"), &b->private_hosts);
	view_strings(v->arena, ssrf(v, "hostnameAllowlist"), &b->only_hosts);
}

/* --- the container --- */

/* Set at all, even to [], it replaces docker.binds (reference 1.3). */
static void replace_binds(struct view *v)
{
	enum view_level level;

	if (view_get(v, VIEW_BROWSER, "binds", &level) != NULL) {
		view_binds(v, VIEW_BROWSER);
		(void)browser_get(v, "binds");
	}
}

static void choose_network(struct view *v)
{
	struct decision *d = v->decision;
	const char *network = browser_text(v, "network", d->config->brand->browser_network);

	/* A problem of docker.network is not the browser's. */
	if (d->problem_key != NULL && strstr(d->problem_key, ".docker.network") != NULL) {
		d->problem = NULL;
		d->problem_key = NULL;
	}
	d->spec.network = network;
	view_check_network(v, network, browser_key(v, "network"));
}

static void env_add(struct view *v, const char *name, const char *value)
{
	struct strv *env = &v->decision->spec.env;
	const char *prefix = v->decision->config->brand->env_prefix;

	strv_add_ref(
		env, v->arena, text_concat(v->arena, prefix, "BROWSER_", name, "=", value, NULL));
}

static void env_add_port(struct view *v, const char *name, uint16_t port)
{
	env_add(v, name, arena_printf(v->arena, "%u", port));
}

/* More arguments for Chromium, one a line: none of them has a line end. */
static void add_extra_args(struct view *v)
{
	const json_t *list = json_object_get(json_object_get(v->root, "browser"), "extraArgs");
	const char *all = "";
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *text = json_string_value(item);

		if (text != NULL && strchr(text, '\n') == NULL) {
			all = text_concat(v->arena, all, text, "\n", NULL);
		}
	}
	if (*all != '\0') {
		env_add(v, "EXTRA_ARGS", all);
	}
}

/* Part of the container's configuration: one that was made for other ports is made anew. */
static void add_env(struct view *v)
{
	const struct browser_settings *b = &v->decision->browser;

	env_add(v, "HEADLESS", b->headless ? "1" : "0");
	env_add(v, "ENABLE_NOVNC", b->vnc ? "1" : "0");
	env_add_port(v, "CDP_PORT", b->cdp_port);
	env_add_port(v, "VNC_PORT", b->vnc_port);
	env_add_port(v, "NOVNC_PORT", b->novnc_port);
	if (b->source_range != NULL) {
		env_add(v, "CDP_SOURCE_RANGE", b->source_range);
	}
	add_extra_args(v);
}

static void check_ports(struct view *v)
{
	const struct browser_settings *b = &v->decision->browser;
	uint16_t ports[] = {b->cdp_port, browser_debug_port(b), b->vnc_port, b->novnc_port};

	for (size_t i = 0; i < 4; i++) {
		for (size_t j = i + 1; j < 4; j++) {
			if (ports[i] == ports[j]) {
				view_problem(v, browser_key(v, "cdpPort"),
					"two of the browser's ports are %u: cdpPort %u, Chromium's "
					"own beside it %u, vncPort %u, noVncPort %u",
					ports[i], ports[0], ports[1], ports[2], ports[3]);
				return;
			}
		}
	}
}

void decide_browser_spec(struct view *v)
{
	struct decision *d = v->decision;
	const char *prefix = browser_text(v, "containerPrefix", d->config->brand->browser_prefix);

	d->spec.image = browser_text(v, "image", d->config->brand->browser_image);
	if (d->spec.image[0] == '/') {
		d->spec.native_root = d->spec.image; /* unpacked; no engine knows such a name */
	}
	d->spec.name = session_container_name(v->arena, prefix, d->scope, d->spec.scope_key);
	view_provenance(v, "sandbox.containerName",
		decision_provenance(d, BROWSER_FIELD("containerPrefix")));
	/* It is made for programs of a sandbox, not for a browser's. */
	d->spec.setup_command = NULL;
	choose_network(v);
	replace_binds(v);
	add_env(v);
	check_ports(v);
	if (d->browser.source_range != NULL && !cidr_is_valid(d->browser.source_range)) {
		view_problem(v, browser_key(v, "cdpSourceRange"),
			"cdpSourceRange '%s' is no network of addresses, as 172.21.0.1/32 and fd00::/64 are",
			d->browser.source_range);
	}
}
