/* SPDX-License-Identifier: MIT */
/* The head of an HTTP/1.1 request, and the chunked coding of its body. */
#include "gateway/http-head.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/num.h"

enum {
	/* RFC 9112 2.2: an empty line before the request line is to be ignored. */
	EMPTY_LINE = 2,
	/* Chunk extensions and trailers mean nothing here; a client that sends any sends few. */
	CHUNK_EXTRAS_MAX = 8 * 1024,
	CHUNK_DIGITS_MAX = 15,
};

static const char *const method_names[HTTP_METHOD_COUNT_] = {
	[HTTP_GET] = "GET",
	[HTTP_HEAD] = "HEAD",
	[HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",
	[HTTP_PATCH] = "PATCH",
	[HTTP_DELETE] = "DELETE",
	[HTTP_OPTIONS] = "OPTIONS",
};

/* Headers whose first and second value somebody else might choose between. */
static const char *const singular[] = {
	"authorization",
	"connection",
	"content-length",
	"content-type",
	"expect",
	"host",
	"last-event-id",
	"origin",
	"sec-fetch-site",
	"transfer-encoding",
	"upgrade",
};

const char *http_method_name(enum http_method method)
{
	return method < HTTP_METHOD_COUNT_ ? method_names[method] : "?";
}

void http_head_finish(struct http_head *head)
{
	if (head->text != NULL) {
		explicit_bzero(head->text, head->text_len); /* of an Authorization */
	}
	free(head->text);
	head->text = NULL;
}

static int refuse(struct http_refusal *why, int status, const char *message)
{
	*why = (struct http_refusal){.status = status, .message = message};
	return -EBADMSG;
}

/* --- finding it --- */

int http_head_find(const char *data, size_t len, size_t *scanned)
{
	while (*scanned < len) {
		const char *lf = memchr(data + *scanned, '\n', len - *scanned);
		size_t at;

		if (lf == NULL) {
			*scanned = len;
			return 0;
		}
		at = (size_t)(lf - data);
		if (at == 0 || data[at - 1] != '\r') {
			return -EBADMSG;
		}
		*scanned = at + 1;
		if (at == 3 && memcmp(data, "\r\n\r\n", 4) == 0) {
			return -EBADMSG;
		}
		if (at >= 3 && memcmp(data + at - 3, "\r\n\r\n", 4) == 0) {
			return (int)(at + 1);
		}
	}
	return 0;
}

/* --- its lines --- */

/* RFC 9110 5.6.2 */
static bool is_token_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(const char *text)
{
	size_t len = 0;

	while (is_token_char(text[len])) {
		len++;
	}
	return len > 0 && text[len] == '\0';
}

/* The next line without its CR LF, NUL-terminated. NULL: a CR inside, or NUL. */
static char *take_line(char **at, const char *end)
{
	char *line = *at;
	char *cr = memchr(line, '\r', (size_t)(end - line));

	if (cr == NULL || cr[1] != '\n' || memchr(line, '\0', (size_t)(cr - line)) != NULL) {
		return NULL;
	}
	*cr = '\0';
	*at = cr + 2;
	return line;
}

static bool is_target(const char *text)
{
	for (const char *c = text; *c != '\0'; c++) {
		if (*c <= ' ' || *c > '~' || *c == '#') {
			return false;
		}
	}
	return text[0] == '/';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int parse_version(const char *text, struct http_head *head, struct http_refusal *why)
{
	if (strcmp(text, "HTTP/1.1") == 0 || strcmp(text, "HTTP/1.0") == 0) {
		head->minor = text[7] == '1' ? 1 : 0;
		return 0;
	}
	if (strncmp(text, "HTTP/", 5) == 0 && is_digit(text[5]) && text[6] == '.' &&
		is_digit(text[7]) && text[8] == '\0') {
		return refuse(why, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
	}
	return refuse(why, 400, "the request line is not METHOD /path HTTP/1.1");
}

static int parse_request_line(char *line, struct http_head *head, struct http_refusal *why)
{
	char *target = strchr(line, ' ');
	char *version = target != NULL ? strchr(target + 1, ' ') : NULL;
	char *query;

	if (version == NULL) {
		return refuse(why, 400, "the request line is not METHOD /path HTTP/1.1");
	}
	*target++ = '\0';
	*version++ = '\0';
	if (!is_token(line) || !is_target(target)) {
		return refuse(why, 400, "the request line is not METHOD /path HTTP/1.1");
	}
	head->method = HTTP_METHOD_COUNT_;
	for (size_t i = 0; i < HTTP_METHOD_COUNT_; i++) {
		if (strcmp(line, method_names[i]) == 0) {
			head->method = (enum http_method)i;
		}
	}
	query = strchr(target, '?');
	head->query = "";
	if (query != NULL) {
		*query = '\0';
		head->query = query + 1;
	}
	head->path = target;
	return parse_version(version, head, why);
}

static char *trim(char *value)
{
	size_t len;

	value += strspn(value, " \t");
	len = strlen(value);
	while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t')) {
		value[--len] = '\0';
	}
	return value;
}

static bool is_value(const char *value)
{
	for (const char *c = value; *c != '\0'; c++) {
		if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f) {
			return false;
		}
	}
	return true;
}

static void lower(char *text)
{
	for (; *text != '\0'; text++) {
		if (*text >= 'A' && *text <= 'Z') {
			*text = (char)(*text + ('a' - 'A'));
		}
	}
}

static int parse_header(char *line, struct http_head *head, struct http_refusal *why)
{
	char *colon = strchr(line, ':');

	if (line[0] == ' ' || line[0] == '\t') {
		return refuse(why, 400, "a header is folded over two lines");
	}
	if (colon == NULL) {
		return refuse(why, 400, "a header has no colon");
	}
	*colon = '\0';
	lower(line);
	if (!is_token(line) || !is_value(colon + 1)) {
		return refuse(why, 400, "a header has a character that none can have");
	}
	for (size_t i = 0; i < ARRAY_SIZE(singular); i++) {
		if (strcmp(line, singular[i]) == 0 && http_head_get(head, line) != NULL) {
			return refuse(why, 400, "a header that can be given once is there twice");
		}
	}
	if (head->header_count == HTTP_HEADERS_MAX) {
		return refuse(why, 431, "more than 64 headers");
	}
	head->headers[head->header_count++] =
		(struct http_header){.name = line, .value = trim(colon + 1)};
	return 0;
}

const char *http_head_get(const struct http_head *head, const char *name)
{
	for (size_t i = 0; i < head->header_count; i++) {
		if (strcmp(head->headers[i].name, name) == 0) {
			return head->headers[i].value;
		}
	}
	return NULL;
}

bool http_head_lists(const struct http_head *head, const char *name, const char *token)
{
	const char *at = http_head_get(head, name);
	size_t want = strlen(token);

	while (at != NULL && *at != '\0') {
		size_t len;

		at += strspn(at, " \t,");
		len = strcspn(at, " \t,;");
		if (len == want && strncasecmp(at, token, len) == 0) {
			return true;
		}
		at += strcspn(at, ",");
	}
	return false;
}

/* --- what they mean --- */

static int read_framing(struct http_head *head, struct http_refusal *why)
{
	const char *length = http_head_get(head, "content-length");
	const char *coding = http_head_get(head, "transfer-encoding");

	if (coding != NULL && (length != NULL || head->minor == 0)) {
		return refuse(why, 400,
			"Transfer-Encoding beside Content-Length, or in HTTP/1.0, is ambiguous");
	}
	if (coding != NULL && strcasecmp(coding, "chunked") != 0) {
		return refuse(why, 501, "no Transfer-Encoding but chunked is understood");
	}
	head->chunked = coding != NULL;
	if (length != NULL &&
		num_parse_u64(length, 0, INT64_MAX, &head->content_length) == -EINVAL) {
		return refuse(why, 400, "Content-Length is no number");
	}
	if (length != NULL && num_parse_u64(length, 0, INT64_MAX, &head->content_length) < 0) {
		return refuse(why, 413, "Content-Length is too large");
	}
	return 0;
}

static int read_meaning(struct http_head *head, struct http_refusal *why)
{
	const char *expect = http_head_get(head, "expect");

	if (http_head_get(head, "host") == NULL) {
		return refuse(why, 400, "the request has no Host");
	}
	if (expect != NULL && strcasecmp(expect, "100-continue") != 0) {
		return refuse(why, 417, "no Expect but 100-continue is understood");
	}
	head->expect_continue = expect != NULL && head->minor == 1;
	head->keep_alive = head->minor == 1 && !http_head_lists(head, "connection", "close");
	return read_framing(head, why);
}

int http_head_parse(
	const char *data, size_t len, struct http_head *ret, struct http_refusal *ret_why)
{
	_cleanup_http_head_ struct http_head head = {.text = xstrndup("", 0)};
	char *at, *end, *line;
	int r;

	if (len >= EMPTY_LINE && memcmp(data, "\r\n", EMPTY_LINE) == 0) {
		data += EMPTY_LINE;
		len -= EMPTY_LINE;
	}
	free(head.text);
	head.text = xmalloc(len + 1);
	memcpy(head.text, data, len);
	head.text[len] = '\0';
	head.text_len = len;
	at = head.text;
	end = head.text + len;
	line = take_line(&at, end);
	r = line != NULL ? parse_request_line(line, &head, ret_why)
			 : refuse(ret_why, 400, "the request line is not METHOD /path HTTP/1.1");
	while (r == 0) {
		line = take_line(&at, end);
		if (line == NULL) {
			r = refuse(ret_why, 400, "a header has a character that none can have");
		} else if (*line == '\0') {
			break;
		} else {
			r = parse_header(line, &head, ret_why);
		}
	}
	r = r == 0 ? read_meaning(&head, ret_why) : r;
	if (r < 0) {
		return r;
	}
	*ret = head;
	head.text = NULL;
	return 0;
}

/* --- percent --- */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

char *http_decode(const char *text, size_t len, bool plus)
{
	char *out = xmalloc(len + 1);
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		int high = text[i] == '%' && i + 2 < len ? hex_value(text[i + 1]) : -1;
		int low = high >= 0 ? hex_value(text[i + 2]) : -1;

		if (text[i] == '%' && (low < 0 || (high == 0 && low == 0))) {
			free(out);
			return NULL;
		}
		if (text[i] == '%') {
			out[used++] = (char)(high * 16 + low);
			i += 2;
		} else {
			out[used++] = plus && text[i] == '+' ? ' ' : text[i];
		}
	}
	out[used] = '\0';
	return out;
}

