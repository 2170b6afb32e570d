/* SPDX-License-Identifier: MIT */
/* Which addresses a browser may be sent to. */
#include "browser/url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"

enum { HOST_SIZE = 256, SCHEME_SIZE = 16 };

/* As browsers read it: blanks and control characters around and tabs and line ends within do not
 * count, a backslash is a slash. Cut to size: an address says where it leads at its beginning. */
static void clean(const char *url, char *ret, size_t size)
{
	size_t n = 0;

	while (*url != '\0' && (unsigned char)*url <= ' ') {
		url++;
	}
	for (; *url != '\0' && n + 1 < size; url++) {
		if (*url != '\t' && *url != '\r' && *url != '\n') {
			ret[n++] = *url == '\\' ? '/' : *url;
		}
	}
	while (n > 0 && (unsigned char)ret[n - 1] <= ' ') {
		n--;
	}
	ret[n] = '\0';
}

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool copy_lower(const char *from, size_t len, char *ret, size_t size)
{
	if (len >= size) {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		ret[i] = lower(from[i]);
	}
	ret[len] = '\0';
	return true;
}

static uint16_t default_port(const char *scheme)
{
	return strcmp(scheme, "https") == 0 || strcmp(scheme, "wss") == 0 ? 443 : 80;
}

/* "user@[::1]:80" or the like. */
static bool split_authority(
	const char *text, size_t len, char *ret_host, size_t host_size, uint16_t *port)
{
	const char *at = memrchr(text, '@', len), *colon, *end;
	uint32_t number;
	char digits[6];

	if (at != NULL) {
		len -= (size_t)(at + 1 - text);
		text = at + 1;
	}
	if (len > 0 && *text == '[') {
		end = memchr(text, ']', len);
		if (end == NULL ||
			!copy_lower(text + 1, (size_t)(end - text - 1), ret_host, host_size)) {
			return false;
		}
		colon = end + 1 < text + len && end[1] == ':' ? end + 1 : NULL;
	} else {
		colon = memchr(text, ':', len);
		if (!copy_lower(text, colon != NULL ? (size_t)(colon - text) : len, ret_host,
			    host_size)) {
			return false;
		}
	}
	if (colon == NULL || colon + 1 == text + len) {
		return *ret_host != '\0';
	}
	len -= (size_t)(colon + 1 - text);
	if (!copy_lower(colon + 1, len, digits, sizeof(digits)) ||
		num_parse_u32(digits, 1, UINT16_MAX, &number) < 0) {
		return false;
	}
	*port = (uint16_t)number;
	return *ret_host != '\0';
}

