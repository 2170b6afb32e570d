/* SPDX-License-Identifier: MIT */
/* What the configuration says of a sandbox's browser, besides the container that it runs in. */
#ifndef POLICY_BROWSER_H
#define POLICY_BROWSER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/strv.h"

/* Strings belong to the decision. */
struct browser_settings {
	bool headless;
	bool vnc; /* somebody can watch: enableNoVnc, and there is a display */
	bool auto_start;
	bool allow_host_control;
	bool evaluate; /* scripts of the caller may run in pages */
	bool private_network; /* pages may be at private addresses */
	uint16_t cdp_port; /* of the edge listener; Chromium's own is browser_debug_port() */
	uint16_t vnc_port, novnc_port;
	uint32_t auto_start_timeout_ms;
	const char *source_range; /* NULL: no edge listener */
	/* Where target custom may lead: each list that is not empty must match (contract D5). They do not
	 * travel: whoever has the configuration checks. */
	struct strv control_urls, control_hosts, control_ports;
	struct strv private_hosts; /* may be private all the same */
	struct strv only_hosts; /* not empty: no others; "*.x" stands for what ends so */
};

enum {
	BROWSER_CDP_PORT = 9222,
	BROWSER_VNC_PORT = 5900,
	BROWSER_NOVNC_PORT = 6080,
	BROWSER_START_MS = 12000,
	BROWSER_START_MS_MAX = 600000,
};

/* Where Chromium listens, on the loopback: beside the port that people configure, which the edge
 * listener has (reference 7.2). */
uint16_t browser_debug_port(const struct browser_settings *settings);

/* For a process that has no configuration: a new reference, and back. *ret's strings point into json,
 * which must outlive it; arena has the lists. Members that are missing have their default. */
json_t *browser_settings_json(const struct browser_settings *settings);
void browser_settings_load(const json_t *json, struct arena *arena, struct browser_settings *ret);

#endif
