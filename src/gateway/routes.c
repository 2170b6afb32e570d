/* SPDX-License-Identifier: MIT */
/* Every table of routes: to add one, write its file and name it here. */
#include "gateway/routes.h"

const struct http_route *const http_route_tables[] = {
	routes_tools,
	routes_files,
	routes_processes,
	routes_admin,
	routes_browser,
	routes_events,
	routes_mcp,
	routes_exec,
	routes_meta,
	NULL,
};
