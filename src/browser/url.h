/* SPDX-License-Identifier: MIT */
/* Which addresses a browser may be sent to. */
#ifndef BROWSER_URL_H
#define BROWSER_URL_H

#include "base/error.h"
#include "policy/browser.h"

/*
 * May a page of a sandboxed browser be at url? http, https, data and about:blank are; files of the
 * container, the browser's own pages and scripts are not, nor is the link-local network, where clouds
 * keep the credentials of their machines, in whatever notation. browser.ssrfPolicy decides on private
 * addresses. Names are not resolved here. 0, or -EACCES with the reason and the key.
 */
int url_check(const char *url, const struct browser_settings *settings, struct error *err);

/* The parts of an http or ws address: host in lower case without brackets, port with its default.
 * false: it is none. */
bool url_split(const char *url, char *ret_scheme, size_t scheme_size, char *ret_host,
	size_t host_size, uint16_t *ret_port);

/* Is that where a cloud's machines get their credentials? host in lower case, without brackets. */
bool url_is_metadata(const char *host);

/* Is target custom allowed there (contract D5)? 0, or -EACCES. */
int url_check_control(const char *url, const struct browser_settings *settings, struct error *err);

#endif