bool url_split(const char *url, char *ret_scheme, size_t scheme_size, char *ret_host,
	size_t host_size, uint16_t *ret_port)
{
	const char *colon = strchr(url, ':'), *host;

	if (colon == NULL || !copy_lower(url, (size_t)(colon - url), ret_scheme, scheme_size)) {
		return false;
	}
	/* However many slashes: a browser takes one, and five, for two. */
	host = colon + 1 + strspn(colon + 1, "/");
	if (host == colon + 1) {
		return false;
	}
	*ret_port = default_port(ret_scheme);
	return split_authority(host, strcspn(host, "/?#"), ret_host, host_size, ret_port);
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c != '\0' ? strchr(digits, lower(c)) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

/* The byte that %XX stands for; -1: text is none, or a NUL. */
static int escaped_byte(const char *text)
{
	int high, low;

	if (text[0] != '%' || (high = hex_digit(text[1])) < 0 || (low = hex_digit(text[2])) < 0 ||
		high + low == 0) {
		return -1;
	}
	return (unsigned char)lower((char)(high << 4 | low));
}

/* "a%2eb": what stands in a host is decoded before it is looked up. */
static void decode_percent(char *host)
{
	char *to = host;

	for (const char *at = host; *at != '\0'; at++) {
		int byte = escaped_byte(at);

		*to++ = byte >= 0 ? (char)byte : *at;
		at += byte >= 0 ? 2 : 0;
	}
	*to = '\0';
	/* A dot at the end names the same host. */
	while (to > host && to[-1] == '.') {
		*--to = '\0';
	}
}

/* Any notation that a browser takes: 1.2.3.4, 0x7f.1, 2130706433, ::ffff:1.2.3.4, 64:ff9b::1.2.3.4. */
static bool read_address(const char *host, uint32_t *ret_v4, struct in6_addr *ret_v6, bool *is_v6)
{
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
	struct in_addr v4;

	*is_v6 = false;
	if (inet_aton(host, &v4) == 1) {
		*ret_v4 = ntohl(v4.s_addr);
		return true;
	}
	if (inet_pton(AF_INET6, host, ret_v6) != 1) {
		return false;
	}
	/* Of NAT64 (RFC 6052) too: a gateway of the network leads those to the address inside. */
	if (IN6_IS_ADDR_V4MAPPED(ret_v6) || IN6_IS_ADDR_V4COMPAT(ret_v6) ||
		memcmp(ret_v6, nat64, sizeof(nat64)) == 0) {
		const uint8_t *b = ret_v6->s6_addr;

		/* ::1 is compatible with 0.0.0.1 by its form alone. */
		if (!IN6_IS_ADDR_LOOPBACK(ret_v6)) {
			*ret_v4 = (uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 |
				  (uint32_t)b[14] << 8 | b[15];
			return true;
		}
	}
	*is_v6 = true;
	return true;
}

static bool is_metadata_v4(uint32_t v4)
{
	/* 169.254.0.0/16, and Alibaba's. */
	return v4 >> 16 == 0xa9fe || v4 == 0x646464c8;
}

static bool is_private_v4(uint32_t v4)
{
	return v4 >> 24 == 127 || v4 >> 24 == 10 || v4 >> 24 == 0 || v4 >> 20 == 0xac1 ||
	       v4 >> 16 == 0xc0a8 || v4 >> 22 == 0x191;
}

bool url_is_metadata(const char *host)
{
	static const uint8_t ec2[16] = {0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54};
	struct in6_addr v6;
	uint32_t v4;
	bool is_v6;

	if (strcmp(host, "metadata.google.internal") == 0 || strcmp(host, "metadata") == 0) {
		return true;
	}
	if (!read_address(host, &v4, &v6, &is_v6)) {
		return false;
	}
	return is_v6 ? IN6_IS_ADDR_LINKLOCAL(&v6) || memcmp(&v6, ec2, sizeof(ec2)) == 0
		     : is_metadata_v4(v4);
}

static bool is_private(const char *host)
{
	size_t len = strlen(host);
	struct in6_addr v6;
	uint32_t v4;
	bool is_v6;

	if (strcmp(host, "localhost") == 0 ||
		(len > 10 && strcmp(host + len - 10, ".localhost") == 0) ||
		(len > 6 && strcmp(host + len - 6, ".local") == 0) ||
		(len > 9 && strcmp(host + len - 9, ".internal") == 0)) {
		return true;
	}
	if (!read_address(host, &v4, &v6, &is_v6)) {
		return false;
	}
	return is_v6 ? IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6) ||
			       (v6.s6_addr[0] & 0xfe) == 0xfc
		     : is_private_v4(v4);
}

/* "*.example.org" or "example.org". */
static bool matches(const char *pattern, const char *host)
{
	size_t len = strlen(host), tail;

	if (strncmp(pattern, "*.", 2) != 0) {
		return strcasecmp(pattern, host) == 0;
	}
	tail = strlen(pattern + 1);
	return (len > tail && strcasecmp(host + len - tail, pattern + 1) == 0) ||
	       strcasecmp(pattern + 2, host) == 0;
}

static bool listed(const struct strv *list, const char *host)
{
	for (size_t i = 0; i < list->count; i++) {
		if (matches(list->items[i], host)) {
			return true;
		}
	}
	return false;
}

static int check_host(const char *host, const struct browser_settings *s, struct error *err)
{
	if (url_is_metadata(host)) {
		return error_plain(err, EACCES,
			"'%s' is where machines of a cloud get their credentials: pages are never "
			"there",
			host);
	}
	if (s->only_hosts.count > 0 && !listed(&s->only_hosts, host)) {
		return error_plain(
			err, EACCES, "'%s' is not in browser.ssrfPolicy.hostnameAllowlist", host);
	}
	if (!s->private_network && is_private(host) && !listed(&s->private_hosts, host)) {
		return error_plain(err, EACCES,
			"'%s' is a private address; browser.ssrfPolicy.allowedHostnames or "
			"dangerouslyAllowPrivateNetwork would allow it",
			host);
	}
	return 0;
}

int url_check(const char *url, const struct browser_settings *settings, struct error *err)
{
	char text[2048], scheme[SCHEME_SIZE], host[HOST_SIZE];
	uint16_t port;

	clean(url, text, sizeof(text));
	if (strcmp(text, "about:blank") == 0 || strncasecmp(text, "data:", 5) == 0) {
		return 0;
	}
	if (strncasecmp(text, "http:", 5) != 0 && strncasecmp(text, "https:", 6) != 0) {
		return error_plain(err, EACCES,
			"a page is at an http or https address, about:blank or data:, not at '%.60s'",
			text);
	}
	if (!url_split(text, scheme, sizeof(scheme), host, sizeof(host), &port)) {
		return error_plain(err, EACCES, "'%.60s' names no host", text);
	}
	decode_percent(host);
	return check_host(host, settings, err);
}

/* --- where target custom may lead --- */

static bool same_url(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);

	a_len -= a_len > 0 && a[a_len - 1] == '/';
	b_len -= b_len > 0 && b[b_len - 1] == '/';
	return a_len == b_len && memcmp(a, b, a_len) == 0;
}

