/* SPDX-License-Identifier: MIT */
/* Tokens are known by their SHA-256 alone, and compared in constant time. */
#include "broker/tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/own.h"
#include "base/path.h"
#include "base/secret.h"
#include "policy/session.h"
#include "policy/tools.h"

_Static_assert(TOKEN_HASH_SIZE == crypto_hash_sha256_BYTES, "a token is known by its SHA-256");

enum {
	TOKEN_FILE_MAX = 4096,
	GENERATED_BYTES = 32,
};
#define GENERATED_NAME "gateway-token"

const struct principal principal_local = {.name = "local", .admin = true, .elevated = true};

static void hash_token(const char *token, size_t len, uint8_t ret[TOKEN_HASH_SIZE])
{
	(void)crypto_hash_sha256(ret, (const unsigned char *)token, len);
}

static void take_token(
	struct tokens *t, const char *token, size_t len, uint8_t ret[TOKEN_HASH_SIZE])
{
	hash_token(token, len, ret);
	strv_add_ref(&t->texts, &t->arena, arena_strndup(&t->arena, token, len));
}

/* A line without its end: files are written by echo. */
static size_t trimmed(const char *text, size_t len)
{
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL) {
		len--;
	}
	return len;
}

/* The length, or a negative errno. */
static ssize_t read_token_file(const char *path, char ret[TOKEN_FILE_MAX], struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd >= 0 ? read(fd, ret, TOKEN_FILE_MAX) : -1;
	size_t len;

	if (n < 0) {
		return error_set(err, errno, "cannot read the token in '%s'", path);
	}
	len = trimmed(ret, (size_t)n);
	if (len == 0 || n == TOKEN_FILE_MAX) {
		return error_plain(err, EINVAL, "there is no token in '%s'", path);
	}
	return (ssize_t)len;
}

static int hash_file(struct tokens *t, const struct config *config, const char *path,
	uint8_t ret[TOKEN_HASH_SIZE], struct error *err)
{
	char text[TOKEN_FILE_MAX];
	ssize_t len = read_token_file(path_join(&t->arena, config->state_dir,
					      path_expand_home(&t->arena, path, config->home)),
		text, err);

	if (len < 0) {
		return (int)len;
	}
	take_token(t, text, (size_t)len, ret);
	sodium_memzero(text, sizeof(text));
	return 0;
}

static int hash_hex(const char *hex, uint8_t ret[TOKEN_HASH_SIZE], struct error *err)
{
	size_t len;

	if (sodium_hex2bin(ret, TOKEN_HASH_SIZE, hex, strlen(hex), NULL, &len, NULL) != 0 ||
		len != TOKEN_HASH_SIZE || strlen(hex) != (size_t)2 * TOKEN_HASH_SIZE) {
		return error_plain(err, EINVAL, "tokenSha256 is not 64 hexadecimal digits");
	}
	return 0;
}

static void read_list(struct arena *a, const json_t *list, struct strv *ret)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (text != NULL) {
			strv_add(ret, a, text);
		}
	}
}

static struct principal *add(struct tokens *t, const char *name)
{
	struct principal *items = arena_calloc(&t->arena, t->count + 1, sizeof(*items));

	if (t->count > 0) {
		(void)memcpy(items, t->items, t->count * sizeof(*items));
	}
	t->items = items;
	items[t->count].name = arena_strdup(&t->arena, name);
	return &items[t->count++];
}

static int load_one(
	struct tokens *t, const struct config *config, const json_t *entry, struct error *err)
{
	const char *name = json_string_value(json_object_get(entry, "name"));
	const char *text = json_string_value(json_object_get(entry, "token"));
	const char *file = json_string_value(json_object_get(entry, "tokenFile"));
	const char *hex = json_string_value(json_object_get(entry, "tokenSha256"));
	struct principal *p = add(t, name != NULL ? name : "unnamed");
	int r = 0;

	if (text != NULL) {
		take_token(t, text, strlen(text), p->sha256);
	} else if (file != NULL) {
		r = hash_file(t, config, file, p->sha256, err);
	} else {
		r = hash_hex(hex != NULL ? hex : "", p->sha256, err);
	}
	if (r < 0) {
		return error_prefix(err, "gateway.tokens, '%s'", p->name);
	}
	for (size_t i = 0; i < json_array_size(json_object_get(entry, "agents")); i++) {
		const char *id =
			json_string_value(json_array_get(json_object_get(entry, "agents"), i));

		if (id != NULL) {
			strv_add(&p->agents, &t->arena,
				strcmp(id, "*") == 0 ? id : session_agent_id(&t->arena, id));
		}
	}
	read_list(&t->arena, json_object_get(entry, "sessions"), &p->sessions);
	read_list(&t->arena, json_object_get(entry, "tools"), &p->tools);
	p->elevated = json_is_true(json_object_get(entry, "elevated"));
	p->admin = json_is_true(json_object_get(entry, "admin"));
	return 0;
}

