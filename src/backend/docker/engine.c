/* SPDX-License-Identifier: MIT */
/*
 * HTTP to a container engine through libcurl. An engine is trusted with what it does on this host, it
 * made the containers after all; its answers are bounded and checked all the same, for what listens on
 * a socket need not be one.
 */
#include "backend/docker/engine.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/own.h"

enum {
	/* Docker 19.03, of 2019: the first whose answers have all the fields that are read here. */
	API_OLDEST = 40,
	API_NEWEST = 47,
	URL_MAX = 1024,
};

struct engine {
	CURL *curl;
	struct curl_slist *headers;
	char *socket_path;
	char version[64];
	char api[16]; /* "" before the version is agreed on */
	bool podman;
};

static void free_text(char **text)
{
	free(*text);
}
#define _cleanup_text_ _cleanup_(free_text)

void engine_answer_finish(struct engine_answer *answer)
{
	json_decref(answer->body);
	answer->body = NULL;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct buf *body = arg;

	buf_add(body, data, size * count);
	/* Any other number makes libcurl end the transfer with CURLE_WRITE_ERROR. */
	return body->overflow ? 0 : size * count;
}

/* --- what went wrong --- */

static int not_there(const struct engine *engine, struct error *err)
{
	long num = 0;

	(void)curl_easy_getinfo(engine->curl, CURLINFO_OS_ERRNO, &num);
	if (num == EACCES || num == EPERM) {
		return error_plain(err, EACCES,
			"no permission to use the container engine at '%s': join the group that "
			"owns this socket, or set sandbox.backend to native",
			engine->socket_path);
	}
	return error_plain(err, num > 0 ? (int)num : ECONNREFUSED,
		"no container engine answers at '%s'%s%s: start it, or set sandbox.backend to "
		"native",
		engine->socket_path, num > 0 ? ": " : "", num > 0 ? strerror((int)num) : "");
}

static int transfer_failed(const struct engine *engine, const struct engine_call *call,
	CURLcode code, struct error *err)
{
	switch ((int)code) {
	case CURLE_COULDNT_CONNECT:
		return not_there(engine, err);
	case CURLE_OPERATION_TIMEDOUT:
		return error_plain(err, ETIMEDOUT,
			"cannot %s: the container engine at '%s' did not answer within %d s",
			call->doing, engine->socket_path, call->timeout_ms / 1000);
	case CURLE_WRITE_ERROR:
	case CURLE_FILESIZE_EXCEEDED:
		return error_plain(err, EMSGSIZE,
			"cannot %s: the container engine's answer is longer than %d MiB",
			call->doing, ENGINE_ANSWER_MAX / (1024 * 1024));
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_PARTIAL_FILE:
		return error_plain(err, ECONNRESET,
			"cannot %s: the container engine at '%s' broke off in the middle of the "
			"call; is it being restarted?",
			call->doing, engine->socket_path);
	default:
		return error_plain(err, EPROTO,
			"cannot %s: what listens at '%s' does not answer as a container engine: %s",
			call->doing, engine->socket_path, curl_easy_strerror(code));
	}
}

/* 404, 409 and the like, and what an engine says when its disk is full, as errno. */
static int status_errno(const struct engine_answer *answer)
{
	if (strstr(answer->message, "no space left on device") != NULL) {
		return ENOSPC;
	}
	switch (answer->status) {
	case 400:
		return EINVAL;
	case 401:
	case 403:
		return EACCES;
	case 404:
		return ENOENT;
	case 409:
		return EEXIST;
	default:
		return EIO;
	}
}

int engine_refused(
	const struct engine_call *call, const struct engine_answer *answer, struct error *err)
{
	return error_plain(err, status_errno(answer), "cannot %s: the container engine says: %s",
		call->doing, answer->message);
}

/* --- one call --- */

/* false: some option is not supported by this libcurl, which the caller reports. */
static bool set_up(CURL *curl, const struct engine *engine, const struct engine_call *call,
	const char *url, struct buf *body)
{
	bool ok = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, engine->socket_path) == CURLE_OK;

	ok = ok && curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK;
	ok = ok && curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method) == CURLE_OK;
	ok = ok && curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
	/* A proxy of the environment has no business here, nor has another protocol. */
	ok = ok && curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK;
	ok = ok && curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK;
	ok = ok &&
	     curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)ENGINE_CONNECT_MS) == CURLE_OK;
	ok = ok && curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms) == CURLE_OK;
	ok = ok && curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
	ok = ok && curl_easy_setopt(curl, CURLOPT_WRITEDATA, body) == CURLE_OK;
	return ok && curl_easy_setopt(curl, CURLOPT_HTTPHEADER, engine->headers) == CURLE_OK;
}