static bool url_listed(const struct strv *list, const char *url)
{
	for (size_t i = 0; i < list->count; i++) {
		if (same_url(list->items[i], url)) {
			return true;
		}
	}
	return list->count == 0;
}

/* Brackets, which an IPv6 address has in a URL, do not count. */
static bool word_listed(const struct strv *list, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < list->count; i++) {
		const char *item = list->items[i] + (list->items[i][0] == '[' ? 1 : 0);

		if (strncasecmp(item, word, len) == 0 &&
			(item[len] == '\0' ||
				(item != list->items[i] && strcmp(item + len, "]") == 0))) {
			return true;
		}
	}
	return list->count == 0;
}

static bool is_control_scheme(const char *scheme)
{
	static const char *const known[] = {"http", "https", "ws", "wss"};

	for (size_t i = 0; i < 4; i++) {
		if (strcmp(scheme, known[i]) == 0) {
			return true;
		}
	}
	return false;
}

int url_check_control(const char *url, const struct browser_settings *s, struct error *err)
{
	char scheme[SCHEME_SIZE], host[HOST_SIZE], digits[8];
	uint16_t port;

	if (!url_split(url, scheme, sizeof(scheme), host, sizeof(host), &port) ||
		!is_control_scheme(scheme)) {
		return error_plain(err, EACCES, "controlUrl '%.80s' is no http or ws address", url);
	}
	(void)snprintf(digits, sizeof(digits), "%u", port);
	if (!url_listed(&s->control_urls, url)) {
		return error_plain(err, EACCES,
			"controlUrl '%.80s' is not in sandbox.browser.allowedControlUrls", url);
	}
	if (!word_listed(&s->control_hosts, host)) {
		return error_plain(err, EACCES,
			"host '%.80s' is not in sandbox.browser.allowedControlHosts", host);
	}
	if (!word_listed(&s->control_ports, digits)) {
		return error_plain(
			err, EACCES, "port %u is not in sandbox.browser.allowedControlPorts", port);
	}
	return 0;
}