/* As a string, or {"source":"env"|"file","id":...}, as the original writes it. */
static int load_original(
	struct tokens *t, const struct config *config, const json_t *value, struct error *err)
{
	const char *text = json_string_value(value);
	const char *source = json_string_value(json_object_get(value, "source"));
	const char *id = json_string_value(json_object_get(value, "id"));
	struct principal *p = add(t, "gateway.auth.token");

	p->admin = p->elevated = true;
	if (source != NULL && id != NULL && strcmp(source, "env") == 0) {
		text = getenv(id);
	}
	if (source != NULL && id != NULL && strcmp(source, "file") == 0) {
		return hash_file(t, config, id, p->sha256, err);
	}
	if (text == NULL || text[0] == '\0') {
		return error_plain(err, EINVAL,
			"gateway.auth.token is neither a text nor a place that holds one; write the "
			"token itself, or use gateway.tokens with tokenFile");
	}
	take_token(t, text, strlen(text), p->sha256);
	return 0;
}

/* A token nobody has seen, in a file that only we can read. Another start may be doing the same. */
static int make_token(const char *path, struct error *err)
{
	unsigned char bytes[GENERATED_BYTES];
	char text[2 * GENERATED_BYTES + 2];
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = 0;

	if (fd < 0) {
		return errno == EEXIST
			       ? 0
			       : error_set(err, errno, "cannot make the token in '%s'", path);
	}
	randombytes_buf(bytes, sizeof(bytes));
	(void)sodium_bin2hex(text, sizeof(text), bytes, sizeof(bytes));
	text[sizeof(text) - 2] = '\n';
	if (write(fd, text, 2 * GENERATED_BYTES + 1) != 2 * GENERATED_BYTES + 1 || fsync(fd) < 0) {
		r = error_set(err, errno, "cannot write the token in '%s'", path);
		(void)unlink(path);
	}
	sodium_memzero(bytes, sizeof(bytes));
	sodium_memzero(text, sizeof(text));
	return r;
}

static int load_generated(struct tokens *t, const struct config *config, struct error *err)
{
	const char *path = path_join(&t->arena, config->state_dir, GENERATED_NAME);
	struct principal *p = add(t, GENERATED_NAME);
	int r = 0;

	p->admin = p->elevated = true;
	if (access(path, F_OK) < 0) {
		r = make_token(path, err);
	}
	return r < 0 ? r : hash_file(t, config, path, p->sha256, err);
}

int tokens_load(const struct config *config, struct tokens *ret, struct error *err)
{
	const json_t *list = config_get(config, "gateway.tokens");
	const json_t *original = config_get(config, "gateway.auth.token");
	struct tokens t = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		r = load_one(&t, config, json_array_get(list, i), err);
	}
	if (r == 0 && original != NULL && !json_is_null(original)) {
		r = load_original(&t, config, original, err);
	}
	if (r == 0 && t.count == 0) {
		r = load_generated(&t, config, err);
	}
	if (r < 0) {
		tokens_finish(&t);
	}
	*ret = t;
	return r;
}

static void wipe_texts(struct tokens *tokens)
{
	for (size_t i = 0; i < tokens->texts.count; i++) {
		secret_wipe(tokens->texts.items[i]);
	}
	tokens->texts = (struct strv){0};
}

void tokens_wipe(struct tokens *tokens, struct config *config)
{
	const json_t *list = config_get(config, "gateway.tokens"), *entry;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		secret_wipe(json_string_value(json_object_get(entry, "token")));
	}
	secret_wipe(json_string_value(config_get(config, "gateway.auth.token")));
	wipe_texts(tokens);
}

void tokens_finish(struct tokens *tokens)
{
	wipe_texts(tokens);
	arena_finish(&tokens->arena);
	*tokens = (struct tokens){0};
}

const struct principal *tokens_find(const struct tokens *tokens, const char *token)
{
	const struct principal *found = NULL;
	uint8_t hash[TOKEN_HASH_SIZE];

	hash_token(token, strlen(token), hash);
	for (size_t i = 0; i < tokens->count; i++) {
		if (sodium_memcmp(hash, tokens->items[i].sha256, sizeof(hash)) == 0 &&
			found == NULL) {
			found = &tokens->items[i];
		}
	}
	return found;
}

bool principal_reaches_agent(const struct principal *principal, const char *agent_id)
{
	return principal->admin || principal->agents.count == 0 ||
	       strv_contains(&principal->agents, "*") ||
	       strv_contains(&principal->agents, agent_id);
}

bool principal_reaches_session(const struct principal *principal, const char *session_key)
{
	bool reaches = principal->admin || principal->sessions.count == 0;

	for (size_t i = 0; !reaches && i < principal->sessions.count; i++) {
		reaches = tool_glob_match(principal->sessions.items[i], session_key);
	}
	return reaches;
}

bool principal_reaches_tool(struct arena *a, const struct principal *principal, const char *tool)
{
	bool reaches = principal->admin || principal->tools.count == 0;

	for (size_t i = 0; !reaches && i < principal->tools.count; i++) {
		reaches = tool_entry_covers(a, principal->tools.items[i], tool);
	}
	return reaches;
}
