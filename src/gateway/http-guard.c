/* SPDX-License-Identifier: MIT */
/*
 * Requests that a web page makes a browser send. A page of another site gives itself away by Origin or
 * Sec-Fetch-Site; one whose name was rebound to a loopback address (DNS rebinding) is "same origin" to
 * the browser, but its Host is a name that this server does not have.
 */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "gateway/http-internal.h"

enum { HOST_MAX = 255 }; /* RFC 1035 */

/* The host of "host:port", without the port and the brackets of an IPv6 address. */
static bool host_part(const char *text, char ret[HOST_MAX + 1])
{
	size_t skip = text[0] == '[' ? 1 : 0;
	size_t len = skip > 0 ? strcspn(text + skip, "]") : strcspn(text, ":");
	const char *rest = text + skip + len;

	if (skip > 0 && *rest++ != ']') {
		return false;
	}
	if (len == 0 || len > HOST_MAX || (*rest != '\0' && *rest != ':') ||
		strspn(rest + (*rest == ':'), "0123456789") != strlen(rest + (*rest == ':'))) {
		return false;
	}
	memcpy(ret, text + skip, len);
	ret[len] = '\0';
	return true;
}

/* Addresses cannot be rebound: only names can. */
static bool is_address(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;

	return inet_pton(AF_INET, host, &v4) == 1 || inet_pton(AF_INET6, host, &v6) == 1;
}

bool http_guard_host(const char *host, const char *listen)
{
	char name[HOST_MAX + 1], own[HOST_MAX + 1];

	if (!host_part(host, name)) {
		return false;
	}
	return is_address(name) || strcasecmp(name, "localhost") == 0 ||
	       (listen != NULL && host_part(listen, own) && strcasecmp(name, own) == 0);
}

bool http_guard_origin(const char *origin, const char *host)
{
	const char *rest;

	if (strncasecmp(origin, "http://", 7) == 0) {
		rest = origin + 7;
	} else if (strncasecmp(origin, "https://", 8) == 0) {
		rest = origin + 8; /* through a proxy that speaks TLS */
	} else {
		return false;
	}
	return strcasecmp(rest, host) == 0;
}

bool http_guard_fetch_site(const char *site)
{
	return strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0;
}
