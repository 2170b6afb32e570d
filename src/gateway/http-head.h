/* SPDX-License-Identifier: MIT */
/*
 * The head of an HTTP/1.1 request (RFC 9112), and the chunked coding of its body. Pure: bytes in, a
 * struct or a refusal out.
 *
 * Stricter than the RFC asks for, since what two parsers read differently is how requests are smuggled
 * past one of them: no bare LF, no folded lines, no blank before a colon, no Content-Length beside
 * Transfer-Encoding, nothing that is read here given twice.
 */
#ifndef GATEWAY_HTTP_HEAD_H
#define GATEWAY_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_METHOD_COUNT_, /* also: one that is not known */
};
const char *http_method_name(enum http_method method); /* "GET"; "?" for one that is not known */

enum { HTTP_HEADERS_MAX = 64 };

/* Why a request is not served: a status and a sentence for who sent it. */
struct http_refusal {
	int status;
	const char *message; /* static */
};

struct http_header {
	const char *name; /* lower case */
	const char *value; /* blanks around it are gone; bytes over 0x7f are as they came */
};

struct http_head {
	char *text; /* owned: what all the strings here point into */
	size_t text_len;
	enum http_method method;
	const char *path; /* visible ASCII, still percent-encoded; begins with '/' */
	const char *query; /* still percent-encoded, without the '?'; "" when there is none */
	unsigned minor; /* HTTP/1.<minor>: 0 or 1 */
	struct http_header headers[HTTP_HEADERS_MAX];
	size_t header_count;
	bool keep_alive, expect_continue, chunked;
	uint64_t content_length; /* 0 when there is none */
};

void http_head_finish(struct http_head *head);

/*
 * Where does the head at data end? Its length with the empty line; 0: more bytes are needed; -EBADMSG:
 * a line that does not end in CR LF, or more than one empty line before the first. *scanned (0 at first)
 * remembers how far an earlier call has looked, so that a head that comes byte by byte is not searched
 * again and again.
 */
int http_head_find(const char *data, size_t len, size_t *scanned);

/* Take one whole head apart, as http_head_find() measured it. 0, or -EBADMSG with *ret_why. */
int http_head_parse(
	const char *data, size_t len, struct http_head *ret, struct http_refusal *ret_why);

/* name in lower case. NULL: not there. The first, if a header that nobody reads here came twice. */
const char *http_head_get(const struct http_head *head, const char *name);

/* Is token one of the comma separated words of the header, in any case? */
bool http_head_lists(const struct http_head *head, const char *name, const char *token);

/*
 * Percent-decode len bytes at text to a NUL-terminated heap string. NULL: a bad escape, or one that
 * gives NUL. plus: '+' is a blank, as in queries.
 */
char *http_decode(const char *text, size_t len, bool plus);

/* --- chunked bodies --- */

struct http_chunked {
	int state;
	uint64_t left; /* of this chunk */
	unsigned digits;
	size_t extras; /* bytes of chunk extensions and trailers so far */
};

/*
 * Decode in place: of len bytes at data, *used were read and *ret_len bytes of body now stand at the
 * front. 1: the body is complete; 0: more is needed; -EBADMSG: malformed, or more extensions and
 * trailers than anybody needs (both are skipped).
 */
int http_chunked_decode(
	struct http_chunked *decoder, char *data, size_t len, size_t *used, size_t *ret_len);

#define _cleanup_http_head_ _cleanup_(http_head_finish)

#endif
