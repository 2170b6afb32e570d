/* SPDX-License-Identifier: MIT */
#include "browser/control.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "browser/url.h"

static const json_t *host_key(const struct decision *d, const char *name)
{
	return json_object_get(json_object_get(d->config->root, "browser"), name);
}

static int check_gates(const struct decision *d, struct error *err)
{
	if (d->sandboxed && !d->browser.allow_host_control) {
		return error_plain(err, EACCES,
			"Host browser control is disabled by sandbox policy "
			"(agents.defaults.sandbox.browser.allowHostControl).");
	}
	if (json_is_false(host_key(d, "enabled"))) {
		return error_plain(err, EACCES,
			"browsers outside of the sandbox are switched off (browser.enabled)");
	}
	return 0;
}

/* What follows the host: a browser's WebSocket, when the address names one. */
static const char *path_of(const char *url)
{
	const char *host = strstr(url, "://");

	host = host != NULL ? host + 3 : url;
	return host + strcspn(host, "/?#");
}

/* The address itself, apart from whether it is allowed. */
static int read_address(const char *url, struct control *ret, struct error *err)
{
	const char *path = path_of(url);
	bool ws = strncasecmp(url, "ws", 2) == 0;
	char scheme[8];

	if (!url_split(url, scheme, sizeof(scheme), ret->host, sizeof(ret->host), &ret->port)) {
		return error_plain(err, EINVAL, "'%.80s' is no http or ws address", url);
	}
	if (memchr(url, '@', (size_t)(path - url)) != NULL) {
		return error_plain(err, EINVAL,
			"a DevTools address has no user name: Chromium knows none, and it would be in "
			"the log");
	}
	if (strcmp(scheme, "https") == 0 || strcmp(scheme, "wss") == 0) {
		return error_plain(err, EOPNOTSUPP,
			"DevTools over TLS are not spoken here: put a proxy on the loopback before "
			"'%.80s', and name its http address",
			ret->host);
	}
	if (strcspn(url, " \t\r\n\\") != strlen(url)) {
		return error_plain(err, EINVAL, "a DevTools address has no blanks in it");
	}
	if (ws && *path == '/' && path[1] != '\0') {
		if (strlen(path) >= sizeof(ret->path)) {
			return error_plain(err, EINVAL, "a DevTools address is shorter");
		}
		(void)snprintf(ret->path, sizeof(ret->path), "%.*s", (int)strcspn(path, "#"), path);
	}
	return 0;
}

static int check_address(
	const struct decision *d, const char *url, struct control *ret, struct error *err)
{
	int r = url_check_control(url, &d->browser, err);

	r = r < 0 ? r : read_address(url, ret, err);
	if (r == 0 && url_is_metadata(ret->host)) {
		r = error_plain(err, EACCES,
			"'%s' is where machines of a cloud get their credentials: no browser is there",
			ret->host);
	}
	return r;
}

int control_check(
	const struct decision *d, const char *target, struct control *ret, struct error *err)
{
	const json_t *timeout = host_key(d, "remoteCdpTimeoutMs");
	const char *url = target;
	int r = check_gates(d, err);

	*ret = (struct control){.timeout_ms = CONTROL_TIMEOUT_MS};
	if (json_is_integer(timeout) && json_integer_value(timeout) > 0) {
		ret->timeout_ms = (int)json_integer_value(timeout);
	}
	if (r < 0) {
		return r;
	}
	if (strcmp(target, "host") != 0) {
		return check_address(d, url, ret, err);
	}
	url = json_string_value(host_key(d, "cdpUrl"));
	if (url != NULL && *url != '\0') {
		r = check_address(d, url, ret, err);
		return r < 0 ? error_prefix(err, "browser.cdpUrl") : 0;
	}
	if (json_is_true(host_key(d, "attachOnly"))) {
		return error_plain(err, EACCES,
			"no browser of the host is named (browser.cdpUrl), and none may be started "
			"(browser.attachOnly)");
	}
	ret->start = true;
	return 0;
}

void control_authority(const struct control *control, char *ret, size_t size)
{
	bool v6 = strchr(control->host, ':') != NULL;

	(void)snprintf(
		ret, size, "%s%s%s:%u", v6 ? "[" : "", control->host, v6 ? "]" : "", control->port);
}

bool control_may_reach(const struct sockaddr *address)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (address->sa_family == AF_INET) {
		struct sockaddr_in v4;

		(void)memcpy(&v4, address, sizeof(v4));
		(void)inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
	} else if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 v6;

		(void)memcpy(&v6, address, sizeof(v6));
		(void)inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
	}
	return *text != '\0' && !url_is_metadata(text);
}
