/* SPDX-License-Identifier: MIT */
/* Browser settings: the port beside the port, and their way to another process. */
#include "policy/browser.h"

#include "policy/view.h"

uint16_t browser_debug_port(const struct browser_settings *settings)
{
	return (uint16_t)(settings->cdp_port < UINT16_MAX ? settings->cdp_port + 1
							  : settings->cdp_port - 1);
}

static json_t *list_json(const struct strv *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++) {
		(void)json_array_append_new(array, json_string(list->items[i]));
	}
	return array;
}

json_t *browser_settings_json(const struct browser_settings *s)
{
	json_t *json = json_pack("{s:b, s:b, s:b, s:b, s:b, s:b, s:i, s:i, s:i, s:I, s:s?}",
		"headless", s->headless, "vnc", s->vnc, "autoStart", s->auto_start,
		"allowHostControl", s->allow_host_control, "evaluate", s->evaluate,
		"privateNetwork", s->private_network, "cdpPort", s->cdp_port, "vncPort",
		s->vnc_port, "noVncPort", s->novnc_port, "autoStartTimeoutMs",
		(json_int_t)s->auto_start_timeout_ms, "sourceRange", s->source_range);

	(void)json_object_set_new(json, "privateHosts", list_json(&s->private_hosts));
	(void)json_object_set_new(json, "onlyHosts", list_json(&s->only_hosts));
	return json;
}

static int64_t int_of(const json_t *json, const char *name, int64_t fallback, int64_t max)
{
	const json_t *value = json_object_get(json, name);
	int64_t number = json_is_integer(value) ? json_integer_value(value) : fallback;

	return number >= 1 && number <= max ? number : fallback;
}

static uint16_t port_of(const json_t *json, const char *name, uint16_t fallback)
{
	return (uint16_t)int_of(json, name, fallback, UINT16_MAX);
}

void browser_settings_load(const json_t *json, struct arena *arena, struct browser_settings *ret)
{
	*ret = (struct browser_settings){
		.headless = json_is_true(json_object_get(json, "headless")),
		.vnc = json_is_true(json_object_get(json, "vnc")),
		.auto_start = !json_is_false(json_object_get(json, "autoStart")),
		.allow_host_control = json_is_true(json_object_get(json, "allowHostControl")),
		.evaluate = !json_is_false(json_object_get(json, "evaluate")),
		.private_network = !json_is_false(json_object_get(json, "privateNetwork")),
		.cdp_port = port_of(json, "cdpPort", BROWSER_CDP_PORT),
		.vnc_port = port_of(json, "vncPort", BROWSER_VNC_PORT),
		.novnc_port = port_of(json, "noVncPort", BROWSER_NOVNC_PORT),
		.auto_start_timeout_ms = (uint32_t)int_of(
			json, "autoStartTimeoutMs", BROWSER_START_MS, BROWSER_START_MS_MAX),
		.source_range = json_string_value(json_object_get(json, "sourceRange")),
	};
	view_strings(arena, json_object_get(json, "privateHosts"), &ret->private_hosts);
	view_strings(arena, json_object_get(json, "onlyHosts"), &ret->only_hosts);
}