static void take_message(struct engine_answer *answer, const struct buf *body)
{
	const char *text = json_string_value(json_object_get(answer->body, "message"));
	_cleanup_buf_ struct buf clean = {0};

	if (text == NULL && body->len > 0) {
		text = body->data;
	}
	if (text == NULL) {
		(void)snprintf(
			answer->message, sizeof(answer->message), "status %ld", answer->status);
		return;
	}
	buf_add_printable(&clean, text, strcspn(text, "\r\n"), ENGINE_MESSAGE_MAX);
	(void)snprintf(answer->message, sizeof(answer->message), "%.*s", ENGINE_MESSAGE_MAX,
		clean.data != NULL ? clean.data : "");
}

static int take_answer(struct engine *engine, const struct engine_call *call,
	const struct buf *body, struct engine_answer *ret, struct error *err)
{
	struct engine_answer answer = {0};

	(void)curl_easy_getinfo(engine->curl, CURLINFO_RESPONSE_CODE, &answer.status);
	if (body->len > 0) {
		answer.body = json_loadb(body->data, body->len, JSON_DECODE_ANY, NULL);
	}
	if (answer.status < 200 || answer.status > 599) {
		engine_answer_finish(&answer);
		return error_plain(err, EPROTO,
			"cannot %s: the container engine answers with status %ld", call->doing,
			answer.status);
	}
	if (answer.status >= 300) {
		take_message(&answer, body);
	}
	*ret = answer;
	return 0;
}

int engine_call(struct engine *engine, const struct engine_call *call, struct engine_answer *ret,
	struct error *err)
{
	_cleanup_buf_ struct buf body = {0};
	_cleanup_text_ char *sent = NULL;
	char url[URL_MAX];
	CURLcode code;
	int n = snprintf(url, sizeof(url), "http://engine%s%s%s",
		engine->api[0] != '\0' ? "/v" : "", engine->api, call->path);

	if (n < 0 || (size_t)n >= sizeof(url)) {
		return error_plain(
			err, ENAMETOOLONG, "cannot %s: the name is too long", call->doing);
	}
	buf_init(&body, ENGINE_ANSWER_MAX);
	/* Keeps the connection, drops what the last call set. */
	curl_easy_reset(engine->curl);
	if (!set_up(engine->curl, engine, call, url, &body)) {
		return error_plain(err, ENOSYS, "this libcurl is too old; 7.85 or later is needed");
	}
	if (call->body != NULL) {
		sent = json_dumps(call->body, JSON_COMPACT);
		(void)curl_easy_setopt(engine->curl, CURLOPT_POSTFIELDS, sent != NULL ? sent : "");
	} else if (strcmp(call->method, "POST") == 0) {
		(void)curl_easy_setopt(engine->curl, CURLOPT_POSTFIELDS, "");
	}
	code = curl_easy_perform(engine->curl);
	if (code != CURLE_OK) {
		return transfer_failed(engine, call, code, err);
	}
	return take_answer(engine, call, &body, ret, err);
}

/* --- the version --- */

/* "1.41" gives 41. Major version 1 is the only one there is; -1 for anything else. */
static int minor_version(const char *text)
{
	uint32_t minor;

	if (text == NULL || strncmp(text, "1.", 2) != 0 ||
		num_parse_u32(text + 2, 0, 9999, &minor) < 0) {
		return -1;
	}
	return (int)minor;
}

/* What it calls itself, for messages. */
static void take_name(struct engine *engine, const char *name, size_t len)
{
	_cleanup_buf_ struct buf clean = {0};

	buf_add_escaped(&clean, name, len, 40);
	(void)snprintf(engine->version, sizeof(engine->version), "%.50s", clean.data);
}

static void take_api(struct engine *engine, int newest)
{
	(void)snprintf(engine->api, sizeof(engine->api), "1.%d",
		newest < API_NEWEST ? newest : API_NEWEST);
}

static bool names_podman(const json_t *version)
{
	const json_t *components = json_object_get(version, "Components"), *item;
	size_t i;

	json_array_foreach(components, i, item)
	{
		const char *name = json_string_value(json_object_get(item, "Name"));

		if (name != NULL && strncmp(name, "Podman", 6) == 0) {
			return true;
		}
	}
	return false;
}