/* --- chunked bodies --- */

enum {
	CHUNK_SIZE,
	CHUNK_EXTENSION,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	TRAILER_START,
	TRAILER_LINE,
	TRAILER_LF,
	TRAILER_END_LF,
	CHUNK_DONE,
};

static int chunk_size(struct http_chunked *d, char c)
{
	int value = hex_value(c);

	if (value >= 0 && d->digits < CHUNK_DIGITS_MAX) {
		d->left = d->left * 16 + (uint64_t)value;
		d->digits++;
		return CHUNK_SIZE;
	}
	if (d->digits == 0 || value >= 0) {
		return -EBADMSG;
	}
	if (c == ';') {
		return CHUNK_EXTENSION;
	}
	return c == '\r' ? CHUNK_SIZE_LF : -EBADMSG;
}

/* One byte of what is skipped up to CR. */
static int skip(struct http_chunked *d, char c, int here, int after)
{
	if (++d->extras > CHUNK_EXTRAS_MAX || c == '\n' || c == '\0') {
		return -EBADMSG;
	}
	return c == '\r' ? after : here;
}

/* The state after a byte that is no data; negative: malformed. */
static int chunk_step(struct http_chunked *d, char c)
{
	switch (d->state) {
	case CHUNK_SIZE:
		return chunk_size(d, c);
	case CHUNK_EXTENSION:
		return skip(d, c, CHUNK_EXTENSION, CHUNK_SIZE_LF);
	case CHUNK_SIZE_LF:
		d->digits = 0;
		return c != '\n' ? -EBADMSG : d->left > 0 ? CHUNK_DATA : TRAILER_START;
	case CHUNK_DATA_CR:
		return c == '\r' ? CHUNK_DATA_LF : -EBADMSG;
	case CHUNK_DATA_LF:
		return c == '\n' ? CHUNK_SIZE : -EBADMSG;
	case TRAILER_START:
		return c == '\r' ? TRAILER_END_LF : skip(d, c, TRAILER_LINE, TRAILER_LF);
	case TRAILER_LINE:
		return skip(d, c, TRAILER_LINE, TRAILER_LF);
	case TRAILER_LF:
		return c == '\n' ? TRAILER_START : -EBADMSG;
	case TRAILER_END_LF:
		return c == '\n' ? CHUNK_DONE : -EBADMSG;
	default:
		return -EBADMSG;
	}
}

int http_chunked_decode(
	struct http_chunked *decoder, char *data, size_t len, size_t *used, size_t *ret_len)
{
	size_t at = 0, out = 0;
	int state = decoder->state;

	while (at < len && state >= 0 && state != CHUNK_DONE) {
		if (state == CHUNK_DATA) {
			size_t n = len - at < decoder->left ? len - at : (size_t)decoder->left;

			memmove(data + out, data + at, n);
			out += n;
			at += n;
			decoder->left -= n;
			state = decoder->left == 0 ? CHUNK_DATA_CR : CHUNK_DATA;
		} else {
			state = chunk_step(decoder, data[at++]);
		}
		decoder->state = state;
	}
	*used = at;
	*ret_len = out;
	return state < 0 ? state : state == CHUNK_DONE ? 1 : 0;
}