static int agree(struct engine *engine, const json_t *version, struct error *err)
{
	int newest = minor_version(json_string_value(json_object_get(version, "ApiVersion")));
	int oldest = minor_version(json_string_value(json_object_get(version, "MinAPIVersion")));
	const char *name = json_string_value(json_object_get(version, "Version"));

	if (newest < 0) {
		return error_plain(err, EPROTO,
			"what listens at '%s' does not answer as a container engine: it names no "
			"API version",
			engine->socket_path);
	}
	take_name(engine, name != NULL ? name : "?", name != NULL ? strlen(name) : 1);
	if (newest < API_OLDEST) {
		return error_plain(err, EPROTONOSUPPORT,
			"the container engine at '%s' is too old: version %s speaks API 1.%d, 1.%d "
			"is needed (Docker 19.03, Podman 3 or later)",
			engine->socket_path, engine->version, newest, API_OLDEST);
	}
	if (oldest > API_NEWEST) {
		return error_plain(err, EPROTONOSUPPORT,
			"the container engine at '%s' is too new: version %s speaks API 1.%d and "
			"later, this version of creel up to 1.%d",
			engine->socket_path, engine->version, oldest, API_NEWEST);
	}
	engine->podman = names_podman(version);
	take_api(engine, newest);
	return 0;
}

/* All that an engine says of itself. For Docker that is work: it starts runc to ask for its version. */
static int negotiate(struct engine *engine, struct error *err)
{
	const struct engine_call call = {
		.method = "GET",
		.path = "/version",
		.timeout_ms = ENGINE_LOOK_MS,
		.doing = "ask for the engine's version",
	};
	struct engine_answer answer = {0};
	int r = engine_call(engine, &call, &answer, err);

	if (r < 0) {
		return r;
	}
	r = answer.status == 200 ? agree(engine, answer.body, err)
				 : engine_refused(&call, &answer, err);
	engine_answer_finish(&answer);
	return r;
}

static const char *header_of(const struct engine *engine, const char *name)
{
	struct curl_header *header;

	return curl_easy_header(engine->curl, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK
		       ? header->value
		       : "";
}

/*
 * The header of a ping names the newest API that the engine speaks: where that is one that is known here,
 * there is nothing left to ask, 7 ms earlier. 1: agreed; 0: ask in full. The other headers are of form
 * "Server: Docker/20.10.24 (linux)".
 */
static int ping(struct engine *engine, struct error *err)
{
	const struct engine_call call = {
		.method = "GET",
		.path = "/_ping",
		.timeout_ms = ENGINE_LOOK_MS,
		.doing = "ask for the engine's version",
	};
	struct engine_answer answer = {0};
	const char *name;
	int newest, r = engine_call(engine, &call, &answer, err);

	if (r < 0) {
		return r;
	}
	newest = answer.status == 200 ? minor_version(header_of(engine, "Api-Version")) : -1;
	engine_answer_finish(&answer);
	if (newest < API_OLDEST || newest > API_NEWEST) {
		return 0;
	}
	engine->podman = header_of(engine, "Libpod-API-Version")[0] != '\0';
	name = header_of(engine, "Server");
	name += strcspn(name, "/") + (strchr(name, '/') != NULL ? 1 : 0);
	take_name(engine, name, strcspn(name, " "));
	take_api(engine, newest);
	return 1;
}

int engine_open(const char *socket_path, struct engine **ret, struct error *err)
{
	struct engine *engine = xcalloc(1, sizeof(*engine));
	struct curl_slist *more;
	int r;

	engine->socket_path = xstrdup(socket_path);
	engine->curl = curl_easy_init();
	engine->headers = curl_slist_append(NULL, "Content-Type: application/json");
	/* A large body is not to wait for a permission to come. */
	more = curl_slist_append(engine->headers, "Expect:");
	engine->headers = more != NULL ? more : engine->headers;
	if (engine->curl == NULL || more == NULL) {
		(void)engine_close(engine);
		return error_plain(err, ENOMEM, "cannot start libcurl");
	}
	r = ping(engine, err);
	r = r == 0 ? negotiate(engine, err) : r;
	if (r < 0) {
		(void)engine_close(engine);
		return r;
	}
	*ret = engine;
	return 0;
}

struct engine *engine_close(struct engine *engine)
{
	if (engine != NULL) {
		curl_easy_cleanup(engine->curl);
		curl_slist_free_all(engine->headers);
		free(engine->socket_path);
		free(engine);
	}
	return NULL;
}

const char *engine_version(const struct engine *engine)
{
	return engine->version;
}

bool engine_is_podman(const struct engine *engine)
{
	return engine->podman;
}

const char *engine_api(const struct engine *engine)
{
	return engine->api;
}
